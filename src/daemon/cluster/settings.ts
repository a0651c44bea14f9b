// What was settled when the cluster was formed, the same for all its hosts.

import type { ClusterAccess, SharedTable } from "../../cluster/index.ts";
import { formatPrefix, type Prefix, parsePrefix } from "../../netip/index.ts";
import { errorKind } from "../../util/errors.ts";

export interface SubnetPool {
  readonly base: Prefix;
  /** Length of the subnets that are handed out of `base`. */
  readonly size: number;
}

export interface ClusterSettings {
  /** What subnets of the cluster's networks are chosen from; none: the built-in ones. */
  readonly subnetPools: readonly SubnetPool[];
  /** How long after its lease a host that is gone keeps what it has. */
  readonly graceMs: number;
}

interface SettingsRecord {
  readonly subnetPools: readonly { readonly base: string; readonly size: number }[];
  readonly graceMs?: number;
}

const table = "settings";
const key = "cluster";
export const defaultGraceMs = 5 * 60_000;

/** Settles it, unless that was done: what the first host says holds for all. @throws unavailable */
export async function settle(
  cluster: ClusterAccess,
  { subnetPools, graceMs }: ClusterSettings,
): Promise<void> {
  const settings = await cluster.table<SettingsRecord>(table);
  if (settings.get(key)) return;
  const pools = subnetPools.map(({ base, size }) => ({ base: formatPrefix(base), size }));
  await settings.create(key, { subnetPools: pools, graceMs }).catch((error: unknown) => {
    if (errorKind(error) !== "conflict") throw error;
  });
}

/** What holds now, asked at each use: a host that starts without the store may not know yet. */
export async function openSettings(cluster: ClusterAccess): Promise<() => ClusterSettings> {
  const settings = await cluster.table<SettingsRecord>(table);
  return () => readSettings(settings);
}

function readSettings(settings: SharedTable<SettingsRecord>): ClusterSettings {
  const { subnetPools = [], graceMs = defaultGraceMs } = settings.get(key)?.value ?? {};
  return {
    subnetPools: subnetPools.flatMap(({ base, size }) => {
      const prefix = parsePrefix(base);
      return prefix ? [{ base: prefix, size }] : [];
    }),
    graceMs,
  };
}
