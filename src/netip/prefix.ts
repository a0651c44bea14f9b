// Pure values: prefixes (CIDR). A prefix keeps its host bits: 10.1.0.5/24 is an interface address, 10.1.0.0/24 a subnet.

import { type Address, addressWidth, type Family, formatAddress, parseAddress } from "./address.ts";

export interface Prefix {
  readonly address: Address;
  /** 0–32 or 0–128. */
  readonly length: number;
}

/** Parses `address/length`; undefined when it is not one. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (!address || !/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  const length = Number(digits);
  return length <= addressWidth(address.family) ? { address, length } : undefined;
}

/** `address/length`, with host bits where it has some. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.address)}/${prefix.length}`;
}

/** Whether both are one prefix, host bits included, or both absent. */
export function samePrefix(a: Prefix | undefined, b: Prefix | undefined): boolean {
  if (!a || !b) return a === b;
  return (
    a.length === b.length && a.address.family === b.address.family && a.address.value === b.address.value
  );
}

/** How many addresses the prefix spans. */
export function prefixSize(prefix: Prefix): bigint {
  return 1n << BigInt(addressWidth(prefix.address.family) - prefix.length);
}

/** The subnet: the same prefix with its host bits cleared. */
export function subnetOf(prefix: Prefix): Prefix {
  return { address: firstAddress(prefix), length: prefix.length };
}

/** True for 172.18.0.2/16, false for 172.18.0.0/16. */
export function hasHostBits(prefix: Prefix): boolean {
  return prefix.address.value !== firstAddress(prefix).value;
}

/** The lowest address of the subnet (IPv4: the network address). */
export function firstAddress(prefix: Prefix): Address {
  const hostMask = prefixSize(prefix) - 1n;
  return { family: prefix.address.family, value: prefix.address.value & ~hostMask };
}

/** The highest address of the subnet (IPv4: the broadcast address). */
export function lastAddress(prefix: Prefix): Address {
  return { family: prefix.address.family, value: firstAddress(prefix).value + prefixSize(prefix) - 1n };
}

/** False for an address of the other family. */
export function prefixContains(prefix: Prefix, address: Address): boolean {
  if (prefix.address.family !== address.family) return false;
  return address.value >= firstAddress(prefix).value && address.value <= lastAddress(prefix).value;
}

/** True when every address of `inner` is in `outer`. */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return outer.length <= inner.length && prefixContains(outer, inner.address);
}

/** Whether they have an address in common. */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixCovers(a, b) || prefixCovers(b, a);
}

/** An address as the prefix that holds it alone. */
export function hostPrefix(address: Address): Prefix {
  return { address, length: addressWidth(address.family) };
}

/** The family of its address. */
export function prefixFamily(prefix: Prefix): Family {
  return prefix.address.family;
}
