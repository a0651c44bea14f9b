// Ethernet frames that are made by hand: the announcements with which a host tells its neighbours who has an address.

import { framesAddon } from "../../native/frames.ts";
import { type Address, addressBytes, type Mac, macBytes } from "../netip/index.ts";
import { saying } from "./errors.ts";

/** Sends frames out of a link (its index) of a namespace. Rejects with KernelError: ENXIO when it is gone, ENETDOWN. */
export async function sendFrames(link: number, frames: readonly Uint8Array[], netns?: string): Promise<void> {
  await saying(`send ${frames.length} frames from if${link}`, framesAddon().framesSend(netns, link, frames));
}

/** "I have this address": a gratuitous ARP request (RFC 5227 2.3) or an unsolicited neighbour advertisement (RFC 4861 4.4). */
export function announcement(mac: Mac, address: Address): Uint8Array {
  return address.family === 4
    ? gratuitousArp(macBytes(mac), address)
    : neighbourAdvertisement(macBytes(mac), address);
}

const etherType = { arp: 0x0806, ipv6: 0x86dd } as const;

function gratuitousArp(mac: Uint8Array, address: Address): Uint8Array {
  const own = addressBytes(address);
  // Ethernet, IPv4, six and four bytes, request
  const head = Uint8Array.of(0, 1, 0x08, 0, 6, 4, 0, 1);
  return frame(broadcast, mac, etherType.arp, [head, mac, own, new Uint8Array(6), own]);
}

const broadcast = new Uint8Array(6).fill(0xff);
/** ff02::1, and the MAC that its packets go to (RFC 2464 7). */
const allNodes = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const allNodesMac = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);

function neighbourAdvertisement(mac: Uint8Array, address: Address): Uint8Array {
  const own = addressBytes(address);
  // type 136, flag override, target, option 2 (target's link-layer address)
  const message = Buffer.concat([Uint8Array.of(136, 0, 0, 0, 0x20, 0, 0, 0), own, Uint8Array.of(2, 1), mac]);
  const length = Buffer.from([message.length >> 8, message.length & 0xff]);
  const pseudo = [own, allNodes, Uint8Array.of(0, 0), length, Uint8Array.of(0, 0, 0, icmpv6)];
  message.writeUInt16BE(checksum(Buffer.concat([...pseudo, message])), 2);
  // version 6; a hop limit of 255 shows that nobody forwarded it
  const head = Buffer.concat([Uint8Array.of(0x60, 0, 0, 0), length, Uint8Array.of(icmpv6, 255)]);
  return frame(allNodesMac, mac, etherType.ipv6, [head, own, allNodes, message]);
}

const icmpv6 = 58;

function frame(to: Uint8Array, from: Uint8Array, type: number, parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([to, from, Uint8Array.of(type >> 8, type & 0xff), ...parts]);
}

/** The Internet checksum (RFC 1071) of an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
