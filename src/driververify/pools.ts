// Subnets and options of the networks that are tried.

import type { PoolData } from "../driverapi/index.ts";
import { addressPlus, type Prefix, parsePrefix } from "../netip/index.ts";

/** @throws RangeError */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new RangeError(`not a prefix: ${text}`);
  return parsed;
}

/** Subnet number n: of 198.18.0.0/15, which is for such trials (RFC 2544), and of the documentation's. */
export function poolData(
  family: 4 | 6,
  number: number,
  options: { readonly gateway?: boolean } = {},
): PoolData {
  const pool = prefix(
    family === 4
      ? `198.${18 + (number >> 8)}.${number & 255}.0/24`
      : `2001:db8:${(0x1800 + number).toString(16)}::/64`,
  );
  const gateway = { address: addressPlus(pool.address, 1n), length: pool.length };
  return {
    addressSpace: "LocalDefault",
    pool,
    ...(options.gateway !== false && { gateway }),
    auxAddresses: {},
  };
}

/** Options of network number n. */
export function numbered(
  options: Readonly<Record<string, string>> = {},
  number: number,
): Record<string, string> {
  const entries = Object.entries(options);
  return Object.fromEntries(entries.map(([key, value]) => [key, value.replaceAll("{number}", `${number}`)]));
}

/** What the IPAM driver `null` gives: every address is the network's, and none is leased. */
export function anyPool(family: 4 | 6): PoolData {
  return { addressSpace: "null", pool: { address: { family, value: 0n }, length: 0 }, auxAddresses: {} };
}

/** Address number n of the pool, with its length. */
export function hostOf({ pool }: PoolData, host: number): Prefix {
  return { address: addressPlus(pool.address, BigInt(host)), length: pool.length };
}
