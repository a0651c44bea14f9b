// Numbers and small structs that the rtnetlink nouns share (linux/rtnetlink.h, linux/if_link.h).

import { type Address, addressBytes, addressFromBytes, type Family, type Prefix } from "../netip/index.ts";
import { type Encoder, nlmFlag } from "./codec.ts";

export const rtm = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  deleteNeighbour: 29,
  getNeighbour: 30,
  newRule: 32,
  deleteRule: 33,
  newQdisc: 36,
  newFilter: 44,
  deleteFilter: 45,
  getFilter: 46,
} as const;

export const addressFamily = { unspecified: 0, inet: 2, bridge: 7, inet6: 10 } as const;

/** Create, and fail with EEXIST when it is there. */
export const createFlags = nlmFlag.ack | nlmFlag.create | nlmFlag.exclusive;
/** Create or replace. */
export const replaceFlags = nlmFlag.ack | nlmFlag.create | nlmFlag.replace;

/** AF_INET or AF_INET6; AF_UNSPEC for none. */
export function familyNumber(family: Family | undefined): number {
  if (family === undefined) return addressFamily.unspecified;
  return family === 4 ? addressFamily.inet : addressFamily.inet6;
}

/** The family of an AF_* number; undefined for those that are not IP. */
export function familyOf(number: number): Family | undefined {
  if (number === addressFamily.inet) return 4;
  return number === addressFamily.inet6 ? 6 : undefined;
}

/** 4 or 16 bytes as an address; anything else is undefined. */
export function decodeAddress(bytes: Buffer | undefined): Address | undefined {
  return bytes && (bytes.length === 4 || bytes.length === 16) ? addressFromBytes(bytes) : undefined;
}

/** Writes an attribute with the address in network byte order; nothing for no address. */
export function encodeAddress(encoder: Encoder, type: number, address: Address | undefined): void {
  if (address) encoder.bytes(type, addressBytes(address));
}

/** A prefix as rtnetlink gives it: an attribute for the address and a length; no attribute means all zeros. */
export function decodePrefix(family: Family, bytes: Buffer | undefined, length: number): Prefix {
  return { address: decodeAddress(bytes) ?? { family, value: 0n }, length };
}

/** A link by index, or by name. */
export type LinkRef = number | string;

/** As iproute2 names a link in an argument; an index is `if3`. */
export function refWords(ref: LinkRef): string {
  return typeof ref === "number" ? `if${ref}` : ref;
}

/** Joins the words that are there. */
export function say(...words: readonly (string | number | false | undefined)[]): string {
  return words.filter((word) => word !== undefined && word !== false && word !== "").join(" ");
}
