// The pools a host chooses from when a network asks for none: Docker's list first, which users' firewalls and VPNs know.

import { createHash } from "node:crypto";
import { spanOf } from "../../src/driverkit/index.ts";
import {
  type Address,
  addressFromBytes,
  type Family,
  type Prefix,
  parsePrefix,
} from "../../src/netip/index.ts";

/** A block to cut networks of length `size` from. */
export interface PoolSource {
  readonly base: Prefix;
  readonly size: number;
}

const builtInIpv4: readonly [base: string, size: number][] = [
  ["172.17.0.0/16", 16],
  ["172.18.0.0/16", 16],
  ["172.19.0.0/16", 16],
  ["172.20.0.0/14", 16],
  ["172.24.0.0/14", 16],
  ["172.28.0.0/14", 16],
  ["192.168.0.0/16", 20],
  // Docker ends here, after 31 networks; 65,536 more
  ["10.0.0.0/8", 24],
];

/** Where a suggestion for more room comes from: private networks, then what carriers keep for themselves (RFC 6598). */
const privateIpv4 = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];

/** Blocks that an operator could add, the likeliest first. */
export function* spareSources(family: Family, hostId: string): Generator<PoolSource> {
  if (family === 6) {
    for (let number = 1; number < 100; number++) yield ulaPool(`${hostId} ${number}`);
    return;
  }
  for (const text of privateIpv4) {
    const block = parsePrefix(text);
    if (!block) continue;
    const { first, last } = spanOf(block);
    for (let value = first; value < last; value += 1n << 16n)
      yield { base: { address: { family, value }, length: 16 }, size: 24 };
  }
}

/** The operator's pools; a family without any gets Docker's and more (IPv4) or this host's own /48 in /64 steps (IPv6). */
export function poolSources(configured: readonly PoolSource[], hostId: string): PoolSource[] {
  const ofFamily = (family: Family) => configured.filter(({ base }) => base.address.family === family);
  const ipv4 = ofFamily(4);
  const ipv6 = ofFamily(6);
  return [...(ipv4.length > 0 ? ipv4 : builtInPools()), ...(ipv6.length > 0 ? ipv6 : [ulaPool(hostId)])];
}

function builtInPools(): PoolSource[] {
  return builtInIpv4.flatMap(([text, size]) => {
    const base = parsePrefix(text);
    return base ? [{ base, size }] : [];
  });
}

/** RFC 4193: fd00::/8 and 40 bits that differ between hosts; derived from the host, so that they stay. */
function ulaPool(hostId: string): PoolSource {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xfd;
  bytes.set(createHash("sha256").update(hostId).digest().subarray(0, 5), 1);
  const address: Address = addressFromBytes(bytes);
  return { base: { address, length: 48 }, size: 64 };
}
