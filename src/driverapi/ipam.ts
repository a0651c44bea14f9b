// IpamDriver: Docker's IPAM plugin protocol, typed.

import type { Address, Family, Mac, Prefix } from "../netip/index.ts";

export interface IpamCapabilities {
  /** Requests for endpoints' addresses have a MAC, which is chosen before when the user says none. */
  readonly requiresMacAddress: boolean;
  /** After a daemon start the controller repeats every pool and address it has on record. */
  readonly requiresRequestReplay: boolean;
}

export interface PoolRequest {
  readonly addressSpace: string;
  readonly family: Family;
  /** Absent: the driver chooses a pool that overlaps nothing in `exclude`. */
  readonly pool?: Prefix;
  /** Dynamic addresses come from here (Docker's ip-range). */
  readonly subPool?: Prefix;
  readonly options: Readonly<Record<string, string>>;
  /** Whose pool it will be, for messages. */
  readonly networkName?: string;
  /** What a chosen pool must not overlap: the host's routes and resolvers. */
  readonly exclude: readonly Prefix[];
  /** It is leased already, under this id: a daemon that starts says again what it has on record. */
  readonly onRecord?: string;
}

export interface PoolLease {
  readonly poolId: string;
  readonly pool: Prefix;
  /** A gateway that came with the pool; used as it is. */
  readonly gateway?: Prefix;
}

export interface AddressRequest {
  readonly poolId: string;
  /** Absent: any free address. */
  readonly address?: Address;
  readonly purpose: "gateway" | "auxiliary" | "endpoint";
  readonly endpointName?: string;
  readonly macAddress?: Mac;
  /** It is leased already: a daemon that starts says again what it has on record. */
  readonly onRecord?: true;
}

/** An address that was leased here, and is somebody else's since this host was away for too long. */
export interface AddressLoss {
  readonly poolId: string;
  readonly address: Address;
  /** For people: why, and whose it is. */
  readonly reason: string;
}

/** Usage of a pool for inspect. */
export interface PoolUsage {
  /** Taken, or nobody's to have (network and broadcast address). */
  readonly inUse: bigint;
  /** Free addresses that a request without an address can get. */
  readonly available: bigint;
}

/**
 * An IPAM driver. What holds for all calls:
 * - Requests are the caller's and nobody changes them; answers are the caller's from then on.
 * - Leases are no repetitions of each other: asking twice leases twice, or is refused. Releases may be repeated: what is
 *   not leased, or never was, is success.
 * - A call that throws has leased and released nothing. Kinds of errors: `invalid` for malformed or out-of-range requests,
 *   `forbidden` for an overlap or an address in use, `unavailable` when a pool is exhausted; any other is `internal`.
 * - Calls come side by side; two of them never get one address.
 */
export interface IpamDriver {
  /** For messages. A driver package is known by the name that the operator gives it. */
  readonly name: string;
  /** The same as long as the driver lives. */
  readonly capabilities: IpamCapabilities;
  /**
   * Names of the spaces that pools are asked for in: pools of one space do not overlap. `local` is this host's own,
   * `global` that of all hosts of a cluster. The same answer each time; throws nothing.
   */
  defaultAddressSpaces(): Promise<{ local: string; global: string }>;
  /**
   * Leases a pool: the one that is asked for, or a free one. With `onRecord` it is leased already, and said again, as after
   * each start of the daemon with `requiresRequestReplay`: that succeeds where the driver knows it and where it does not.
   * @throws invalid, forbidden (it overlaps another), unavailable (none is free)
   */
  requestPool(request: PoolRequest): Promise<PoolLease>;
  /** Gives a pool back, with all that is leased in it. May be repeated. @throws unavailable */
  releasePool(poolId: string): Promise<void>;
  /**
   * Leases an address: the one that is asked for, or a free one, of the sub-pool if there is one. Answers it with its
   * pool's length. With `onRecord` it is leased already, and said again. @throws invalid (no such pool, not in it),
   * forbidden (in use), unavailable (none is free)
   */
  requestAddress(request: AddressRequest): Promise<Prefix>;
  /** Gives an address back. May be repeated, also for a pool that is gone. @throws unavailable */
  releaseAddress(poolId: string, address: Address): Promise<void>;
  /**
   * Costs little and changes nothing. What it throws is logged, and the pool shown with nothing in it. Absent: nobody is
   * told.
   */
  usage?(poolId: string): Promise<PoolUsage>;
  /**
   * Where addresses are agreed upon with other hosts: makes one, leased here for an endpoint of this name, that of all
   * hosts together, so that it outlives this one. May be repeated, by other hosts too. @throws forbidden when it is
   * somebody else's; unavailable
   */
  shareAddress?(poolId: string, address: Address, endpointName: string): Promise<void>;
  /** Gives such an address back; one that is none is left alone. May be repeated. @throws unavailable */
  unshareAddress?(poolId: string, address: Address): Promise<void>;
  /**
   * Where addresses are agreed upon with other hosts, these may give a lost host's to others. Tells of addresses whose
   * endpoints must go; they are not leased here any more. Answers with the way to stop. Asked, like all about other
   * hosts, of the cluster's own driver alone.
   */
  followLosses?(listener: (loss: AddressLoss) => void): () => void;
  /** Everything on record has been leased again: what is left may be given to other hosts. Called once; throws nothing. */
  open?(): void;
  /**
   * Gives pools back that a crash left behind: of this host's earlier lives and of hosts that are gone. `known`: those in
   * use. May be repeated; what it throws is logged.
   */
  sweep?(known: ReadonlySet<string>): Promise<void>;
}

/**
 * A driver package's `createIpam`: builds the driver. Called once; it changes nothing on the machine. What it throws keeps
 * the driver out, and is told to whoever names it.
 */
export type IpamDriverFactory = (options: {
  /**
   * Pools to choose from when none is asked for; `size` is the length of what is handed out of `base`. A family that
   * has none here keeps the driver's own.
   */
  readonly defaultPools: readonly { readonly base: Prefix; readonly size: number }[];
  /** What tells this host from others, for prefixes that should differ between hosts (IPv6 ULA). */
  readonly hostId?: string;
}) => IpamDriver;
