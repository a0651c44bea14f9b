// Addresses for networks without a wire: single ones out of the subnet that the user names, each with its full length.
// There is no network address and no broadcast address in such a subnet: all of it can be had.

import type { IpamDriver, IpamDriverFactory } from "tsdocker/driverapi";
import {
  addressPlus,
  forbidden,
  formatAddress,
  formatPrefix,
  hasHostBits,
  hostPrefix,
  invalid,
  type Prefix,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  prefixSize,
  subnetOf,
  unavailable,
} from "tsdocker/driverkit";

interface Pool {
  readonly pool: Prefix;
  /** Where addresses are taken from that nobody names. */
  readonly range: Prefix;
  readonly taken: Set<string>;
  /** Where the search goes on: an address that was given back is not the next one to be had. */
  next: bigint;
}

/** For `--ipam-driver`. All that is leased is said again after a start. */
export const createIpam: IpamDriverFactory = () => {
  const pools = new Map<string, Pool>();

  const poolOf = (poolId: string) => {
    const pool = pools.get(poolId);
    if (!pool) throw invalid(`there is no pool ${poolId}`);
    return pool;
  };

  const freeIn = (it: Pool) => {
    const size = prefixSize(it.range);
    for (let tried = 0n; tried < size && tried < 1_000_000n; tried++) {
      const address = addressPlus(it.range.address, (it.next + tried) % size);
      if (it.taken.has(formatAddress(address))) continue;
      it.next = (it.next + tried + 1n) % size;
      return address;
    }
    throw unavailable(`no available addresses in ${formatPrefix(it.range)}`);
  };

  return {
    name: "point-to-point",
    capabilities: { requiresMacAddress: false, requiresRequestReplay: true },
    defaultAddressSpaces: async () => ({ local: "point-to-point", global: "point-to-point" }),

    async requestPool({ addressSpace, pool, subPool, family, onRecord }) {
      if (addressSpace !== "point-to-point") throw invalid(`there is no address space ${addressSpace}`);
      if (!pool) throw invalid("point-to-point chooses no subnet by itself: --subnet is needed");
      const poolId = formatPrefix(pool);
      if (pool.address.family !== family) throw invalid(`${poolId} is not IPv${family}`);
      if (hasHostBits(pool))
        throw invalid(`${poolId} is an address and no subnet: ${formatPrefix(subnetOf(pool))} is`);
      if (subPool && !prefixCovers(pool, subPool))
        throw invalid(`${formatPrefix(subPool)} is not in ${poolId}`);
      const other = [...pools.values()].find((it) => prefixesOverlap(it.pool, pool));
      if (other && !(onRecord && formatPrefix(other.pool) === poolId))
        throw forbidden(`${poolId} overlaps ${formatPrefix(other.pool)}, which another network has`);
      if (!other) pools.set(poolId, { pool, range: subnetOf(subPool ?? pool), taken: new Set(), next: 0n });
      return { poolId, pool };
    },

    async releasePool(poolId) {
      pools.delete(poolId);
    },

    async requestAddress({ poolId, address: asked, onRecord }) {
      const it = poolOf(poolId);
      if (asked && !prefixContains(it.pool, asked))
        throw invalid(`${formatAddress(asked)} is not in ${formatPrefix(it.pool)}`);
      if (asked && !onRecord && it.taken.has(formatAddress(asked)))
        throw forbidden(`${formatAddress(asked)} is in use`);
      const address = asked ?? freeIn(it);
      it.taken.add(formatAddress(address));
      return hostPrefix(address);
    },

    async releaseAddress(poolId, address) {
      pools.get(poolId)?.taken.delete(formatAddress(address));
    },
  } satisfies IpamDriver;
};
