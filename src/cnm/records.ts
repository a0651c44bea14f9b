// What the controller keeps on disk: one record per network, endpoint and sandbox. A network's record holds its pools
// and an endpoint's its addresses: nothing else remembers a lease.

import type { EndpointInterface, PoolData, PublishedPort } from "../driverapi/index.ts";
import type { Address, Family, Mac, Prefix } from "../netip/index.ts";
import type { Collection, Store } from "../store/index.ts";
import type { Stored } from "./stored.ts";
import type { EndpointSpec, NetworkSpec, SandboxSpec } from "./types.ts";

export interface NetworkRecord extends NetworkSpec {
  readonly id: string;
  readonly scope: "local" | "global" | "swarm";
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  /** RFC 3339. */
  readonly createdAt: string;
  /** bridge, host, none: made by the daemon. */
  readonly predefined: boolean;
  /** Made by the controller because containers needed it: it may be made anew when nobody is on it. */
  readonly madeOnDemand?: true;
  readonly pools: readonly PoolRecord[];
}

/** A leased pool. Its id is an opaque word of the IPAM driver, good until the daemon ends. */
export interface PoolRecord {
  readonly poolId: string;
  readonly addressSpace: string;
  readonly family: Family;
  readonly subnet: Prefix;
  readonly range?: Prefix;
  readonly gateway?: Address;
  /** The gateway came with the pool and has no lease of its own. */
  readonly gatewayWithPool?: boolean;
  readonly auxiliaryAddresses: Readonly<Record<string, Address>>;
}

export interface EndpointRecord {
  readonly id: string;
  readonly networkId: string;
  readonly sandboxId: string;
  readonly containerId: string;
  /** As it was when the container was connected; a label. */
  readonly containerName: string;
  readonly spec: EndpointSpec;
  readonly interface: EndpointInterface;
  /** Which pools the addresses were leased from; absent for addresses that the driver found by itself. */
  readonly poolIpv4?: string;
  readonly poolIpv6?: string;
  readonly names: readonly string[];
  /** In the sandbox; `movedFrom`: its name in the host's netns, where it goes back to. */
  readonly link?: {
    readonly name: string;
    readonly index: number;
    readonly movedFrom?: string;
    /** Ours to delete: it does not go by its driver's deleteEndpoint. */
    readonly deletedOnLeave?: true;
  };
  readonly gatewayIpv4?: Address;
  readonly gatewayIpv6?: Address;
  /** Families whose default route may go out by the link itself. */
  readonly defaultViaLink?: readonly Family[];
  /** Servers that its driver says its sandbox shall ask. */
  readonly dnsServers?: readonly Address[];
  /** Its network leads outside although it has no gateway. */
  readonly isExternal?: true;
  /** It leads nowhere, and its sandbox is to have another way out. */
  readonly needsGateway?: true;
  /** Made by the controller as the sandbox's way out: users see its network and its ports, but not it. */
  readonly isHidden?: true;
  /** Its ports are published whether it is the way out or not. */
  readonly isReachedDirectly?: true;
  readonly published: readonly PublishedPort[];
}

/** A netns and whose it is. */
export interface SandboxRecord {
  readonly id: string;
  readonly netnsPath: string;
  readonly spec: SandboxSpec;
}

/** What a container had on a network the last time; see memory.ts. */
export interface RememberedPlace {
  readonly containerId: string;
  readonly networkId: string;
  readonly ipv4?: Address;
  readonly ipv6?: Address;
  readonly mac?: Mac;
  readonly interfaceName?: string;
}

export interface Records {
  readonly store: Store;
  readonly networks: Collection<Stored<NetworkRecord>>;
  readonly endpoints: Collection<Stored<EndpointRecord>>;
  readonly sandboxes: Collection<Stored<SandboxRecord>>;
  readonly places: Collection<Stored<RememberedPlace>>;
}

/** The model's collections in the daemon's store. */
export function openRecords(store: Store): Records {
  return {
    store,
    networks: store.collection("networks"),
    endpoints: store.collection("endpoints"),
    sandboxes: store.collection("sandboxes"),
    places: store.collection("places"),
  };
}

/** The pool as drivers see it. */
export function poolDataOf(pool: PoolRecord): PoolData {
  const inPool = (address: Address): Prefix => ({ address, length: pool.subnet.length });
  const aux = Object.entries(pool.auxiliaryAddresses).map(([name, address]) => [name, inPool(address)]);
  return {
    addressSpace: pool.addressSpace,
    pool: pool.subnet,
    ...(pool.gateway && { gateway: inPool(pool.gateway) }),
    auxAddresses: Object.fromEntries(aux),
  };
}
