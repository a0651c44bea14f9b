// The values that requests and responses are made of.

import type { Address, Mac, PortRange, Prefix, Protocol } from "../netip/index.ts";

/** `local`: means something on this host only; `global`: on every host of the cluster. */
export type Scope = "local" | "global";

/** One subnet of a network, with what IPAM reserved in it. */
export interface PoolData {
  readonly addressSpace: string;
  readonly pool: Prefix;
  /** Gateway address with the pool's length; absent when none was reserved. */
  readonly gateway?: Prefix;
  readonly auxAddresses: Readonly<Record<string, Prefix>>;
}

/** What the user and the controller say of a network. */
export interface NetworkOptions {
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  readonly internal: boolean;
  /** The user's `-o key=value`, untouched. */
  readonly generic: Readonly<Record<string, string>>;
}

export interface ExposedPort {
  readonly protocol: Protocol;
  /** The first one. */
  readonly port: number;
  /** How many in a row; absent: one. */
  readonly count?: number;
}

/** A wish to publish container ports: one, or several in a row. */
export interface PortBinding {
  readonly protocol: Protocol;
  /** The first one. */
  readonly containerPort: number;
  /** How many; absent: one. More than one are published on as many `hostPorts`, one to one. */
  readonly count?: number;
  /** Where to listen; undefined: the driver's default (every address of the host, both families). */
  readonly hostAddress?: Address;
  /** As many ports as `count`, or any one free port of this range; undefined: any of the ephemeral range. */
  readonly hostPorts?: PortRange;
}

/** Ports that are published: the wish with the address and port that it got. */
export interface PublishedPort {
  readonly protocol: Protocol;
  /** The first one. */
  readonly containerPort: number;
  readonly hostAddress: Address;
  /** The first one's. 0: the container's own address and ports are reached directly (routed mode). */
  readonly hostPort: number;
  /** How many in a row, on both sides; absent: one. */
  readonly count?: number;
}

/** Options of one endpoint. */
export interface EndpointOptions {
  readonly exposedPorts: readonly ExposedPort[];
  readonly portBindings: readonly PortBinding[];
  /** The ports are for another endpoint of the sandbox to publish, or the network leads nowhere. */
  readonly portsElsewhere?: boolean;
  readonly dnsServers: readonly Address[];
  /** Set only when the user asked for this MAC. */
  readonly macAddress?: Mac;
  /** Addresses that the user named, for a driver that finds addresses; absent: none. */
  readonly addresses?: readonly Address[];
  /** Further addresses that the sandbox's end of the link gets (`--link-local-ip`); absent: none. */
  readonly linkLocal?: readonly Address[];
  /** The user's `--driver-opt key=value` for this endpoint, untouched. */
  readonly driverOpts: Readonly<Record<string, string>>;
  /** The sandbox is ours and passes on what others send: its packets may have sources that are not its own. */
  readonly forwards?: boolean;
}

/** Addresses of an endpoint's interface. */
export interface EndpointInterface {
  readonly address?: Prefix;
  readonly addressIpv6?: Prefix;
  readonly macAddress?: Mac;
}

/** A route in the sandbox besides the default ones. Without `nextHop` it is a route via the endpoint's own link. */
export interface StaticRoute {
  readonly destination: Prefix;
  readonly nextHop?: Address;
  /** What becomes of packets that it catches instead of going out; such a route has no next hop. */
  readonly type?: "blackhole" | "unreachable" | "prohibit";
  /** Lower wins; absent: the kernel's default. */
  readonly metric?: number;
}
