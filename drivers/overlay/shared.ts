// What hosts share of overlay networks: the records of three tables.

import type { ClusterAccess, OwnRecords, SharedTable } from "../../src/driverapi/index.ts";
import { type Address, formatAddress, type Mac } from "../../src/netip/index.ts";

/** By network id: the VNI of each of its segments. */
export interface NetworkVnis {
  readonly vnis: readonly number[];
}

/** By VNI, in decimal: whose it is. */
export interface VniOwner {
  readonly networkId: string;
}

/** By `<network id>/<endpoint id>`: an endpoint that is in a sandbox, and where. */
export interface PublishedEndpoint {
  /** Id of its host. */
  readonly node: string;
  readonly mac: Mac;
  readonly addresses: readonly Address[];
  /** Of its segment. */
  readonly vni: number;
}

export interface SharedTables {
  readonly networks: SharedTable<NetworkVnis>;
  readonly vnis: SharedTable<VniOwner>;
  readonly endpoints: SharedTable<PublishedEndpoint>;
}

const endpointsTable = "overlay-endpoints";

/** Resolves when this host has a copy of them. */
export async function openShared(cluster: ClusterAccess): Promise<SharedTables> {
  const [networks, vnis, endpoints] = await Promise.all([
    cluster.table<NetworkVnis>("overlay-networks"),
    cluster.table<VniOwner>("vnis"),
    cluster.table<PublishedEndpoint>(endpointsTable),
  ]);
  return { networks, vnis, endpoints };
}

/** Tells other hosts of this one's endpoints. */
export function publishEndpoints(cluster: ClusterAccess): OwnRecords<PublishedEndpoint> {
  const text = ({ node, mac, addresses, vni }: PublishedEndpoint) =>
    [node, mac, vni, ...addresses.map(formatAddress)].join(" ");
  return cluster.ownRecords<PublishedEndpoint>(endpointsTable, { isSame: (a, b) => text(a) === text(b) });
}

/** Key of an endpoint. */
export function endpointKey(networkId: string, endpointId: string): string {
  return prefixOf(networkId) + endpointId;
}

/** What the keys of a network's endpoints begin with. */
export function prefixOf(networkId: string): string {
  return `${networkId}/`;
}
