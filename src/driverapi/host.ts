// Host: the only hands a driver has on the machine. The same for the project's drivers and for anyone's.

import type { ClusterAccess } from "../cluster/index.ts";
import type { Firewall } from "../firewall/rules.ts";
import type { TunnelGuard } from "../firewall/tunnels.ts";
import type { Netlink, NetworkEvent, WatchedKind } from "../kernel/index.ts";
import type { Parents } from "../parents/index.ts";
import type { Ports } from "../ports/index.ts";
import type { Forwarder } from "../proxy/index.ts";
import type { Collection } from "../store/index.ts";
import type { Log } from "../util/log.ts";

export type {
  Change,
  ClusterAccess,
  ClusterNode,
  Entry,
  OwnRecords,
  OwnRecordsOptions,
  SharedTable,
  SharedTransaction,
} from "../cluster/index.ts";
export type { AllowRule, BridgeRule, Firewall, GatewayMode, PublishRule, Rule } from "../firewall/rules.ts";
export type { EncryptionWish, SealPlan } from "../firewall/tunnel-seals.ts";
export type { TunnelGuard, TunnelWish } from "../firewall/tunnels.ts";
export type { FdbEntry, Link, Neighbour, Netlink, NetworkEvent, Request } from "../kernel/index.ts";
export type { Parent, ParentRequest, Parents } from "../parents/index.ts";
export type { PortLease, PortRequest, Ports } from "../ports/index.ts";
export type { Forward, Forwarder, ParkedSockets } from "../proxy/index.ts";

export interface Sysctl {
  /** The value of `net.ipv4.ip_forward` and alike, trimmed; undefined when the kernel has no such key. */
  read(key: string): Promise<string | undefined>;
  /** May be repeated. @throws with the kernel's code: ENOENT for a key that it lacks, EINVAL for a value it does not take */
  write(key: string, value: string): Promise<void>;
  /** Several in order, for the price of one; stops at the first that fails. @throws as `write` */
  writeAll(values: Readonly<Record<string, string>>): Promise<void>;
}

/** A network namespace of the driver's own, open. */
export interface DriverNetns {
  readonly name: string;
  /** Path of its pin. */
  readonly path: string;
  /** It was there already: an earlier process left it, with what is in it. */
  readonly isOld: boolean;
  /** rtnetlink inside it. */
  readonly netlink: Netlink;
  readonly sysctl: Pick<Sysctl, "writeAll">;
  /** Calls `listener` for every change inside it from the moment it resolves, until the namespace is closed. */
  watch(kinds: readonly WatchedKind[], listener: (event: NetworkEvent) => void): Promise<void>;
  /** Guards of bridge ports inside it: rules of the kind `guard`. Old ones stay in force until `startGuards`. */
  readonly guards: Firewall;
  /** Brings the kernel to the guards that were set by now; until then they are only collected. May be repeated. */
  startGuards(): Promise<void>;
  /** Lets go of it; the namespace stays, with all that is in it. May be repeated. */
  close(): Promise<void>;
}

/** Network namespaces of the driver's own, by names that are nobody else's: letters, digits and `-`. */
export interface DriverNamespaces {
  /** Makes one with its `lo` up, or opens the one that is there. @throws conflict when it is open already */
  open(name: string): Promise<DriverNetns>;
  /** Names of those that are there, open or not, also of earlier processes. */
  list(): Promise<readonly string[]>;
  /** Closes it and takes its pin away: its links end some milliseconds later. One that is gone is success. */
  remove(name: string): Promise<void>;
}

/** A program as it is run. */
export interface ProgramOptions {
  /** Its whole environment but for PATH, which is the daemon's. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** After that it is killed, with all that it started in its process group. */
  readonly timeoutMs: number;
}

/** How a program ended. */
export interface ProgramEnd {
  /** Null: a signal ended it, ours among them. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  /** The first of it. */
  readonly stderr: string;
  /** Why it was killed: its time was over, or it wrote more than anybody reads (1 MiB). Absent: it was not. */
  readonly killedFor?: "time" | "output";
}

/** Programs of the machine, for drivers whose work is somebody else's executable. */
export interface Programs {
  /**
   * Runs one without arguments, in the host's namespaces and a process group of its own, and resolves when it has ended
   * and its output is read, however that was. @throws with the system's code when it cannot be started (ENOENT, EACCES)
   */
  run(path: string, options: ProgramOptions): Promise<ProgramEnd>;
}

export interface Host {
  /** rtnetlink in the host's netns. */
  readonly netlink: Netlink;
  /** Message builders, so that a driver needs no import from the kernel room. */
  readonly link: typeof import("../kernel/index.ts");
  readonly sysctl: Sysctl;
  readonly firewall: Firewall;
  readonly ports: Ports;
  readonly forwarder: Forwarder;
  readonly parents: Parents;
  /** What hosts share; undefined while this one is in no cluster, which may change while the daemon runs. */
  readonly cluster?: ClusterAccess | undefined;
  readonly netns: DriverNamespaces;
  /** Who may tunnel with this host. */
  readonly tunnels: TunnelGuard;
  readonly programs: Programs;
  /** The driver's own records: small, keyed by network or endpoint id. Only what cannot be derived belongs here. */
  readonly records: Collection<unknown>;
  /** Defaults that the operator set for the whole daemon. */
  readonly settings: HostSettings;
  readonly log: Log;
}

export interface HostSettings {
  /** Forward connections in user space also where kernel translation would do. */
  readonly userlandProxy: boolean;
  /** Whether the host's kernel has IPv6 at all. */
  readonly ipv6: boolean;
  /** MTU of the uplink that holds the default route; undefined when there is none. */
  readonly uplinkMtu: number | undefined;
  /** Turn forwarding on (`ip-forward`). */
  readonly ipForward: boolean;
  /** Where forwarding was turned on, leave what nobody lets through to the host (`ip-forward-no-drop`). */
  readonly ipForwardNoDrop?: boolean;
  /** Published ports are open at containers' own addresses too, to whoever has a route there (`allow-direct-routing`). */
  readonly allowDirectRouting?: boolean;
}
