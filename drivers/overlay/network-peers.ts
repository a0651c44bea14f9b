// The hosts that have endpoints on a network, read from the shared table.

import type { ClusterAccess, NetworkPeer } from "../../src/driverapi/index.ts";
import { prefixOf, type SharedTables } from "./shared.ts";

/** By name; hosts that are on record no more are left out. */
export function networkPeers(
  { nodes }: Pick<ClusterAccess, "nodes">,
  { endpoints }: Pick<SharedTables, "endpoints">,
  networkId: string,
): NetworkPeer[] {
  const ids = new Set([...endpoints.entries(prefixOf(networkId))].map(({ value }) => value.node));
  const peers = [...ids].flatMap((nodeId): NetworkPeer[] => {
    const node = nodes.get(nodeId)?.value;
    return node ? [{ nodeId, name: node.name, address: node.address }] : [];
  });
  return peers.sort((a, b) => (`${a.name} ${a.nodeId}` < `${b.name} ${b.nodeId}` ? -1 : 1));
}
