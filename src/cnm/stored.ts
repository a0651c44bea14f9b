// Records as JSON can hold them: addresses become text with a mark in front, so that types stay the same on both sides.

import { type Address, formatAddress, parseAddress } from "../netip/index.ts";

/** A record in the form in which the store keeps it. Made by `pack`, read by `unpack`. */
export type Stored<T> = { readonly __record: T };

/** Addresses become `@172.18.0.2`; text that starts with the mark gets a second one. */
export function pack<T>(record: T): Stored<T> {
  return packed(record) as Stored<T>;
}

/** @throws when the record is damaged */
export function unpack<T>(stored: Stored<T>): T {
  return unpacked(stored) as T;
}

function packed(value: unknown): unknown {
  if (typeof value === "string") return value.startsWith("@") ? `@${value}` : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(packed);
  if (isAddress(value)) return `@${formatAddress(value)}`;
  return mapValues(value, packed);
}

function unpacked(value: unknown): unknown {
  if (typeof value === "string") return value.startsWith("@") ? unpackedText(value.slice(1)) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(unpacked);
  return mapValues(value, unpacked);
}

function unpackedText(text: string): string | Address {
  if (text.startsWith("@")) return text;
  const address = parseAddress(text);
  if (!address) throw new TypeError(`not an address on record: ${text}`);
  return address;
}

function isAddress(value: object): value is Address {
  return "family" in value && "value" in value && typeof value.value === "bigint";
}

function mapValues(record: object, change: (value: unknown) => unknown): Record<string, unknown> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, change(value)]));
}
