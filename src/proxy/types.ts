// Desired state that the daemon hands to tsdocker-proxy: connections to forward, resolvers to run, names to answer.

import type { ZoneRecord } from "../dns/index.ts";
import type { ParkedSockets } from "../kernel/parked.ts";
import type { ForwarderCounters } from "../kernel/splice.ts";
import type { Address, PortRange, Protocol } from "../netip/index.ts";

export type { ParkedSockets, ZoneRecord };

/** Forwards what arrives at ports of a host address to a container, in user space (splice for tcp). */
export interface Forward {
  readonly protocol: Protocol;
  readonly listen: Address;
  readonly listenPorts: PortRange;
  readonly target: Address;
  /** Where the first port leads; the others follow. */
  readonly targetPort: number;
}

export interface Forwarder {
  /**
   * Makes `forwards` the owner's whole wish, and the proxy keep `held`: all that the owner has reserved, forwarded or
   * not, so that the ports stay his while the daemon is away. `[]` and `[]` end both, connections included. What is
   * wished already is not touched. Resolves when they are served. The batches are passed on by descriptor: the caller
   * keeps its own, open as long as it wishes them held, since another proxy may have to be given them.
   */
  setForwards(owner: string, forwards: readonly Forward[], held: readonly ParkedSockets[]): Promise<void>;
}

/** A name server to ask, and from where. */
export interface Upstream {
  readonly address: Address;
  readonly port?: number;
  /** Name or index of the link that a link-local address is on, in the namespace it is asked from. */
  readonly zone?: string;
  /** `host`: asked from the host's netns; `sandbox`: from the container's. */
  readonly from: "host" | "sandbox";
}

/** The resolver of one sandbox. */
export interface ResolverConfig {
  /** Path of the sandbox's netns. */
  readonly netns: string;
  /** Networks whose names it may answer, in the order in which they win. */
  readonly networks: readonly string[];
  /** Names only this sandbox knows (legacy links): name to endpoint ids. */
  readonly privateNames: Readonly<Record<string, readonly string[]>>;
  readonly upstreams: readonly Upstream[];
  /** False: the sandbox has no way outside and no question leaves it. */
  readonly forwards: boolean;
}

/** Where the resolver of a sandbox listens on 127.0.0.11 inside it; port 53 is redirected there. */
export interface ResolverPorts {
  readonly udp: number;
  readonly tcp: number;
}

/** Keeps what processes write while there is no daemon to read it. */
export interface StreamHolder {
  /** Holds the pipes at these paths open, under a key, in place of those before; `[]` lets go. */
  holdStreams(key: string, paths: readonly string[]): Promise<void>;
  /** Lets go of the pipes of all other keys. */
  retainStreams(keys: readonly string[]): Promise<void>;
}

export interface Resolvers {
  /** Starts, changes or (undefined) ends the resolver of a sandbox. Resolves when it answers. */
  setResolver(sandboxId: string, config: ResolverConfig | undefined): Promise<ResolverPorts | undefined>;
  /** Sets or (undefined) removes the names of one endpoint. Resolves when they are served. */
  setRecord(endpointId: string, record: ZoneRecord | undefined): Promise<void>;
}

/** How much a proxy has in hand, and has had. */
export interface ProxyCounters extends ForwarderCounters {
  readonly resolvers: number;
  readonly records: number;
  /** That wait for an answer from outside. */
  readonly questions: number;
}
