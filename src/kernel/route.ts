// Routes.

import { type Address, type Family, formatAddress, formatPrefix, type Prefix } from "../netip/index.ts";
import { type Scope, scopeNumber, scopeOf } from "./address.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import type { Request } from "./request.ts";
import {
  createFlags,
  decodeAddress,
  decodePrefix,
  encodeAddress,
  familyNumber,
  familyOf,
  replaceFlags,
  rtm,
  say,
} from "./rtnetlink.ts";

const typeNumber = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const;

// looked up for every route of a dump
const typeByNumber = new Map(
  Object.entries(typeNumber).map(([name, number]) => [number as number, name as RouteType]),
);

/** RTN_*: what is done with a packet. */
export type RouteType = keyof typeof typeNumber;

/** Numbers of routing tables. */
export const routeTable = { default: 253, main: 254, local: 255 } as const;

/** A route of one namespace. */
export interface Route {
  readonly family: Family;
  /** Undefined = default. */
  readonly destination?: Prefix;
  readonly gateway?: Address;
  /** Index of the outgoing link; undefined for blackholes and multipath routes. */
  readonly link?: number;
  readonly scope: Scope;
  /** The address that packets without one get. */
  readonly source?: Address;
  /** Lower wins; 0 is not shown by the kernel for IPv4. */
  readonly metric?: number;
  readonly table: number;
  readonly type: RouteType;
  /** RTPROT_*: 2 = kernel, 3 = boot, 4 = static, 16 = DHCP, … */
  readonly protocol: number;
}

/** A route to add or delete. */
export interface RouteSpec {
  readonly family: Family;
  /** Undefined = default. */
  readonly destination?: Prefix;
  readonly gateway?: Address;
  /** Index of the outgoing link. */
  readonly link?: number;
  /** Default: link for IPv4 without a gateway, else global. */
  readonly scope?: Scope;
  readonly source?: Address;
  readonly metric?: number;
  /** Default: main. */
  readonly table?: number;
  /** Default: unicast. */
  readonly type?: RouteType;
  /** The gateway is on the link although no route says so. */
  readonly onLink?: boolean;
}

/** What `routes` selects by; the kernel filters. */
export interface RouteFilter {
  readonly family?: Family;
  /** Default: main. */
  readonly table?: number | "all";
  readonly link?: number;
}

/** RTA_* */
const rta = { destination: 1, link: 4, gateway: 5, metric: 6, source: 7, table: 15 } as const;

const protocolStatic = 4;
const flagOnLink = 4; // RTNH_F_ONLINK
const flagCloned = 0x200; // RTM_F_CLONED: a cache entry, not a route

/** `ip route add` (EEXIST when it is there), or `ip route replace`. */
export function addRoute(spec: RouteSpec, { replace = false } = {}): Request {
  const scope = spec.scope ?? (spec.family === 4 && !spec.gateway && isUnicast(spec) ? "link" : "global");
  return {
    type: rtm.newRoute,
    flags: replace ? replaceFlags : createFlags,
    payload: encode(spec, {
      scope: scopeNumber[scope],
      protocol: protocolStatic,
      type: typeNumber[spec.type ?? "unicast"],
    }),
    words: words(spec, replace ? "replace" : "add"),
  };
}

/** `ip route delete`: the first that matches what is given. Fails with ESRCH when none does. */
export function deleteRoute(spec: RouteSpec): Request {
  // absent = any: RT_SCOPE_NOWHERE, RTPROT_UNSPEC and RTN_UNSPEC match all
  const scope = spec.scope === undefined ? scopeNumber.nowhere : scopeNumber[spec.scope];
  const type = spec.type === undefined ? 0 : typeNumber[spec.type];
  const payload = encode(spec, { scope, protocol: 0, type });
  return { type: rtm.deleteRoute, flags: nlmFlag.ack, payload, words: words(spec, "delete") };
}

/** `ip route show`: a dump. */
export function listRoutes(filter: RouteFilter = {}): Request {
  const table = filter.table ?? routeTable.main;
  const header = Buffer.alloc(12);
  header.writeUInt8(familyNumber(filter.family), 0);
  const encoder = new Encoder().struct(header);
  if (table !== "all") encoder.u32(rta.table, table);
  if (filter.link !== undefined) encoder.u32(rta.link, filter.link);
  const text = say("ip route show table", String(table), filter.link !== undefined && `dev if${filter.link}`);
  return { type: rtm.getRoute, flags: 0, payload: encoder.finish(), words: text };
}

/** Reads the payload of RTM_NEWROUTE or RTM_DELROUTE; undefined for families other than IP and for cache entries. */
export function decodeRoute(payload: Buffer): Route | undefined {
  const family = familyOf(payload.readUInt8(0));
  if (family === undefined || payload.readUInt32LE(8) & flagCloned) return undefined;
  const attributes = new Attributes(payload.subarray(12));
  const length = payload.readUInt8(1);
  const bytes = attributes.bytes(rta.destination);
  const gateway = decodeAddress(attributes.bytes(rta.gateway));
  const link = attributes.u32(rta.link);
  const source = decodeAddress(attributes.bytes(rta.source));
  const metric = attributes.u32(rta.metric);
  return {
    family,
    ...((length > 0 || bytes) && { destination: decodePrefix(family, bytes, length) }),
    ...(gateway && { gateway }),
    ...(link !== undefined && { link }),
    scope: scopeOf(payload.readUInt8(6)),
    ...(source && { source }),
    ...(metric !== undefined && { metric }),
    table: attributes.u32(rta.table) ?? payload.readUInt8(4),
    type: typeOf(payload.readUInt8(7)),
    protocol: payload.readUInt8(5),
  };
}

function typeOf(number: number): RouteType {
  return typeByNumber.get(number) ?? "unicast";
}

function isUnicast(spec: RouteSpec): boolean {
  return spec.type === undefined || spec.type === "unicast";
}

/** struct rtmsg and attributes. */
function encode(spec: RouteSpec, kind: { scope: number; protocol: number; type: number }): Buffer {
  const table = spec.table ?? routeTable.main;
  const header = Buffer.alloc(12);
  header.writeUInt8(familyNumber(spec.family), 0);
  header.writeUInt8(spec.destination?.length ?? 0, 1);
  header.writeUInt8(table < 256 ? table : 0, 4);
  header.writeUInt8(kind.protocol, 5);
  header.writeUInt8(kind.scope, 6);
  header.writeUInt8(kind.type, 7);
  header.writeUInt32LE(spec.onLink ? flagOnLink : 0, 8);
  const encoder = new Encoder().struct(header);
  encodeAddress(encoder, rta.destination, spec.destination?.address);
  encodeAddress(encoder, rta.gateway, spec.gateway);
  if (spec.link !== undefined) encoder.u32(rta.link, spec.link);
  encodeAddress(encoder, rta.source, spec.source);
  if (spec.metric !== undefined) encoder.u32(rta.metric, spec.metric);
  if (table >= 256) encoder.u32(rta.table, table);
  return encoder.finish();
}

function words(spec: RouteSpec, verb: "add" | "replace" | "delete"): string {
  return say(
    spec.family === 6 && !spec.destination ? "ip -6 route" : "ip route",
    verb,
    spec.type,
    spec.destination ? formatPrefix(spec.destination) : "default",
    spec.gateway && `via ${formatAddress(spec.gateway)}`,
    spec.link !== undefined && `dev if${spec.link}`,
    spec.source && `src ${formatAddress(spec.source)}`,
    spec.metric !== undefined && `metric ${spec.metric}`,
    spec.table !== undefined && `table ${spec.table}`,
    spec.scope !== undefined && `scope ${spec.scope}`,
    spec.onLink && "onlink",
  );
}
