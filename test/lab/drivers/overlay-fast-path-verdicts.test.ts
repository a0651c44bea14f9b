// What the programs of the short cut answer for a frame, asked of the kernel without sending it anywhere.

import { afterAll, describe, expect, test } from "vitest";
import {
  arriving,
  departing,
  portKey,
  portsLayout,
  portValue,
  wayKey,
  waysLayout,
  wayValue,
} from "../../../drivers/overlay/fast-path-programs.ts";
import { addon } from "../../../native/index.ts";
import { bpf } from "../../../src/kernel/index.ts";
import { addressBytes, type Mac, macBytes } from "../../../src/netip/index.ts";
import { address, mac } from "../../unit/kernel/values.ts";

const owned = new DisposableStack();
const ports = owned.use(bpf.BpfMap.create({ name: "ports", ...portsLayout, maxEntries: 8 }));
const ways = owned.use(bpf.BpfMap.create({ name: "ways", ...waysLayout, maxEntries: 8 }));
afterAll(() => owned.dispose());

/** What such a trial comes in by: `lo` (bpf_prog_test_run_skb in net/bpf/test_run.c). */
const port = 1;
const own = { mac: mac("02:42:0a:09:00:02"), ip: "10.9.0.2", ip6: "fd09::2" };
const far = mac("02:42:0a:09:00:03");
const near = mac("02:42:0a:09:00:04");
const nobody = mac("02:42:0a:09:00:63");

ports.set(portKey(port), portValue({ mac: own.mac, addresses: [address(own.ip), address(own.ip6)] }));
ways.set(wayKey(far), wayValue({ link: 5, isTunnel: true }));
ways.set(wayKey(near), wayValue({ link: 6, isTunnel: false }));
ways.set(wayKey(own.mac), wayValue({ link: port, isTunnel: false }));

function load(name: string, render: typeof departing, entersPeer = true) {
  const instructions = render(bpf, { ports: ports.fd, ways: ways.fd }, { entersPeer });
  return owned.use(bpf.BpfProgram.load({ name, instructions }));
}

const tx = load("tx", departing);
const rx = load("rx", arriving);
const byQueue = [load("tx", departing, false), load("rx", arriving, false)];

/** BPF_PROG_TEST_RUN: TC_ACT_REDIRECT, or TC_ACT_UNSPEC. */
function verdict({ fd }: { readonly fd: number }, frame: Buffer): "short" | "slow" | number {
  const attributes = Buffer.alloc(80);
  attributes.writeUInt32LE(fd, 0);
  attributes.writeUInt32LE(frame.length, 8);
  addon().bpf(10, attributes, [16, frame]);
  const answer = attributes.readInt32LE(4);
  return answer === 7 ? "short" : answer === -1 ? "slow" : answer;
}

interface FrameWish {
  readonly to?: Mac;
  readonly from?: Mac;
  readonly type?: string;
}

function frame(packet: Buffer, { to = far, from = own.mac, type = "0800" }: FrameWish = {}): Buffer {
  return Buffer.concat([macBytes(to), macBytes(from), Buffer.from(type, "hex"), packet, Buffer.alloc(24)]);
}

interface PacketWish {
  readonly source?: string;
  readonly protocol?: number;
  /** Of UDP: where to. */
  readonly port?: number;
  /** Of ICMP. */
  readonly icmp?: number;
  readonly first?: number;
  readonly fragment?: number;
}

function ipv4({ source = own.ip, protocol = 6, first = 0x45, fragment = 0, ...payload }: PacketWish): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(first, 0);
  header.writeUInt16BE(fragment, 6);
  header.writeUInt8(protocol, 9);
  return Buffer.concat([header, addressBytes(address(source)), Buffer.alloc(4), upper(payload)]);
}

function ipv6({ source = own.ip6, protocol = 6, first = 0x60, ...payload }: PacketWish): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(first, 0);
  header.writeUInt8(protocol, 6);
  return Buffer.concat([header, addressBytes(address(source)), Buffer.alloc(16), upper(payload)]);
}

function upper({ port: to = 0, icmp = 0 }: PacketWish): Buffer {
  return Buffer.from([icmp, 0, to >> 8, to & 0xff]);
}

const six = { type: "86dd" };

describe("what comes from a container takes the short cut", () => {
  test.for([
    ["TCP", frame(ipv4({}))],
    ["TCP to a container beside it", frame(ipv4({}), { to: near })],
    ["UDP", frame(ipv4({ protocol: 17, port: 53 }))],
    ["a question for an echo", frame(ipv4({ protocol: 1, icmp: 8 }))],
    ["an echo", frame(ipv4({ protocol: 1, icmp: 0 }))],
    ["a part of a TCP packet", frame(ipv4({ fragment: 0x00b9 }))],
    ["TCP over IPv6", frame(ipv6({}), six)],
    ["UDP over IPv6", frame(ipv6({ protocol: 17, port: 53 }), six)],
    ["a question for an echo over IPv6", frame(ipv6({ protocol: 58, icmp: 128 }), six)],
    ["an echo over IPv6", frame(ipv6({ protocol: 58, icmp: 129 }), six)],
  ] as const)("as %s", ([, bytes]) => {
    expect(verdict(tx, bytes)).toBe("short");
    expect(byQueue.map((program) => verdict(program, bytes))[0]).toBe("short");
  });
});

describe("the bridge judges what comes from a container", () => {
  test.for([
    ["another's MAC", frame(ipv4({}), { from: near })],
    ["a MAC that differs at its end alone", frame(ipv4({}), { from: far })],
    ["another's address", frame(ipv4({ source: "10.9.0.4" }))],
    ["no address", frame(ipv4({ source: "0.0.0.0" }))],
    ["another's IPv6 address", frame(ipv6({ source: "fd09::4" }), six)],
    ["an IPv6 address in another network", frame(ipv6({ source: "fd08::2" }), six)],
    ["no IPv6 address", frame(ipv6({ source: "::" }), six)],
    ["its link's own IPv6 address", frame(ipv6({ source: "fe80::42:aff:fe09:2" }), six)],
    ["IPv4 that says to be IPv6", frame(ipv4({}), six)],
    ["IPv6 that says to be IPv4", frame(ipv6({}))],
    ["options", frame(ipv4({ first: 0x46 }))],
    ["a DHCP server's answer", frame(ipv4({ protocol: 17, port: 68 }))],
    ["a DHCP server's answer over IPv6", frame(ipv6({ protocol: 17, port: 546 }), six)],
    ["the first part of a datagram", frame(ipv4({ protocol: 17, fragment: 0x2000 }))],
    ["a later part of a datagram", frame(ipv4({ protocol: 17, fragment: 0x0001 }))],
    ["a part of an echo", frame(ipv4({ protocol: 1, fragment: 0x0001 }))],
    ["a redirection", frame(ipv4({ protocol: 1, icmp: 5 }))],
    ...[133, 134, 135, 136, 137].map(
      (icmp) => [`ICMPv6 of type ${icmp}`, frame(ipv6({ protocol: 58, icmp }), six)] as const,
    ),
    ["extension headers", frame(ipv6({ protocol: 0 }), six)],
    ["another protocol in IP", frame(ipv4({ protocol: 47 }))],
    ["ARP", frame(Buffer.from("0001080006040002", "hex"), { type: "0806" })],
    ["another protocol", frame(ipv4({}), { type: "88b5" })],
    ["a tag", frame(ipv4({}), { type: "8100" })],
    ["somebody unknown to speak to", frame(ipv4({}), { to: nobody })],
    ["everybody to speak to", frame(ipv4({}), { to: mac("ff:ff:ff:ff:ff:ff") })],
    ["itself to speak to", frame(ipv4({}), { to: own.mac })],
    ["too few bytes", frame(ipv4({})).subarray(0, 37)],
    ["too few bytes over IPv6", frame(ipv6({}), six).subarray(0, 57)],
  ] as const)("with %s", ([, bytes]) => {
    expect(verdict(tx, bytes)).toBe("slow");
    expect(byQueue.map((program) => verdict(program, bytes))[0]).toBe("slow");
  });

  test("when nothing is known of its port", () => {
    ports.delete(portKey(port));
    expect(verdict(tx, frame(ipv4({})))).toBe("slow");
    ports.set(portKey(port), portValue({ mac: own.mac, addresses: [] }));
    expect(verdict(tx, frame(ipv4({ source: "0.0.0.0" })))).toBe("slow");
    expect(verdict(tx, frame(ipv6({ source: "::" }), six))).toBe("slow");
  });
});

describe("what comes from a tunnel", () => {
  test.for([
    ["for a container of this host takes the short cut", frame(ipv4({}), { to: near }), "short"],
    ["that is no IP does so too", frame(Buffer.alloc(46), { to: near, type: "0806" }), "short"],
    ["for one of another host does not", frame(ipv4({})), "slow"],
    ["for somebody unknown does not", frame(ipv4({}), { to: nobody }), "slow"],
    ["from a multicast MAC does not", frame(ipv4({}), { to: near, from: mac("03:42:0a:09:00:03") }), "slow"],
  ] as const)("%s", ([, bytes, expected]) => {
    for (const program of [rx, ...byQueue.slice(1)]) expect(verdict(program, bytes)).toBe(expected);
  });
});
