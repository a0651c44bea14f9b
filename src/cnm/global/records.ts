// Networks of the whole cluster on record: what there is, by which names, and which hosts use what.

import type { ClusterAccess, SharedTable } from "../../cluster/index.ts";
import type { NetworkRecord } from "../records.ts";
import type { Stored } from "../stored.ts";

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

export interface GlobalTables {
  readonly networks: SharedTable<GlobalNetworkRecord>;
  readonly names: SharedTable<NameRecord>;
  readonly users: SharedTable<UseRecord>;
}

export async function openGlobalTables(cluster: ClusterAccess): Promise<GlobalTables> {
  const [networks, names, users] = await Promise.all([
    cluster.table<GlobalNetworkRecord>("networks"),
    cluster.table<NameRecord>("network-names"),
    cluster.table<UseRecord>("network-users"),
  ]);
  return { networks, names, users };
}

/** How often a write is tried again because another host was first. */
export const mostTries = 16;
