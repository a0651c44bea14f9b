// What nftables objects are to us: tables, chains, sets and elements as values, and the field types that keys are made of.

import type { familyNumber } from "./numbers.ts";

export type TableFamily = keyof typeof familyNumber;

export interface Table {
  readonly family: TableFamily;
  readonly name: string;
}

/** Where a base chain is called; the numbers are NF_INET_*. */
export const hookNumber = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** The same in the family `netdev`, whose chains see what links take in and give out (NF_NETDEV_*). */
export const deviceHookNumber = { ingress: 0, egress: 1 } as const;

export interface Chain {
  readonly name: string;
  /** Present on base chains. */
  readonly hook?: {
    readonly type: "filter" | "nat" | "route";
    readonly at: keyof typeof hookNumber | keyof typeof deviceHookNumber;
    /** Names of links, at most 256 (NFT_NETDEVICE_MAX); of chains of the family `netdev`, and of those alone. */
    readonly devices?: readonly string[];
    /** -300 raw, -200 conntrack, -100 dstnat, 0 filter, 100 srcnat. */
    readonly priority: number;
    /** Default: accept. */
    readonly policy?: "accept" | "drop";
  };
}

/**
 * Kinds of fields in keys and data: nft's own number of the type (so that `nft list` prints it in its words) and its
 * size in bytes.
 */
export const fieldType = {
  nf_proto: { number: 2, size: 1 },
  /** An integer to nft. */
  vni: { number: 4, size: 3 },
  ipv4_addr: { number: 7, size: 4 },
  ipv6_addr: { number: 8, size: 16 },
  ether_addr: { number: 9, size: 6 },
  inet_proto: { number: 12, size: 1 },
  inet_service: { number: 13, size: 2 },
  mark: { number: 19, size: 4 },
  devgroup: { number: 35, size: 4 },
  ifname: { number: 41, size: 16 },
} as const;

export type FieldType = keyof typeof fieldType;

/** A set, or with `data` a map. */
export interface SetSpec {
  readonly name: string;
  /** More than one field: a concatenation. */
  readonly key: readonly FieldType[];
  /** Elements are intervals; together with several fields each field of an element is one (pipapo). */
  readonly interval?: boolean;
  /** What elements map to. */
  readonly data?: "verdict" | readonly FieldType[];
}

export type Verdict = "accept" | "drop" | "return" | { readonly jump: string } | { readonly goto: string };

/** One element; byte strings as `concatenate` makes them. */
export interface Element {
  readonly key: Uint8Array;
  /** Last key of an interval in a concatenation. */
  readonly keyEnd?: Uint8Array;
  readonly data?: Uint8Array | Verdict;
  /** In sets of intervals of one field: the key is the first value behind an interval. */
  readonly intervalEnd?: boolean;
}

/** Fields one after the other, each padded to the 4 bytes of a register. */
export function concatenate(...fields: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(fields.reduce((sum, field) => sum + padded(field.length), 0));
  let at = 0;
  for (const field of fields) {
    joined.set(field, at);
    at += padded(field.length);
  }
  return joined;
}

/** The size that a field takes in a register or a key, in bytes. */
export function padded(size: number): number {
  return (size + 3) & ~3;
}

/** A port as a field. */
export function portField(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

/** A VNI as a field. */
export function vniField(vni: number): Uint8Array {
  return Uint8Array.of(vni >> 16, (vni >> 8) & 0xff, vni & 0xff);
}

/** An interface name as a field. @throws RangeError when it has more than 15 bytes */
export function linkField(name: string): Uint8Array {
  const field = new Uint8Array(fieldType.ifname.size);
  const bytes = Buffer.from(name);
  if (bytes.length >= field.length) throw new RangeError(`interface name ${name} is too long`);
  field.set(bytes);
  return field;
}

/** An interval of a one-field set: its first value, and the first value behind it unless there is none. */
export function intervalElements(
  first: Uint8Array,
  last: Uint8Array,
  data?: Uint8Array | Verdict,
): readonly Element[] {
  const start = { key: first, ...(data === undefined ? {} : { data }) };
  const behind = successor(last);
  return behind ? [start, { key: behind, intervalEnd: true }] : [start];
}

/** The next larger byte string of the same length; undefined behind the last. */
function successor(bytes: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(bytes);
  for (let at = next.length - 1; at >= 0; at--) {
    const byte = ((next[at] ?? 0) + 1) & 0xff;
    next[at] = byte;
    if (byte !== 0) return next;
  }
  return undefined;
}
