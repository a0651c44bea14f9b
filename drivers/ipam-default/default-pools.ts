// The pools a host chooses from when a network asks for none: Docker's list, which users' firewalls and VPNs know.

import { createHash } from "node:crypto";
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

const dockerIpv4: readonly [base: string, size: number][] = [
  ["172.17.0.0/16", 16],
  ["172.18.0.0/16", 16],
  ["172.19.0.0/16", 16],
  ["172.20.0.0/14", 16],
  ["172.24.0.0/14", 16],
  ["172.28.0.0/14", 16],
  ["192.168.0.0/16", 20],
];

/** The operator's pools; a family without any gets Docker's (IPv4) or this host's own /48 in /64 steps (IPv6). */
export function poolSources(configured: readonly PoolSource[], hostId: string): PoolSource[] {
  const ofFamily = (family: Family) => configured.filter(({ base }) => base.address.family === family);
  const ipv4 = ofFamily(4);
  const ipv6 = ofFamily(6);
  return [...(ipv4.length > 0 ? ipv4 : dockerPools()), ...(ipv6.length > 0 ? ipv6 : [ulaPool(hostId)])];
}

function dockerPools(): PoolSource[] {
  return dockerIpv4.flatMap(([text, size]) => {
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
