// The IPAM driver __name__: addresses one after the other out of a subnet. Change it into yours.

import type { IpamDriver, IpamDriverFactory } from "tsdocker/driverapi";
import {
  type Address,
  addressPlus,
  firstAddress,
  forbidden,
  formatAddress,
  formatPrefix,
  hasHostBits,
  invalid,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
  prefixFamily,
  prefixSize,
  sameAddress,
  subnetOf,
  unavailable,
} from "tsdocker/driverkit";

/** The version of the contract that this is written for: a daemon with another one refuses to load it. */
export const contract = 1;

/** Where a pool comes from when the user names none: the first /24 and /64 that are free. */
const own = { 4: { base: "10.200.0.0/16", size: 24 }, 6: { base: "fd00:200::/48", size: 64 } } as const;

interface Pool {
  readonly pool: Prefix;
  /** Where addresses are taken from that nobody names. */
  readonly range: Prefix;
  readonly taken: Set<string>;
  /** Where the search goes on: an address that was given back is not the next one to be had. */
  next: bigint;
}

/** For `network create --ipam-driver __name__`. After a start of the daemon all that is leased is said again. */
export const createIpam: IpamDriverFactory = () => {
  const pools = new Map<string, Pool>();

  const poolOf = (poolId: string) => {
    const pool = pools.get(poolId);
    if (!pool) throw invalid(`there is no pool ${poolId}`);
    return pool;
  };

  const isFree = (pool: Prefix, others: readonly Prefix[]) =>
    ![...pools.values()].some((it) => prefixesOverlap(it.pool, pool)) &&
    !others.some((other) => prefixesOverlap(other, pool));

  const choosePool = (family: 4 | 6, exclude: readonly Prefix[]): Prefix => {
    const { base, size } = own[family];
    const whole = parsePrefix(base);
    const step = 1n << BigInt((family === 4 ? 32 : 128) - size);
    for (let at = 0n; whole && at < 256n; at++) {
      const pool = { address: addressPlus(whole.address, at * step), length: size };
      if (isFree(pool, exclude)) return pool;
    }
    throw unavailable(`no free subnet in ${base}`);
  };

  const freeIn = (it: Pool): Address => {
    const size = prefixSize(it.range);
    for (let tried = 0n; tried < size && tried < 1_000_000n; tried++) {
      const at = (it.next + tried) % size;
      const address = addressPlus(firstAddress(it.range), at);
      if (it.taken.has(formatAddress(address)) || isReserved(it.pool, address)) continue;
      it.next = (at + 1n) % size;
      return address;
    }
    throw unavailable(`no available addresses in ${formatPrefix(it.range)}`);
  };

  return {
    name: "__name__",
    capabilities: { requiresMacAddress: false, requiresRequestReplay: true },
    defaultAddressSpaces: async () => ({ local: "__name__", global: "__name__" }),

    async requestPool({ addressSpace, pool: asked, subPool, family, exclude, onRecord }) {
      if (addressSpace !== "__name__") throw invalid(`there is no address space ${addressSpace}`);
      if (asked && hasHostBits(asked))
        throw invalid(
          `${formatPrefix(asked)} is an address and no subnet: ${formatPrefix(subnetOf(asked))} is`,
        );
      if (asked && prefixFamily(asked) !== family)
        throw invalid(`${formatPrefix(asked)} is not an IPv${family} subnet`);
      const pool = asked ?? choosePool(family, exclude);
      const poolId = formatPrefix(pool);
      if (subPool && !prefixContains(pool, subPool.address))
        throw invalid(`${formatPrefix(subPool)} is not in ${poolId}`);
      if (onRecord !== undefined && pools.has(poolId)) return { poolId, pool };
      if (!isFree(pool, [])) throw forbidden(`${poolId} overlaps a subnet that another network has`);
      pools.set(poolId, { pool, range: subPool ? subnetOf(subPool) : pool, taken: new Set(), next: 0n });
      return { poolId, pool };
    },

    async releasePool(poolId) {
      pools.delete(poolId);
    },

    async requestAddress({ poolId, address: asked, onRecord }) {
      const it = poolOf(poolId);
      if (asked && (!prefixContains(it.pool, asked) || isReserved(it.pool, asked)))
        throw invalid(`${formatAddress(asked)} is no address of ${poolId} that can be had`);
      if (asked && !onRecord && it.taken.has(formatAddress(asked)))
        throw forbidden(`${formatAddress(asked)} is in use`);
      const address = asked ?? freeIn(it);
      it.taken.add(formatAddress(address));
      return { address, length: it.pool.length };
    },

    async releaseAddress(poolId, address) {
      pools.get(poolId)?.taken.delete(formatAddress(address));
    },
  } satisfies IpamDriver;
};

/** The subnet's own address, and the one that means all of an IPv4 subnet; a subnet of one or two has neither. */
function isReserved(pool: Prefix, address: Address): boolean {
  const size = prefixSize(pool);
  if (size <= 2n) return false;
  const first = firstAddress(pool);
  return (
    sameAddress(address, first) ||
    (address.family === 4 && sameAddress(address, addressPlus(first, size - 1n)))
  );
}
