// Addresses of links.

import {
  type Address,
  addressWidth,
  type Family,
  formatAddress,
  formatPrefix,
  isLoopback,
  lastAddress,
  type Prefix,
} from "../netip/index.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import type { Request } from "./request.ts";
import {
  createFlags,
  decodeAddress,
  encodeAddress,
  familyNumber,
  familyOf,
  replaceFlags,
  rtm,
  say,
} from "./rtnetlink.ts";

/** How far an address or a route reaches (RT_SCOPE_*). */
export type Scope = "global" | "site" | "link" | "host" | "nowhere";

export const scopeNumber = {
  global: 0,
  site: 200,
  link: 253,
  host: 254,
  nowhere: 255,
} as const satisfies Record<Scope, number>;

const scopeByNumber = new Map(
  Object.entries(scopeNumber).map(([name, number]) => [number as number, name as Scope]),
);

/** An address on a link. */
export interface LinkAddress {
  /** Index of the link. */
  readonly link: number;
  /** With its host bits: 172.18.0.2/16. */
  readonly prefix: Prefix;
  readonly scope: Scope;
  readonly label?: string;
  readonly broadcast?: Address;
  /** IPv6: duplicate address detection is still running. */
  readonly tentative: boolean;
  /** IPv6: somebody else has it. */
  readonly duplicate: boolean;
  readonly permanent: boolean;
}

/** An address to put on a link. */
export interface AddressSpec {
  /** Index of the link. */
  readonly link: number;
  readonly prefix: Prefix;
  /** IPv6: use it at once, without duplicate address detection. */
  readonly noDad?: boolean;
  /** Do not add the route to its subnet. */
  readonly noPrefixRoute?: boolean;
  /** Default: host for 127.0.0.0/8 and ::1, else global. */
  readonly scope?: Scope;
  /** IPv4: at most 15 bytes, by custom `<link>:<name>`. */
  readonly label?: string;
  /** IPv4: "auto" = the last address of the subnet (none for /31 and /32). */
  readonly broadcast?: Address | "auto";
}

/** What `addresses` selects by; the kernel filters. */
export interface AddressFilter {
  readonly link?: number;
  readonly family?: Family;
}

/** IFA_* */
const ifa = { address: 1, local: 2, label: 3, broadcast: 4, flags: 8 } as const;
/** IFA_F_* */
const flag = { noDad: 0x2, dadFailed: 0x8, tentative: 0x40, permanent: 0x80, noPrefixRoute: 0x200 } as const;

/** `ip address add` (EEXIST when it is there), or `ip address replace`. */
export function addAddress(spec: AddressSpec, { replace = false } = {}): Request {
  const { prefix, broadcast } = spec;
  const encoder = begin(
    spec.link,
    prefix,
    scopeNumber[spec.scope ?? (isLoopback(prefix.address) ? "host" : "global")],
  );
  const flags = (spec.noDad ? flag.noDad : 0) | (spec.noPrefixRoute ? flag.noPrefixRoute : 0);
  if (flags) encoder.u32(ifa.flags, flags);
  if (spec.label !== undefined) encoder.string(ifa.label, spec.label);
  const wide = prefix.length < addressWidth(prefix.address.family) - 1;
  encodeAddress(
    encoder,
    ifa.broadcast,
    broadcast === "auto" ? (wide ? lastAddress(prefix) : undefined) : broadcast,
  );
  return {
    type: rtm.newAddress,
    flags: replace ? replaceFlags : createFlags,
    payload: encoder.finish(),
    words: addWords(spec, replace ? "replace" : "add"),
  };
}

/** `ip address delete`. Fails with EADDRNOTAVAIL when it is gone. */
export function deleteAddress(spec: { readonly link: number; readonly prefix: Prefix }): Request {
  const payload = begin(spec.link, spec.prefix, 0).finish();
  const words = `ip address delete ${formatPrefix(spec.prefix)} dev if${spec.link}`;
  return { type: rtm.deleteAddress, flags: nlmFlag.ack, payload, words };
}

/** `ip address show`: a dump. */
export function listAddresses(filter: AddressFilter = {}): Request {
  const header = Buffer.alloc(8);
  header.writeUInt8(familyNumber(filter.family), 0);
  header.writeUInt32LE(filter.link ?? 0, 4);
  const words = say("ip address show", filter.link !== undefined && `dev if${filter.link}`);
  return { type: rtm.getAddress, flags: 0, payload: header, words };
}

/** Reads the payload of RTM_NEWADDR or RTM_DELADDR; undefined for families other than IP. */
export function decodeLinkAddress(payload: Buffer): LinkAddress | undefined {
  const family = familyOf(payload.readUInt8(0));
  const attributes = new Attributes(payload.subarray(8));
  const address = decodeAddress(attributes.bytes(ifa.local) ?? attributes.bytes(ifa.address));
  if (family === undefined || address === undefined) return undefined;
  const flags = attributes.u32(ifa.flags) ?? payload.readUInt8(2);
  const label = attributes.string(ifa.label);
  const broadcast = decodeAddress(attributes.bytes(ifa.broadcast));
  return {
    link: payload.readUInt32LE(4),
    prefix: { address, length: payload.readUInt8(1) },
    scope: scopeOf(payload.readUInt8(3)),
    ...(label !== undefined && { label }),
    ...(broadcast !== undefined && { broadcast }),
    tentative: (flags & flag.tentative) !== 0,
    duplicate: (flags & flag.dadFailed) !== 0,
    permanent: (flags & flag.permanent) !== 0,
  };
}

/** The nearest name; numbers without one count as global. */
export function scopeOf(number: number): Scope {
  return scopeByNumber.get(number) ?? "global";
}

/** struct ifaddrmsg, and the address both as local and as (absent) peer, as iproute2 sends it. */
function begin(link: number, prefix: Prefix, scope: number): Encoder {
  const header = Buffer.alloc(8);
  header.writeUInt8(familyNumber(prefix.address.family), 0);
  header.writeUInt8(prefix.length, 1);
  header.writeUInt8(scope, 3);
  header.writeUInt32LE(link, 4);
  const encoder = new Encoder().struct(header);
  encodeAddress(encoder, ifa.local, prefix.address);
  encodeAddress(encoder, ifa.address, prefix.address);
  return encoder;
}

function addWords(spec: AddressSpec, verb: "add" | "replace"): string {
  const { broadcast } = spec;
  const shown = broadcast === "auto" ? "+" : broadcast && formatAddress(broadcast);
  return say(
    `ip address ${verb} ${formatPrefix(spec.prefix)}`,
    shown && `broadcast ${shown}`,
    spec.label !== undefined && `label ${spec.label}`,
    spec.scope !== undefined && `scope ${spec.scope}`,
    `dev if${spec.link}`,
    spec.noDad && "nodad",
    spec.noPrefixRoute && "noprefixroute",
  );
}
