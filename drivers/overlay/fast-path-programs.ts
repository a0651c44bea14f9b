// The two programs of a network's short cut, and the rows of the maps that they look into. A frame that all is known of
// goes straight to where the bridge would send it; for any other the answer is that others shall judge it, which is the
// bridge with its guards. So what is doubtful is left out here, and nothing is ever dropped.

import type { Host } from "../../src/driverapi/index.ts";
import { type Address, addressBytes, type Mac, macBytes } from "../../src/netip/index.ts";

type Bpf = Host["link"]["bpf"];
type Step = Parameters<Bpf["assemble"]>[0][number];

/** How the last step to a container's end of its link is made. */
export interface ProgramOptions {
  /** Straight into its namespace; else as the bridge does, which is a queue more. */
  readonly entersPeer: boolean;
}

/** Descriptors of the maps. */
export interface ProgramMaps {
  /** What may come from a port: its link index, and what `portValue` says. */
  readonly ports: number;
  /** Where frames for a MAC go: 8 bytes, and what `wayValue` says. */
  readonly ways: number;
}

export const portsLayout = { keySize: 4, valueSize: 32 } as const;
export const waysLayout = { keySize: 8, valueSize: 8 } as const;

/** Kinds of links that a way leads to. */
const toTunnel = 0;
const toPort = 1;
/** Bits of a port's families. */
const hasIpv4 = 1;
const hasIpv6 = 2;

/** The key of a link. */
export function portKey(link: number): Buffer {
  const key = Buffer.alloc(portsLayout.keySize);
  key.writeUInt32LE(link);
  return key;
}

/** What the container behind a port is: 6 bytes MAC, 2 families, 4 IPv4, 4 nothing, 16 IPv6. */
export function portValue({ mac, addresses }: { readonly mac: Mac; readonly addresses: readonly Address[] }) {
  const value = Buffer.alloc(portsLayout.valueSize);
  const [ipv4, ipv6] = ([4, 6] as const).map((family) => addresses.find((own) => own.family === family));
  value.set(macBytes(mac), 0);
  value.writeUInt16LE((ipv4 ? hasIpv4 : 0) | (ipv6 ? hasIpv6 : 0), 6);
  if (ipv4) value.set(addressBytes(ipv4), 8);
  if (ipv6) value.set(addressBytes(ipv6), 16);
  return value;
}

/** The key of a MAC. */
export function wayKey(mac: Mac): Buffer {
  return Buffer.concat([macBytes(mac), Buffer.alloc(2)]);
}

/** The link that frames leave by. */
export function wayValue({ link, isTunnel }: { readonly link: number; readonly isTunnel: boolean }): Buffer {
  const value = Buffer.alloc(waysLayout.valueSize);
  value.writeUInt32LE(link, 0);
  value.writeUInt32LE(isTunnel ? toTunnel : toPort, 4);
  return value;
}

/** Offsets in a frame. */
const frame = { target: 0, source: 6, packet: 14 } as const;
const ipv4 = { fragment: 20, protocol: 23, source: 26, icmpType: 34, targetPort: 36, end: 38 } as const;
const ipv6 = { protocol: 20, source: 22, icmpType: 54, targetPort: 56, end: 58 } as const;
const [icmp, tcp, udp, icmp6] = [1, 6, 17, 58];
const echo = { asks4: 8, answers4: 0, asks6: 128, answers6: 129 } as const;
/** Numbers that the frame has in network byte order, as a little-endian machine reads them. */
const swapped = (number: number) => ((number & 0xff) << 8) | (number >> 8);

/**
 * For what comes from containers, in front of the bridge and its guards. It lets past them what they would let pass: TCP,
 * UDP and echoes from the port's own MAC and address, without tags, and none of what only a DHCP server says. What is longer
 * than the port's MTU has not got here (is_skb_forwardable, when the pair hands it over).
 */
export function departing(bpf: Bpf, { ports, ways }: ProgramMaps, options: ProgramOptions): Buffer {
  const { assemble, calculate, call, context, helper, jump, jumpIf, label, load, loadMap, move, store } = bpf;
  return assemble([
    ...begin(bpf, ipv4.end),
    // r0 = what the port may send
    load(4, "r1", "r6", context.link),
    store(4, "r10", -4, "r1"),
    move("r2", "r10"),
    calculate("r2", "+", -4),
    loadMap("r1", ports),
    call(helper.lookUp),
    jumpIf("r0", "==", 0, "slow"),
    ...same(bpf, 4, { at: frame.source, own: 0 }),
    ...same(bpf, 2, { at: frame.source + 4, own: 4 }),
    load(2, "r5", "r0", 6),
    load(4, "r3", "r6", context.protocol),
    jumpIf("r3", "==", swapped(0x86dd), "ipv6"),
    jumpIf("r3", "!=", swapped(0x0800), "slow"),

    // version 4, no options
    load(1, "r1", "r7", frame.packet),
    jumpIf("r1", "!=", 0x45, "slow"),
    calculate("r5", "&", hasIpv4),
    jumpIf("r5", "==", 0, "slow"),
    ...same(bpf, 4, { at: ipv4.source, own: 8 }),
    load(1, "r1", "r7", ipv4.protocol),
    jumpIf("r1", "==", tcp, "go"),
    // a part of anything else may lack what is asked for next
    load(2, "r2", "r7", ipv4.fragment),
    jumpIf("r2", "&", swapped(0x3fff), "slow"),
    jumpIf("r1", "==", icmp, "icmp"),
    jumpIf("r1", "!=", udp, "slow"),
    load(2, "r1", "r7", ipv4.targetPort),
    jumpIf("r1", "!=", swapped(68), "go"),
    jump("slow"),
    label("icmp"),
    load(1, "r1", "r7", ipv4.icmpType),
    jumpIf("r1", "==", echo.asks4, "go"),
    jumpIf("r1", "==", echo.answers4, "go"),
    jump("slow"),

    label("ipv6"),
    move("r1", "r7"),
    calculate("r1", "+", ipv6.end),
    jumpIf("r1", ">", "r8", "slow"),
    load(1, "r1", "r7", frame.packet),
    calculate("r1", "&", 0xf0),
    jumpIf("r1", "!=", 0x60, "slow"),
    calculate("r5", "&", hasIpv6),
    jumpIf("r5", "==", 0, "slow"),
    ...same(bpf, 8, { at: ipv6.source, own: 16 }),
    ...same(bpf, 8, { at: ipv6.source + 8, own: 24 }),
    // what has extension headers is none of these
    load(1, "r1", "r7", ipv6.protocol),
    jumpIf("r1", "==", tcp, "go"),
    jumpIf("r1", "==", icmp6, "icmp6"),
    jumpIf("r1", "!=", udp, "slow"),
    load(2, "r1", "r7", ipv6.targetPort),
    jumpIf("r1", "!=", swapped(546), "go"),
    jump("slow"),
    label("icmp6"),
    load(1, "r1", "r7", ipv6.icmpType),
    jumpIf("r1", "==", echo.asks6, "go"),
    jumpIf("r1", "!=", echo.answers6, "slow"),

    label("go"),
    ...findWay(bpf, ways),
    jumpIf("r2", "==", toPort, "near"),
    move("r1", "r9"),
    move("r2", 0),
    call(helper.redirect),
    bpf.exit(),

    label("near"),
    // never back to where it comes from
    load(4, "r1", "r6", context.link),
    jumpIf("r1", "==", "r9", "slow"),
    ...enter(bpf, options),
    ...end(bpf),
  ]);
}

/** For what tunnels hand in, which nothing but the bridge judges here: unicast for a container of this host. */
export function arriving(bpf: Bpf, { ways }: ProgramMaps, options: ProgramOptions): Buffer {
  const { assemble, jumpIf, load } = bpf;
  return assemble([
    ...begin(bpf, frame.packet),
    // the bridge takes nothing from a multicast MAC
    load(1, "r1", "r7", frame.source),
    jumpIf("r1", "&", 1, "slow"),
    ...findWay(bpf, ways),
    jumpIf("r2", "!=", toPort, "slow"),
    ...enter(bpf, options),
    ...end(bpf),
  ]);
}

/** r6 = context, r7 = the frame, r8 = its end; there are as many bytes, and no tag. */
function begin({ calculate, context, jumpIf, load, move }: Bpf, bytes: number): Step[] {
  return [
    move("r6", "r1"),
    load(4, "r1", "r6", context.hasTag),
    jumpIf("r1", "!=", 0, "slow"),
    load(4, "r7", "r6", context.data),
    load(4, "r8", "r6", context.dataEnd),
    move("r1", "r7"),
    calculate("r1", "+", bytes),
    jumpIf("r1", ">", "r8", "slow"),
  ];
}

/** The frame has at `at` what the port's row, in r0, has at `own`. */
function same(
  { jumpIf, load }: Bpf,
  width: 2 | 4 | 8,
  { at, own }: { readonly at: number; readonly own: number },
): Step[] {
  return [load(width, "r1", "r7", at), load(width, "r2", "r0", own), jumpIf("r1", "!=", "r2", "slow")];
}

/** r9 = the link that frames for this MAC go to, r2 = its kind. Multicasts and whom nobody knows have none. */
function findWay({ calculate, call, helper, jumpIf, load, loadMap, move, store }: Bpf, ways: number): Step[] {
  return [
    // by parts: a frame's bytes are read where they are aligned
    load(2, "r1", "r7", frame.target),
    load(4, "r2", "r7", frame.target + 2),
    calculate("r2", "<<", 16),
    calculate("r1", "|", "r2"),
    store(8, "r10", -16, "r1"),
    move("r2", "r10"),
    calculate("r2", "+", -16),
    loadMap("r1", ways),
    call(helper.lookUp),
    jumpIf("r0", "==", 0, "slow"),
    load(4, "r9", "r0", 0),
    load(4, "r2", "r0", 4),
  ];
}

/** By the port in r9 into the container. */
function enter({ call, exit, helper, move }: Bpf, { entersPeer }: ProgramOptions): Step[] {
  if (!entersPeer) return [move("r1", "r9"), move("r2", 0), call(helper.redirect), exit()];
  return [
    // for us (PACKET_HOST): the link that it came by has another MAC
    move("r1", "r6"),
    move("r2", 0),
    call(helper.changeType),
    move("r1", "r9"),
    move("r2", 0),
    call(helper.redirectPeer),
    exit(),
  ];
}

/** Others shall judge it: TC_ACT_UNSPEC. */
function end({ exit, label, move }: Bpf): Step[] {
  return [label("slow"), move("r0", -1), exit()];
}
