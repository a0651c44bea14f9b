// Where a driver is tried: a machine, sandboxes that its endpoints join, and ways to see what there is of its work. The
// kit knows a machine by these words alone, so that its own tests can do without a kernel.

import type { ClusterAccess, EndpointInterface, JoinResponse, NetworkDriver } from "../driverapi/index.ts";
import type { Address, Mac } from "../netip/index.ts";
import type { Weather } from "./weather.ts";

export interface StageLink {
  readonly index: number;
  readonly name: string;
  readonly mac?: Mac | undefined;
}

/** What there is on the machine, by kind, in words that can be compared. */
export type Remains = Readonly<Record<RemainKind, readonly string[]>>;

export const remainKinds = [
  "links",
  "addresses",
  "routes",
  "rules",
  "namespaces",
  "records",
  "ports",
  "forwards",
] as const;
export type RemainKind = (typeof remainKinds)[number];

/** A container's network stack. */
export interface Sandbox {
  /** Path of its netns. */
  readonly key: string;
  /** Links but `lo`. */
  links(): Promise<readonly StageLink[]>;
  /** Does with the answer of a join what a controller does. */
  attach(response: JoinResponse, own: EndpointInterface): Promise<void>;
  /** Takes the link away as a controller does after `leave`: deletes it, or gives it back to the host. */
  detach(response: JoinResponse): Promise<void>;
  /** Whether the address answers an echo request from here; `withinMs` is how long to wait for it. */
  reaches(
    address: Address,
    options?: { readonly withinMs?: number; readonly size?: number },
  ): Promise<boolean>;
  /** The netns ends, with what is in it. Idempotent. */
  remove(): Promise<void>;
}

export interface Stage extends AsyncDisposable {
  /** The instance of now. */
  readonly driver: NetworkDriver;
  /** Undefined: what the driver asks of its host cannot be touched. */
  readonly weather: Weather | undefined;
  /** How long what was deleted may take to be gone. */
  readonly patienceMs: number;
  /** Why there is no new instance on the same machine; undefined: there is. */
  readonly whyNoRestart: string | undefined;
  /** Why errors have no kinds; undefined: they have. */
  readonly whyNoKinds: string | undefined;
  /** What the machine shares with others; undefined: it is in no cluster. */
  readonly cluster?: ClusterAccess | undefined;
  /**
   * The daemon is gone without a word and another one starts: a new instance, which `replay` tells what is on record.
   * Rules of the firewall take effect after that.
   */
  restart(replay: (driver: NetworkDriver) => Promise<void>): Promise<void>;
  sandbox(): Promise<Sandbox>;
  /** In the machine's netns. */
  link(name: string): Promise<StageLink | undefined>;
  /** Whether there is such a link, in the machine's netns or in one of the driver's own. */
  isThere(name: string, index: number): Promise<boolean>;
  remains(): Promise<Remains>;
  /** Another program of the machine has this TCP port until it is disposed. */
  occupyPort(port: number): Promise<AsyncDisposable>;
}
