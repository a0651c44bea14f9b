// Links (network interfaces): what the kernel says about them, changing and deleting them. Creating: bridge.ts, veth.ts.

import { type Mac, macBytes, macFromBytes } from "../netip/index.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import { decodeMacvlanMode, type MacvlanMode } from "./macvlan-attributes.ts";
import type { Request } from "./request.ts";
import { addressFamily, type LinkRef, refWords, rtm, say } from "./rtnetlink.ts";
import { decodeVxlan, type VxlanState } from "./vxlan-attributes.ts";

/** Counters since the link was made. */
export interface LinkStats {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** A network interface of one namespace. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** "bridge", "veth", …; undefined for hardware and lo. */
  readonly kind?: string;
  /** Undefined where the address is not six bytes. */
  readonly mac?: Mac;
  readonly mtu: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  readonly carrier: boolean;
  /** Able to pass packets, as its other end knows too (IFF_RUNNING). */
  readonly running?: boolean;
  readonly loopback: boolean;
  /** Index of the bridge (or other master) that it is a port of. */
  readonly master?: number;
  readonly alias?: string;
  /** 0 = default. */
  readonly group: number;
  /** Index of the veth peer (or lower link), in the peer's namespace. */
  readonly peerIndex?: number;
  /** Of a macvlan link. */
  readonly macvlanMode?: MacvlanMode;
  /** Of a VXLAN link. */
  readonly vxlan?: VxlanState;
  readonly stats: LinkStats;
}

/** What `setLink` can change. Absent = left alone. */
export interface LinkChange {
  readonly up?: boolean;
  /** Renames; the link must then be given by index. */
  readonly name?: string;
  readonly mtu?: number;
  readonly mac?: Mac;
  /** Index of the new master, null = none. */
  readonly master?: number | null;
  readonly alias?: string;
  readonly group?: number;
  /** Path of the namespace to move to; its name, up state and master may change with it, its addresses are lost. */
  readonly netns?: string;
  /**
   * How the kernel makes it an IPv6 link-local address when it comes up with a carrier; one that is there stays. A new link
   * cannot be told in the message that makes it (EAFNOSUPPORT, and always where the kernel has no IPv6).
   */
  readonly addressGeneration?: "none" | "eui64";
  /** As a bridge port (it must be one already, from an earlier message): send frames back out where they came in. */
  readonly hairpin?: boolean;
  /** As a bridge port: do not forward to other isolated ports. */
  readonly isolated?: boolean;
  /** As a bridge port: learn addresses from frames. */
  readonly learning?: boolean;
  /** As a bridge port: flood frames for unknown addresses to it. */
  readonly flood?: boolean;
}

/** What `links` selects by; the kernel filters. */
export interface LinkFilter {
  readonly master?: number;
  readonly kind?: string;
}

/** IFLA_* */
export const ifla = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  alias: 20,
  stats64: 23,
  afSpec: 26,
  group: 27,
  netnsFd: 28,
  extMask: 29,
  carrier: 33,
} as const;

/** IFLA_INFO_* */
export const iflaInfo = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;

/** IFLA_INET6_*, and IN6_ADDR_GEN_MODE_*. */
const iflaInet6 = { addressGeneration: 8 } as const;
const addressGeneration = { eui64: 0, none: 1 } as const;

/** IFLA_BRPORT_* */
const bridgePort = { hairpin: 4, learning: 8, flood: 9, isolated: 33 } as const;

const iff = { up: 0x1, loopback: 0x8, running: 0x40 } as const;

/** The struct ifinfomsg that link messages begin with. `up` undefined leaves the flag alone. */
export function linkHeader(index = 0, up?: boolean): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(up ? iff.up : 0, 8);
  header.writeUInt32LE(up === undefined ? 0 : iff.up, 12);
  return header;
}

/** `ip link set`. Fails with ENODEV when the link is gone. */
export function setLink(ref: LinkRef, change: LinkChange): Request {
  if (typeof ref === "string" && change.name !== undefined)
    throw new RangeError(`rename ${ref}: a link is renamed by its index`);
  const encoder = refer(ref, change.up);
  if (change.name !== undefined) encoder.string(ifla.name, change.name);
  if (change.mtu !== undefined) encoder.u32(ifla.mtu, change.mtu);
  if (change.mac !== undefined) encoder.bytes(ifla.address, macBytes(change.mac));
  if (change.master !== undefined) encoder.u32(ifla.master, change.master ?? 0);
  if (change.alias !== undefined) encoder.bytes(ifla.alias, Buffer.from(change.alias));
  if (change.group !== undefined) encoder.u32(ifla.group, change.group);
  encodeAddressGeneration(encoder, change);
  encodePort(encoder, change);
  const files = change.netns === undefined ? undefined : [encodeNetns(encoder, change.netns)];
  const request = {
    type: rtm.newLink,
    flags: nlmFlag.ack,
    payload: encoder.finish(),
    words: setWords(ref, change),
  };
  return files ? { ...request, files } : request;
}

/** `ip link delete`. Fails with ENODEV when it is gone. Waits for RCU (tens of ms): keep it off the critical path. */
export function deleteLink(ref: LinkRef): Request {
  const payload = refer(ref).finish();
  return { type: rtm.deleteLink, flags: nlmFlag.ack, payload, words: `ip link delete ${refWords(ref)}` };
}

/** `ip link delete group`: every link of a group for the price of one. Fails with ENODEV when the group is empty. */
export function deleteLinkGroup(group: number): Request {
  if (group === 0) throw new RangeError("delete link group 0: that is every link without a group");
  const payload = new Encoder().struct(linkHeader()).u32(ifla.group, group).finish();
  return { type: rtm.deleteLink, flags: nlmFlag.ack, payload, words: `ip link delete group ${group}` };
}

/** `ip link show`: one link. */
export function getLink(ref: LinkRef): Request {
  const payload = refer(ref).finish();
  return { type: rtm.getLink, flags: 0, payload, words: `ip link show ${refWords(ref)}` };
}

/** `ip link show`: a dump. */
export function listLinks(filter: LinkFilter = {}): Request {
  const encoder = new Encoder().struct(linkHeader());
  if (filter.master !== undefined) encoder.u32(ifla.master, filter.master);
  const { kind } = filter;
  if (kind !== undefined) encoder.nest(ifla.linkInfo, (info) => info.string(iflaInfo.kind, kind));
  const words = say(
    "ip link show",
    filter.master !== undefined && `master if${filter.master}`,
    kind !== undefined && `type ${kind}`,
  );
  return { type: rtm.getLink, flags: 0, payload: encoder.finish(), words };
}

/** Reads the payload of RTM_NEWLINK or RTM_DELLINK. */
export function decodeLink(payload: Buffer): Link {
  const attributes = new Attributes(payload.subarray(16));
  const flags = payload.readUInt32LE(8);
  const info = attributes.nested(ifla.linkInfo);
  const kind = info?.string(iflaInfo.kind);
  const data = info?.nested(iflaInfo.data);
  const macvlanMode = kind === "macvlan" && data ? decodeMacvlanMode(data) : undefined;
  const vxlan = kind === "vxlan" ? data : undefined;
  const mac = attributes.bytes(ifla.address);
  const master = attributes.u32(ifla.master);
  const alias = attributes.string(ifla.alias);
  const peerIndex = attributes.u32(ifla.link);
  return {
    index: payload.readInt32LE(4),
    name: attributes.string(ifla.name) ?? "",
    ...(kind !== undefined && { kind }),
    ...(mac?.length === 6 && { mac: macFromBytes(mac) }),
    mtu: attributes.u32(ifla.mtu) ?? 0,
    up: (flags & iff.up) !== 0,
    carrier: attributes.u8(ifla.carrier) === 1,
    ...((flags & iff.running) !== 0 && { running: true }),
    loopback: (flags & iff.loopback) !== 0,
    ...(master !== undefined && master !== 0 && { master }),
    ...(alias !== undefined && { alias }),
    group: attributes.u32(ifla.group) ?? 0,
    ...(peerIndex !== undefined && { peerIndex }),
    ...(macvlanMode && { macvlanMode }),
    ...(vxlan && { vxlan: decodeVxlan(vxlan) }),
    stats: decodeStats(attributes.bytes(ifla.stats64)),
  };
}

/** The alias of a link that is being created, which the kernel takes only once it is there. */
export function aliasOf(name: string, alias: string | undefined): { followedBy?: Request } {
  return alias === undefined ? {} : { followedBy: setLink(name, { alias }) };
}

/** Adds the attribute that places a link in a namespace; the result belongs into `Request.files`. */
export function encodeNetns(encoder: Encoder, path: string): { offset: number; path: string } {
  encoder.u32(ifla.netnsFd, 0);
  return { offset: encoder.length - 4, path };
}

function refer(ref: LinkRef, up?: boolean): Encoder {
  const encoder = new Encoder().struct(linkHeader(typeof ref === "number" ? ref : 0, up));
  return typeof ref === "string" ? encoder.string(ifla.name, ref) : encoder;
}

function encodeAddressGeneration(encoder: Encoder, { addressGeneration: wanted }: LinkChange): void {
  if (wanted === undefined) return;
  encoder.nest(ifla.afSpec, (families) =>
    families.nest(addressFamily.inet6, (inet6) =>
      inet6.u8(iflaInet6.addressGeneration, addressGeneration[wanted]),
    ),
  );
}

function encodePort(encoder: Encoder, change: LinkChange): void {
  const options = (["hairpin", "isolated", "learning", "flood"] as const).filter((name) => name in change);
  if (options.length === 0) return;
  encoder.nest(ifla.linkInfo, (info) =>
    info.string(iflaInfo.slaveKind, "bridge").nest(iflaInfo.slaveData, (data) => {
      for (const name of options) data.u8(bridgePort[name], change[name] ? 1 : 0);
    }),
  );
}

function setWords(ref: LinkRef, change: LinkChange): string {
  const onOff = (name: "hairpin" | "isolated" | "learning" | "flood") =>
    change[name] !== undefined && `${name} ${change[name] ? "on" : "off"}`;
  const port = say(onOff("hairpin"), onOff("isolated"), onOff("learning"), onOff("flood"));
  return say(
    `ip link set ${refWords(ref)}`,
    change.name !== undefined && `name ${change.name}`,
    change.mtu !== undefined && `mtu ${change.mtu}`,
    change.mac !== undefined && `address ${change.mac}`,
    change.master !== undefined && (change.master === null ? "nomaster" : `master if${change.master}`),
    change.alias !== undefined && `alias ${change.alias}`,
    change.group !== undefined && `group ${change.group}`,
    change.netns !== undefined && `netns ${change.netns}`,
    change.up !== undefined && (change.up ? "up" : "down"),
    change.addressGeneration !== undefined && `addrgenmode ${change.addressGeneration}`,
    port && `type bridge_slave ${port}`,
  );
}

/** struct rtnl_link_stats64; counters stay exact to 2^53. */
function decodeStats(bytes: Buffer | undefined): LinkStats {
  const at = (index: number) =>
    bytes && bytes.length >= 8 * index + 8 ? Number(bytes.readBigUInt64LE(8 * index)) : 0;
  return {
    rxPackets: at(0),
    txPackets: at(1),
    rxBytes: at(2),
    txBytes: at(3),
    rxErrors: at(4),
    txErrors: at(5),
    rxDropped: at(6),
    txDropped: at(7),
  };
}
