// Spans of addresses as numbers: what IPAM drivers count in.

import { firstAddress, lastAddress, type Prefix, prefixFamily } from "../netip/index.ts";

/** First and last address, both included. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** The first and the last address of a prefix as numbers. */
export function spanOf(prefix: Prefix): Span {
  return { first: firstAddress(prefix).value, last: lastAddress(prefix).value };
}

/** The addresses that both have; undefined when there are none. */
export function intersection(a: Span, b: Span): Span | undefined {
  const first = larger(a.first, b.first);
  const last = a.last + b.last - larger(a.last, b.last);
  return first <= last ? { first, last } : undefined;
}

/** Math.max for bigints. */
export function larger(a: bigint, b: bigint): bigint {
  return a < b ? b : a;
}

/** The lowest multiple of `step` that is not below `value`. */
export function alignUp(value: bigint, step: bigint): bigint {
  return ((value + step - 1n) / step) * step;
}

/**
 * Without the network and broadcast addresses of IPv4 (RFC 3021: a /31 has neither) and the subnet-router address of
 * IPv6 (RFC 4291 2.6.1; RFC 6164: a /127 has none).
 */
export function usableSpan(subnet: Prefix): Span {
  const { first, last } = spanOf(subnet);
  if (last - first < 2n) return { first, last };
  return { first: first + 1n, last: prefixFamily(subnet) === 4 ? last - 1n : last };
}
