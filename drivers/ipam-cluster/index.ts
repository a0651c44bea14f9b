// The IPAM driver of networks that span hosts. Every host hands addresses out of blocks that are its own, so that it asks
// nobody; which block is whose is agreed upon in the cluster's store.

import type { AddressLoss, ClusterAccess } from "../../src/driverapi/index.ts";
import type { Log } from "../../src/util/log.ts";
import { type Clock, systemClock } from "./clock.ts";
import { poolSources } from "./default-pools.ts";
import { type ClusterIpam, ClusterIpamDriver, tickMs } from "./driver.ts";
import { KnownPools } from "./known-pools.ts";
import type { Parts } from "./parts.ts";
import type { PoolSource } from "./pool-records.ts";
import { openTables } from "./records.ts";
import { Standing } from "./standing.ts";

export type { Clock } from "./clock.ts";
export type { ClusterIpam } from "./driver.ts";
export { type HostRecord, hostsOnRecord, recordsOfHost } from "./host-records.ts";
export type { PoolSource } from "./pool-records.ts";

export interface ClusterIpamOptions {
  readonly cluster: ClusterAccess;
  /** Of the cluster: its IPv6 pools are made from it. */
  readonly clusterId: string;
  /** Pools to choose from; a family without any has Docker's 10.0.0.0/8 in /24, or a /48 of the cluster's own in /64. */
  readonly defaultPools?: readonly PoolSource[];
  /**
   * How long after a host's lease ended others leave its addresses alone; the same on every host. Until then a host that
   * is cut off hands out what it has. Milliseconds.
   */
  readonly graceMs?: number | (() => number);
  readonly clock?: Clock;
  /** From 0 to 1. */
  readonly random?: () => number;
  readonly log: Log;
}

const defaultGraceMs = 5 * 60_000;
const answerMs = 2_000;
const idleMs = 30_000;

/** Builds the driver on this host's copies of the tables. */
export async function createClusterIpam(options: ClusterIpamOptions): Promise<ClusterIpam> {
  const { cluster, clock = systemClock, graceMs = defaultGraceMs, log } = options;
  const grace = typeof graceMs === "number" ? () => graceMs : graceMs;
  const tables = await openTables(cluster);
  const listeners = new Set<(loss: AddressLoss) => void>();
  const parts: Parts = {
    cluster,
    self: cluster.self.id,
    tables,
    clock,
    standing: new Standing({ cluster, clock, graceMs: grace, tickMs }),
    pools: new KnownPools(tables, cluster.self.id),
    answers: new Map(),
    answerMs,
    idleMs,
    random: options.random ?? Math.random,
    lost: (loss) => {
      for (const listener of [...listeners]) listener(loss);
    },
    log,
  };
  return new ClusterIpamDriver(parts, listeners, poolSources(options.defaultPools ?? [], options.clusterId));
}
