// Frames as an attacker writes them: Ethernet, ARP, IP, UDP, ICMP, byte by byte.

import { addressBytes, macBytes, parseMac } from "../../../src/netip/index.ts";
import { address } from "./lab.ts";

export const broadcast = "ff:ff:ff:ff:ff:ff";
export const etherType = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, service: 0x88a8 } as const;

let frames = 0;

/** Bytes that no other frame has: what is heard is told by them. */
function nonce(): Buffer {
  return be16(++frames);
}

export function ethernet(source: string, target: string, type: number, ...payload: Uint8Array[]): Buffer {
  return join(mac(target), mac(source), be16(type), ...payload);
}

/** The same frame behind VLAN tags. */
export function tagged(
  frame: Buffer,
  ...tags: readonly { readonly type: number; readonly vlan: number }[]
): Buffer {
  const header = tags.flatMap(({ type, vlan }) => [be16(type), be16(vlan)]);
  return join(frame.subarray(0, 12), ...header, frame.subarray(12));
}

interface Arp {
  readonly operation: "request" | "reply";
  readonly mac: string;
  readonly ip: string;
  readonly targetMac?: string;
  readonly targetIp: string;
}

export function arp({ operation, mac: own, ip, targetMac = broadcast, targetIp }: Arp): Buffer {
  const words = [1, etherType.ipv4, 0x0604, operation === "request" ? 1 : 2].map(be16);
  // padding as Ethernet has it, with the nonce at its end
  return join(...words, mac(own), bytes(ip), mac(targetMac), bytes(targetIp), Buffer.alloc(16), nonce());
}

export function ipv4(source: string, target: string, protocol: number, payload: Uint8Array): Buffer {
  const header = join(
    Uint8Array.of(0x45, 0),
    be16(20 + payload.length),
    nonce(),
    Uint8Array.of(0, 0, 64, protocol, 0, 0),
    bytes(source),
    bytes(target),
  );
  header.writeUInt16BE(checksum(header), 10);
  return join(header, payload);
}

export function ipv6(source: string, target: string, protocol: number, payload: Uint8Array): Buffer {
  const flow = join(Uint8Array.of(0x60, 0), nonce());
  return join(
    flow,
    be16(payload.length),
    Uint8Array.of(protocol, 255),
    bytes(source),
    bytes(target),
    payload,
  );
}

/** UDP in its IP packet, of the addresses' family. */
export function udp(
  source: string,
  sourcePort: number,
  target: string,
  targetPort: number,
  text = "?",
): Buffer {
  const data = Buffer.from(text);
  const segment = join(be16(sourcePort), be16(targetPort), be16(8 + data.length), be16(0), data);
  if (!source.includes(":")) return ipv4(source, target, 17, segment);
  segment.writeUInt16BE(checksum(join(pseudo(source, target, 17, segment.length), segment)) || 0xffff, 6);
  return ipv6(source, target, 17, segment);
}

/** ICMP in its IP packet, of the addresses' family. */
export function icmp(source: string, target: string, type: number, ...body: Uint8Array[]): Buffer {
  const message = join(Uint8Array.of(type, 0, 0, 0), ...body);
  const isIpv6 = source.includes(":");
  const before = isIpv6 ? pseudo(source, target, 58, message.length) : Buffer.alloc(0);
  message.writeUInt16BE(checksum(join(before, message)), 2);
  return isIpv6 ? ipv6(source, target, 58, message) : ipv4(source, target, 1, message);
}

/** Neighbour advertisement (RFC 4861 4.4) that overrides what was known. */
export function neighbourAdvertisement(source: string, target: string, about: string, own: string): Buffer {
  const flags = Uint8Array.of(0x20, 0, 0, 0);
  return icmp(source, target, 136, flags, bytes(about), Uint8Array.of(2, 1), mac(own));
}

/** Neighbour solicitation (4.3). */
export function neighbourSolicitation(source: string, target: string, about: string): Buffer {
  return icmp(source, target, 135, Buffer.alloc(4), bytes(about));
}

/** Router advertisement (4.2) of a prefix to make addresses of. */
export function routerAdvertisement(source: string, prefix: string): Buffer {
  const hop = join(Uint8Array.of(64, 0), be16(1800), Buffer.alloc(8));
  const lifetimes = join(be32(7200), be32(7200), be32(0));
  const option = join(Uint8Array.of(3, 4, 64, 0xc0), lifetimes, bytes(prefix));
  return icmp(source, "ff02::1", 134, hop, option);
}

/** Group address of a solicited node, and the MAC that it is sent to. */
export const allNodes = { ip: "ff02::1", mac: "33:33:00:00:00:01" } as const;

function pseudo(source: string, target: string, protocol: number, length: number): Buffer {
  return join(bytes(source), bytes(target), be32(length), be32(protocol));
}

function checksum(data: Buffer): number {
  const even = data.length % 2 === 0 ? data : join(data, Uint8Array.of(0));
  let sum = 0;
  for (let at = 0; at < even.length; at += 2) sum += even.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function bytes(text: string): Uint8Array {
  return addressBytes(address(text));
}

function mac(text: string): Uint8Array {
  const parsed = parseMac(text);
  if (!parsed) throw new Error(`${text} is no MAC`);
  return macBytes(parsed);
}

function be16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

function be32(value: number): Buffer {
  return join(be16(value >>> 16), be16(value & 0xffff));
}

function join(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}
