// Networks of the whole cluster on record: what there is, by which names, which hosts use what, and what is found there.

import type { ClusterAccess, SharedTable } from "../../cluster/index.ts";
import type { Address } from "../../netip/index.ts";
import type { NetworkRecord } from "../records.ts";
import type { Stored } from "../stored.ts";
import type { PublishedService } from "./services.ts";

/** By the network's id. */
export interface GlobalNetworkRecord {
  readonly network: Stored<NetworkRecord>;
  /** The host that is about to remove it: no other begins to use it. */
  readonly removing?: string;
}

/** By name: that two hosts cannot take one at once. */
export interface NameRecord {
  readonly networkId: string;
}

/** By `network's id/host's id`: containers of the host are on the network, and it stays. */
export interface UseRecord {
  /** RFC 3339. */
  readonly since: string;
}

/** By `network's id/endpoint's id`: what an endpoint is called on its network. */
export interface EndpointNames {
  readonly node: string;
  readonly containerId: string;
  readonly containerName: string;
  /** The first is the one that reverse look-ups give. */
  readonly names: readonly string[];
  readonly addresses: readonly Address[];
  /** The service that it belongs to. */
  readonly service?: string;
  /** What its health check says; true without one. */
  readonly isReady: boolean;
}

/** By `network's id/name`. */
export interface ServiceRecord {
  readonly vips: readonly Address[];
  readonly published: readonly PublishedService[];
  /** A host is about to lease its addresses, or to give them back: nobody counts on them. */
  readonly change?: { readonly kind: "making" | "removing"; readonly by: string };
}

/** By `protocol/port`: one port of the cluster is one service's. */
export interface IngressPortRecord {
  readonly networkId: string;
  readonly service: string;
}

export interface GlobalTables {
  readonly networks: SharedTable<GlobalNetworkRecord>;
  readonly names: SharedTable<NameRecord>;
  readonly users: SharedTable<UseRecord>;
  readonly endpoints: SharedTable<EndpointNames>;
  readonly services: SharedTable<ServiceRecord>;
  readonly ports: SharedTable<IngressPortRecord>;
}

export async function openGlobalTables(cluster: ClusterAccess): Promise<GlobalTables> {
  const [networks, names, users, endpoints, services, ports] = await Promise.all([
    cluster.table<GlobalNetworkRecord>("networks"),
    cluster.table<NameRecord>("network-names"),
    cluster.table<UseRecord>("network-users"),
    cluster.table<EndpointNames>("endpoint-names"),
    cluster.table<ServiceRecord>("services"),
    cluster.table<IngressPortRecord>("ingress-ports"),
  ]);
  return { networks, names, users, endpoints, services, ports };
}

/** Of a service, or of an endpoint's names. */
export function keyOn(networkId: string, name: string): string {
  return `${networkId}/${name}`;
}

/** What `keyOn` was made of. */
export function partsOf(key: string): readonly [networkId: string, name: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}

/** How often a write is tried again because another host was first. */
export const mostTries = 16;
