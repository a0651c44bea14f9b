// What was settled when the cluster was formed, the same for all its hosts.

import type { ClusterAccess } from "../../cluster/index.ts";
import { formatPrefix, type Prefix, parsePrefix } from "../../netip/index.ts";

export interface SubnetPool {
  readonly base: Prefix;
  /** Length of the subnets that are handed out of `base`. */
  readonly size: number;
}

interface SettingsRecord {
  readonly subnetPools: readonly { readonly base: string; readonly size: number }[];
}

const table = "settings";
const key = "cluster";

/** What subnets of the cluster's networks are chosen from. @throws unavailable */
export async function putSubnetPools(cluster: ClusterAccess, pools: readonly SubnetPool[]): Promise<void> {
  const subnetPools = pools.map(({ base, size }) => ({ base: formatPrefix(base), size }));
  const settings = await cluster.table<SettingsRecord>(table);
  await settings.put(key, { subnetPools });
}

/** None: the built-in ones. */
export async function readSubnetPools(cluster: ClusterAccess): Promise<readonly SubnetPool[]> {
  const settings = await cluster.table<SettingsRecord>(table);
  return (settings.get(key)?.value.subnetPools ?? []).flatMap(({ base, size }) => {
    const prefix = parsePrefix(base);
    return prefix ? [{ base: prefix, size }] : [];
  });
}
