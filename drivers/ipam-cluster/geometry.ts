// How a pool is cut into blocks.

import { intersection, type Span, spanOf, usableSpan } from "../../src/driverkit/index.ts";
import { addressWidth, type Family, type Prefix, prefixFamily } from "../../src/netip/index.ts";

export interface Geometry {
  readonly subnet: Prefix;
  readonly family: Family;
  /** Addresses that anybody may have. */
  readonly usable: Span;
  /** Those of them that requests without an address get; undefined: none. */
  readonly dynamic: Span | undefined;
  /** Addresses per block. */
  readonly blockSize: number;
}

/** No block is larger: its record holds a line for each address that is not its owner's. */
const mostBlockBits = 8;

/** As many blocks as addresses in a block: /24 in 16 of 16, /28 in 4 of 4; from /16 on blocks of 256. */
export function geometryOf(subnet: Prefix, range?: Prefix): Geometry {
  const family = prefixFamily(subnet);
  const hostBits = addressWidth(family) - subnet.length;
  const usable = usableSpan(subnet);
  return {
    subnet,
    family,
    usable,
    dynamic: intersection(spanOf(range ?? subnet), usable),
    blockSize: 2 ** Math.min(Math.floor(hostBits / 2), mostBlockBits),
  };
}

/** The first address of the block that has this one. */
export function blockStart({ blockSize }: Geometry, value: bigint): bigint {
  return value - (value % BigInt(blockSize));
}

/** In a pool's part of the table; keys sort as addresses do. */
export function blockKey(uid: string, { family }: Geometry, start: bigint): string {
  return `${uid}/${start.toString(16).padStart(addressWidth(family) / 4, "0")}`;
}

/** The first address of the block that a key names. */
export function startOfKey(key: string): bigint {
  return BigInt(`0x${key.slice(key.indexOf("/") + 1)}`);
}

/** Offsets in the block of the addresses that are in `span`, first and last. */
export function offsetsWithin(
  { blockSize }: Geometry,
  start: bigint,
  span: Span | undefined,
): { readonly first: number; readonly last: number } | undefined {
  const within = span && intersection({ first: start, last: start + BigInt(blockSize) - 1n }, span);
  return within && { first: Number(within.first - start), last: Number(within.last - start) };
}
