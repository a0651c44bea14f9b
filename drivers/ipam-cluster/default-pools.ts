// Pools to choose from where the cluster has none of its own.

import { createHash } from "node:crypto";
import { addressFromBytes } from "../../src/netip/index.ts";
import type { PoolSource } from "./pool-records.ts";

/** Those that are given, and for a family without any Docker's 10.0.0.0/8 in /24, or a /48 of the cluster's own in /64. */
export function poolSources(given: readonly PoolSource[], clusterId: string): PoolSource[] {
  const own = (family: 4 | 6) => given.filter(({ base }) => base.address.family === family);
  const ipv4 = own(4);
  const ipv6 = own(6);
  return [...(ipv4.length > 0 ? ipv4 : [dockersPool]), ...(ipv6.length > 0 ? ipv6 : [ulaPool(clusterId)])];
}

/** Docker's pool for networks that span hosts. */
const dockersPool: PoolSource = { base: { address: { family: 4, value: 10n << 24n }, length: 8 }, size: 24 };

/** RFC 4193: fd00::/8 and 40 bits of the cluster's own. */
function ulaPool(clusterId: string): PoolSource {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xfd;
  bytes.set(createHash("sha256").update(`tsdocker ${clusterId}`).digest().subarray(0, 5), 1);
  return { base: { address: addressFromBytes(bytes), length: 48 }, size: 64 };
}
