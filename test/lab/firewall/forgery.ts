// Datagrams of tunnels that a process with CAP_NET_RAW makes by hand, in all the ways that might hide what they are.

import { type Address, addressBytes } from "../../../src/netip/index.ts";
import type { LabHost } from "../lab.ts";

/** Source MAC of forged frames: whoever hears it heard one of them. */
export const forgedMac = "02:f0:00:00:00:01";

/** How one is sent. */
export interface Forgery {
  readonly name: string;
  /** Behind these bytes instead of an EtherType. */
  readonly tags?: string;
  /** What the socket says that it is (sll_protocol); 0: the kernel finds out. */
  readonly protocol?: number;
  /** Past the queueing discipline (PACKET_QDISC_BYPASS). */
  readonly bypass?: boolean;
  /** IPv4 options, or IPv6 extension headers by their numbers. */
  readonly options?: boolean;
  readonly extensions?: readonly number[];
  /** An IP raw socket instead of a packet socket. */
  readonly raw?: boolean;
}

const vlan0 = "81000000";
const unheard = 0x88b5;

export const forgeries: Readonly<Record<4 | 6, readonly Forgery[]>> = {
  4: [
    { name: "as it is" },
    { name: "past the queue", bypass: true },
    { name: "by a raw socket", raw: true },
    { name: "with options", options: true },
    { name: "said to be something else", protocol: unheard },
    { name: "said to be something else, past the queue", protocol: unheard, bypass: true },
    { name: "with options and said to be something else", options: true, protocol: unheard },
    { name: "in VLAN 0", tags: vlan0 },
    { name: "in VLAN 0, past the queue", tags: vlan0, bypass: true },
    {
      name: "in VLAN 0 and said to be something else, past the queue",
      tags: vlan0,
      protocol: 0x8100,
      bypass: true,
    },
    {
      name: "in VLAN 0 and said to be something else (IPv4), past the queue",
      tags: vlan0,
      protocol: 0x0800,
      bypass: true,
    },
    { name: "in VLAN 0 and said to be IPv4", tags: vlan0, protocol: 0x0800 },
    { name: "in VLAN 0 of providers", tags: "88a80000" },
    { name: "in VLAN 0 with options", tags: vlan0, options: true },
    { name: "in VLAN 0 twice", tags: vlan0 + vlan0 },
    { name: "in VLAN 0 three times", tags: vlan0 + vlan0 + vlan0 },
  ],
  6: [
    { name: "as it is" },
    { name: "past the queue", bypass: true },
    { name: "by a raw socket", raw: true },
    { name: "behind extension headers", extensions: [60, 60] },
    { name: "said to be something else", protocol: unheard },
    { name: "in VLAN 0", tags: vlan0 },
    { name: "in VLAN 0 as a fragment", tags: vlan0, extensions: [44] },
    { name: "in VLAN 0 behind an extension header", tags: vlan0, extensions: [60] },
    { name: "in VLAN 0 behind two", tags: vlan0, extensions: [60, 44] },
    { name: "in VLAN 0 twice", tags: vlan0 + vlan0 },
  ],
};

interface Way {
  readonly link: string;
  readonly source: Address;
  readonly target: Address;
  readonly port: number;
  /** What the datagram holds. */
  readonly payload?: Buffer;
  /** MAC that it is sent to. Default: everybody. */
  readonly to?: string;
}

export async function forge(host: LabHost, forgery: Forgery, way: Way): Promise<void> {
  const packet = packetOf(forgery, way);
  const { raw = false, protocol = 0, bypass = false, tags = "" } = forgery;
  const { family } = way.target;
  const type = family === 4 ? "0800" : "86dd";
  const hex = (text: string) => text.replaceAll(":", "");
  const frame = hex(way.to ?? "ff:ff:ff:ff:ff:ff") + hex(forgedMac) + tags + type + packet.toString("hex");
  if (raw) {
    const target = Buffer.from(addressBytes(way.target)).toString("hex");
    await host.run("perl", "-e", rawProgram, String(family), target, packet.toString("hex"));
  } else {
    const index = (await host.netlink.link(way.link))?.index ?? 0;
    await host.run("perl", "-e", packetProgram, String(index), String(protocol), bypass ? "1" : "0", frame);
  }
}

/** A frame of nobody's in VNI 5001. */
const somePayload = Buffer.concat([Buffer.from("0800000000138900", "hex"), Buffer.alloc(60)]);

function packetOf({ options = false, extensions = [] }: Forgery, way: Way): Buffer {
  const { source, target, port, payload = somePayload } = way;
  const datagram = Buffer.concat([Buffer.alloc(8), payload]);
  datagram.writeUInt16BE(5555, 0);
  datagram.writeUInt16BE(port, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  const addresses = [source, target].map(addressBytes);
  if (target.family === 4) return ipv4(Buffer.concat(addresses), datagram, options);
  const pseudo = [...addresses, words(0, datagram.length), words(0, 17), datagram];
  datagram.writeUInt16BE(checksum(Buffer.concat(pseudo)) || 0xffff, 6);
  const numbers = [...extensions, 17];
  // eight bytes each: the next header's number, and padding (or: a fragment that is the whole)
  const headers = extensions.map((number, at) =>
    Buffer.from([numbers[at + 1] ?? 17, 0, ...(number === 44 ? [0, 0, 0, 0, 0, 7] : [1, 4, 0, 0, 0, 0])]),
  );
  const rest = Buffer.concat([...headers, datagram]);
  const head = Buffer.concat([Buffer.from([0x60, 0, 0, 0]), Buffer.alloc(4)]);
  head.writeUInt16BE(rest.length, 4);
  head.writeUInt8(numbers[0] ?? 17, 6);
  head.writeUInt8(64, 7);
  return Buffer.concat([head, ...addresses, rest]);
}

function ipv4(addresses: Buffer, datagram: Buffer, options: boolean): Buffer {
  const head = Buffer.concat([
    Buffer.from("4500000000010000401100000000", "hex").subarray(0, 12),
    addresses,
    // no operation, four times
    options ? Buffer.from("01010101", "hex") : Buffer.alloc(0),
  ]);
  head.writeUInt8(0x40 | (head.length / 4), 0);
  head.writeUInt16BE(head.length + datagram.length, 2);
  head.writeUInt16BE(checksum(head), 10);
  return Buffer.concat([head, datagram]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value, at * 2);
  return bytes;
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2)
    sum += at + 1 < bytes.length ? bytes.readUInt16BE(at) : (bytes[at] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** AF_PACKET = 17, SOCK_RAW = 3, SOL_PACKET = 263, PACKET_QDISC_BYPASS = 20. Prints what the kernel refused. */
const packetProgram = `
my ($index, $protocol, $bypass, $frame) = @ARGV;
socket(my $s, 17, 3, 0) or die "socket: $!";
setsockopt($s, 263, 20, pack("i", 1)) or die "setsockopt: $!" if $bypass;
my $to = pack("S n l S C C a8", 17, $protocol, $index, 0, 0, 6, "");
send($s, pack("H*", $frame), 0, $to) or print "send: $!";
`;

/** A header of one's own: IPPROTO_RAW, of IPv6 too. The kernel's refusal is an error of the send, or none. */
const rawProgram = `
my ($family, $target, $packet) = @ARGV;
socket(my $s, $family == 4 ? 2 : 10, 3, 255) or die "socket: $!";
my $to = $family == 4 ? pack("S n H8 x8", 2, 0, $target) : pack("S n N H32 L", 10, 0, 0, $target, 0);
send($s, pack("H*", $packet), 0, $to) or print "send: $!";
`;
