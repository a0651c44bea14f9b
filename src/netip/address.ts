// Pure values: IP addresses. Text is parsed once, at the edge; inside, no string is an address.

import IpCidr from "ip-cidr";

export type Family = 4 | 6;

/** An IPv4 or IPv6 address as a number of 32 or 128 bits. Compare with `sameAddress`, show with `formatAddress`. */
export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

const widths = { 4: 32, 6: 128 } as const;

/** 32 or 128. */
export function addressWidth(family: Family): 32 | 128 {
  return widths[family];
}

/** Parses dotted IPv4 or any RFC 4291 form of IPv6 (no prefix length, no zone); undefined when it is neither. */
export function parseAddress(text: string): Address | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  if (!text.includes(":")) return parseIpv4(text);
  return parseIpv6(text);
}

/** Shows an address: dotted IPv4, or IPv6 in the shortest form of RFC 5952. */
export function formatAddress(address: Address): string {
  return address.family === 4 ? formatIpv4(address.value) : formatIpv6(address.value);
}

/** Whether both are one address, or both absent. */
export function sameAddress(a: Address | undefined, b: Address | undefined): boolean {
  return a?.family === b?.family && a?.value === b?.value;
}

/** The address `offset` further on. */
export function addressPlus(address: Address, offset: bigint): Address {
  return { family: address.family, value: address.value + offset };
}

/** Network byte order: 4 or 16 bytes. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(address.family === 4 ? 4 : 16);
  let rest = address.value;
  for (let at = bytes.length - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** The address in 4 or 16 bytes of network byte order. */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length !== 4 && bytes.length !== 16)
    throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback(address: Address): boolean {
  return address.family === 4 ? address.value >> 24n === 127n : address.value === 1n;
}

/** 0.0.0.0 and ::. */
export function isUnspecified(address: Address): boolean {
  return address.value === 0n;
}

/** 224.0.0.0/4 and ff00::/8. */
export function isMulticast(address: Address): boolean {
  return address.family === 4 ? address.value >> 28n === 0xen : address.value >> 120n === 0xffn;
}

/** 169.254.0.0/16 and fe80::/10. */
export function isLinkLocal(address: Address): boolean {
  return address.family === 4 ? address.value >> 16n === 0xa9fen : address.value >> 118n === 0x3fan;
}

function parseIpv4(text: string): Address | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return { family: 4, value };
}

function parseIpv6(text: string): Address | undefined {
  try {
    const parsed = IpCidr.createAddress(text);
    const value = IpCidr.formatIP<bigint>(parsed, { type: "bigInteger" });
    // the library answers an IPv4-mapped address with its IPv4 part
    return { family: 6, value: text.includes(".") ? (0xffffn << 32n) | value : value };
  } catch {
    return undefined;
  }
}

function formatIpv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
}

function formatIpv6(value: bigint): string {
  if (value >> 32n === 0xffffn) return `::ffff:${formatIpv4(value & 0xffffffffn)}`;
  const groups = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - 16 * at)) & 0xffffn));
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
