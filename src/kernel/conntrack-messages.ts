// Connections as values, and the messages of ctnetlink (linux/netfilter/nfnetlink_conntrack.h) that list and delete them.

import { type Address, addressBytes, type Family, formatAddress, sameAddress } from "../netip/index.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import type { Request } from "./request.ts";
import { decodeAddress, familyNumber, say } from "./rtnetlink.ts";

/** One direction of a connection. Ports are undefined for protocols without. */
export interface ConntrackTuple {
  readonly source: Address;
  readonly destination: Address;
  /** IANA number: 6 = TCP, 17 = UDP. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** A tracked connection. Under NAT the reply is not the mirror of the original. */
export interface ConntrackEntry {
  readonly original: ConntrackTuple;
  readonly reply: ConntrackTuple;
  readonly mark: number;
  /** The destination was translated (IPS_DST_NAT). */
  readonly isLedElsewhere: boolean;
}

/** A connection as it is told in text, with the numbers of ICMP, which are a part of its name. */
export interface ToldConnection extends ConntrackEntry {
  readonly icmp?: { readonly type: number; readonly code: number; readonly id: number };
}

/** What must match; absent = anything. */
export interface ConntrackFilter {
  /** Absent = both. */
  readonly family?: Family;
  /** IANA number. */
  readonly protocol?: number;
  readonly originalSource?: Address;
  readonly originalSourcePort?: number;
  /** Before DNAT: what the client asked for. */
  readonly originalDestination?: Address;
  readonly originalDestinationPort?: number;
  /** After DNAT: who answers. */
  readonly replySource?: Address;
  readonly replySourcePort?: number;
  /** After SNAT: to whom the answers go. */
  readonly replyDestination?: Address;
  readonly replyDestinationPort?: number;
  /** Whether the destination was translated. */
  readonly isLedElsewhere?: boolean;
}

const subsystem = 1 << 8; // NFNL_SUBSYS_CTNETLINK
const message = {
  new: subsystem,
  get: subsystem | 1,
  delete: subsystem | 2,
  getStatistics: subsystem | 5,
} as const;
/** CTA_STATS_GLOBAL_ENTRIES. */
const entriesStatistic = 1;
/** CTA_* */
const cta = {
  original: 1,
  reply: 2,
  status: 3,
  mark: 8,
  id: 12,
  zone: 18,
  filter: 25,
  statusMask: 26,
} as const;
/** IPS_DST_NAT. */
const targetNat = 32;
const ctaTuple = { ip: 1, protocol: 2 } as const;
const ctaIp = { source4: 1, destination4: 2, source6: 3, destination6: 4 } as const;
const ctaProtocol = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
/** CTA_PROTO_ICMP_* and CTA_PROTO_ICMPV6_*. */
const ctaIcmp = { 4: { id: 4, type: 5, code: 6 }, 6: { id: 7, type: 8, code: 9 } } as const;
const ctaFilter = { original: 1, reply: 2 } as const;
/** CTA_FILTER_FLAG: which fields of a tuple the kernel shall compare (Linux 5.8). */
const compare = { source: 1, destination: 2, protocol: 8, sourcePort: 16, destinationPort: 32 } as const;

/** Whether an entry is what a filter asks for. */
export function matches(
  { original, reply, isLedElsewhere }: ConntrackEntry,
  filter: ConntrackFilter,
): boolean {
  const address = (wanted: Address | undefined, is: Address) =>
    wanted === undefined || sameAddress(wanted, is);
  const number = (wanted: number | undefined, is: number | undefined) =>
    wanted === undefined || wanted === is;
  return (
    (filter.family ?? original.source.family) === original.source.family &&
    (filter.isLedElsewhere ?? isLedElsewhere) === isLedElsewhere &&
    number(filter.protocol, original.protocol) &&
    address(filter.originalSource, original.source) &&
    number(filter.originalSourcePort, original.sourcePort) &&
    address(filter.originalDestination, original.destination) &&
    number(filter.originalDestinationPort, original.destinationPort) &&
    address(filter.replySource, reply.source) &&
    number(filter.replySourcePort, reply.sourcePort) &&
    address(filter.replyDestination, reply.destination) &&
    number(filter.replyDestinationPort, reply.destinationPort)
  );
}

/** Reads the payload of IPCTNL_MSG_CT_NEW or CT_DELETE; undefined for what is not IP. */
export function decodeConntrack(payload: Buffer): ConntrackEntry | undefined {
  const attributes = new Attributes(payload.subarray(4));
  const original = decodeTuple(attributes.nested(cta.original));
  const reply = decodeTuple(attributes.nested(cta.reply));
  const mark = attributes.be32(cta.mark) ?? 0;
  const isLedElsewhere = ((attributes.be32(cta.status) ?? 0) & targetNat) !== 0;
  return original && reply && { original, reply, mark, isLedElsewhere };
}

function decodeTuple(tuple: Attributes | undefined): ConntrackTuple | undefined {
  const ip = tuple?.nested(ctaTuple.ip);
  const protocol = tuple?.nested(ctaTuple.protocol);
  const source = decodeAddress(ip?.bytes(ctaIp.source4) ?? ip?.bytes(ctaIp.source6));
  const destination = decodeAddress(ip?.bytes(ctaIp.destination4) ?? ip?.bytes(ctaIp.destination6));
  if (!source || !destination) return undefined;
  const sourcePort = protocol?.be16(ctaProtocol.sourcePort);
  const destinationPort = protocol?.be16(ctaProtocol.destinationPort);
  return {
    source,
    destination,
    protocol: protocol?.u8(ctaProtocol.number) ?? 0,
    ...(sourcePort !== undefined && { sourcePort }),
    ...(destinationPort !== undefined && { destinationPort }),
  };
}

/** struct nfgenmsg. */
function header(family: Family | undefined): Buffer {
  return Buffer.from([familyNumber(family), 0, 0, 0]);
}

/** A dump that the kernel narrows down as far as it can; `matches` does the rest. */
export function listing(filter: ConntrackFilter): Request {
  return { type: message.get, flags: 0, payload: encodeFilter(filter), words: words("-L", filter) };
}

/**
 * Has the kernel delete by itself what matches, which takes it a fortieth of the time of a dump: it passes over empty
 * buckets, of which nearly all are (get_next_corpse in nf_conntrack_core.c). Undefined for a filter that it would read in
 * another way than `matches`. Kernels before 6.8 refuse it (EINVAL: a tuple that is not whole).
 */
export function sweeping(filter: ConntrackFilter): Request | undefined {
  const { family, protocol, originalSource, originalDestination, replySource, replyDestination } = filter;
  // without a tuple every connection would go
  const isNarrow = [originalSource, originalDestination, replySource, replyDestination].some(
    (address) => address !== undefined,
  );
  const hasPorts = Object.entries(filter).some(
    ([name, value]) => name.endsWith("Port") && value !== undefined,
  );
  const isComparable = !hasPorts || protocol === 6 || protocol === 17;
  // of IPv6 addresses: see `encodeTuple`
  if (family !== 4 || !isNarrow || !isComparable) return undefined;
  return {
    type: message.delete,
    flags: nlmFlag.ack,
    payload: encodeFilter(filter),
    words: words("-D", filter),
  };
}

function encodeFilter(filter: ConntrackFilter): Buffer {
  const encoder = new Encoder().struct(header(filter.family));
  const original = {
    source: filter.originalSource,
    destination: filter.originalDestination,
    protocol: filter.protocol,
    sourcePort: filter.originalSourcePort,
    destinationPort: filter.originalDestinationPort,
  };
  const reply = {
    source: filter.replySource,
    destination: filter.replyDestination,
    protocol: filter.protocol,
    sourcePort: filter.replySourcePort,
    destinationPort: filter.replyDestinationPort,
  };
  const originalFlags = encodeTuple(encoder, cta.original, original);
  const replyFlags = encodeTuple(encoder, cta.reply, reply);
  if (originalFlags || replyFlags)
    encoder.nest(cta.filter, (flags) => {
      flags.u32(ctaFilter.original, originalFlags).u32(ctaFilter.reply, replyFlags);
    });
  // Linux 5.15; older ones list them all
  if (filter.isLedElsewhere !== undefined)
    encoder.be32(cta.status, filter.isLedElsewhere ? targetNat : 0).be32(cta.statusMask, targetNat);
  return encoder.finish();
}

/** Asks for the one entry of an original tuple; it has what `deletion` needs. Fails with ENOENT when it is gone. */
export function looking({ original, icmp }: ToldConnection): Request {
  const { source, destination, protocol, sourcePort, destinationPort } = original;
  const { family } = source;
  const ip =
    family === 4
      ? { from: ctaIp.source4, to: ctaIp.destination4 }
      : { from: ctaIp.source6, to: ctaIp.destination6 };
  const encoder = new Encoder().struct(header(family)).nest(cta.original, (tuple) => {
    tuple.nest(ctaTuple.ip, (inner) => {
      inner.bytes(ip.from, addressBytes(source)).bytes(ip.to, addressBytes(destination));
    });
    tuple.nest(ctaTuple.protocol, (inner) => {
      inner.u8(ctaProtocol.number, protocol);
      if (sourcePort !== undefined) inner.be16(ctaProtocol.sourcePort, sourcePort);
      if (destinationPort !== undefined) inner.be16(ctaProtocol.destinationPort, destinationPort);
      const { id, type, code } = ctaIcmp[family];
      if (icmp) inner.be16(id, icmp.id).u8(type, icmp.type).u8(code, icmp.code);
    });
  });
  return { type: message.get, flags: nlmFlag.ack, payload: encoder.finish(), words: "conntrack -G" };
}

/** Asks how many entries there are; `decodeCount` reads the answer. */
export function counting(): Request {
  return {
    type: message.getStatistics,
    flags: nlmFlag.ack,
    payload: header(undefined),
    words: "conntrack -C",
  };
}

/** Undefined for any other message. */
export function decodeCount(payload: Buffer): number | undefined {
  return new Attributes(payload.subarray(4)).be32(entriesStatistic);
}

/** Whether an address is somewhere in the bytes of an entry: to tell what cannot match at a tenth of the price of reading it. */
export function mentions(payload: Buffer, address: Address): boolean {
  const bytes = addressBytes(address);
  return payload.includes(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

/** The addresses that `matches` alone compares; see `encodeTuple`. */
export function addressesLeftOver(filter: ConntrackFilter): Address[] {
  const { originalSource, originalDestination, replySource, replyDestination } = filter;
  const all = [originalSource, originalDestination, replySource, replyDestination];
  return filter.family === 4 ? [] : all.filter((address) => address !== undefined);
}

interface WantedTuple {
  readonly source: Address | undefined;
  readonly destination: Address | undefined;
  readonly protocol: number | undefined;
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
}

/** Writes the wanted fields of one direction; returns the flags of those that the kernel can compare. */
function encodeTuple(encoder: Encoder, type: number, wanted: WantedTuple): number {
  const { protocol } = wanted;
  // Linux's own comparison of IPv6 addresses is the wrong way round (nf_conntrack_netlink.c: `!ipv6_addr_cmp`, so equal
  // ones do not match): they are left to `matches`
  const source = wanted.source?.family === 4 ? wanted.source : undefined;
  const destination = wanted.destination?.family === 4 ? wanted.destination : undefined;
  // the kernel compares ports only beside a protocol that has them
  const hasPorts = protocol === 6 || protocol === 17 || protocol === 132;
  const sourcePort = hasPorts ? wanted.sourcePort : undefined;
  const destinationPort = hasPorts ? wanted.destinationPort : undefined;
  const fields = { source, destination, protocol, sourcePort, destinationPort };
  const flags = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .reduce((bits, [name]) => bits | compare[name as keyof typeof compare], 0);
  if (flags === 0) return 0;
  encoder.nest(type, (tuple) => {
    if (source || destination)
      tuple.nest(ctaTuple.ip, (ip) => {
        if (source) ip.bytes(ctaIp.source4, addressBytes(source));
        if (destination) ip.bytes(ctaIp.destination4, addressBytes(destination));
      });
    if (protocol === undefined) return;
    tuple.nest(ctaTuple.protocol, (inner) => {
      inner.u8(ctaProtocol.number, protocol);
      if (sourcePort !== undefined) inner.be16(ctaProtocol.sourcePort, sourcePort);
      if (destinationPort !== undefined) inner.be16(ctaProtocol.destinationPort, destinationPort);
    });
  });
  return flags;
}

/**
 * Names the entry by its own bytes: original tuple, zone, and id, so that a later connection with the same addresses
 * is not hit. Without a tuple the kernel would flush everything.
 */
export function deletion(payload: Buffer, entry: ConntrackEntry): Request {
  const attributes = new Attributes(payload.subarray(4));
  const encoder = new Encoder().struct(header(entry.original.source.family));
  for (const type of [cta.original, cta.id, cta.zone]) {
    const value = attributes.bytes(type);
    if (value) encoder.bytes(type === cta.original ? nestedFlag | type : type, value);
  }
  return { type: message.delete, flags: nlmFlag.ack, payload: encoder.finish(), words: entryWords(entry) };
}

const nestedFlag = 0x8000; // NLA_F_NESTED

function entryWords({ original }: ConntrackEntry): string {
  const port = (name: string, value: number | undefined) => value !== undefined && `${name} ${value}`;
  return say(
    `conntrack -D -p ${original.protocol} -s ${formatAddress(original.source)}`,
    `-d ${formatAddress(original.destination)}`,
    port("--sport", original.sourcePort),
    port("--dport", original.destinationPort),
  );
}

function words(verb: "-L" | "-D", filter: ConntrackFilter): string {
  const value = (name: string, is: Address | number | undefined) =>
    is !== undefined && `${name} ${typeof is === "number" ? is : formatAddress(is)}`;
  return say(
    `conntrack ${verb}`,
    filter.family && `-f ipv${filter.family}`,
    value("-p", filter.protocol),
    value("-s", filter.originalSource),
    value("-d", filter.originalDestination),
    value("--sport", filter.originalSourcePort),
    value("--dport", filter.originalDestinationPort),
    value("-r", filter.replySource),
    value("-q", filter.replyDestination),
    value("--reply-port-src", filter.replySourcePort),
    value("--reply-port-dst", filter.replyDestinationPort),
    filter.isLedElsewhere && "-g",
  );
}
