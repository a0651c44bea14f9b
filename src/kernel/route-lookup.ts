// Which links lead to an address, as the kernel would decide: `ip route get … fibmatch`, many at once.

import { type Address, addressBytes, formatAddress } from "../netip/index.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";
import type { Request } from "./request.ts";
import { familyNumber, rtm } from "./rtnetlink.ts";

const attribute = { destination: 1, link: 4, multipath: 9 } as const;
/** The whole route with all its next hops, not the one that a packet would take now (RTM_F_FIB_MATCH, Linux 4.13). */
const fibMatch = 0x2000;
const hostLength = { 4: 32, 6: 128 } as const;
/** What surely fits into the socket's buffer with its answers. */
const batchSize = 256;

/** Indexes of the links that the routes to these addresses lead through; an address that no route leads to adds none. */
export async function linksTowards(
  socket: NetlinkSocket,
  addresses: readonly Address[],
): Promise<ReadonlySet<number>> {
  const links = new Set<number>();
  for (let at = 0; at < addresses.length; at += batchSize) {
    const { answers } = await socket.exchange(addresses.slice(at, at + batchSize).map(lookUpRoute));
    for (const { type, payload } of answers)
      if (type === rtm.newRoute) for (const link of routeLinks(payload)) links.add(link);
  }
  return links;
}

/** `ip route get`. ENETUNREACH and alike when there is none. */
export function lookUpRoute(address: Address): Request {
  const header = Buffer.alloc(12);
  header.writeUInt8(familyNumber(address.family), 0);
  header.writeUInt8(hostLength[address.family], 1);
  header.writeUInt32LE(fibMatch, 8);
  const payload = new Encoder().struct(header).bytes(attribute.destination, addressBytes(address)).finish();
  const words = `ip route get ${formatAddress(address)} fibmatch`;
  return { type: rtm.getRoute, flags: nlmFlag.ack, payload, words };
}

/** Links of a RTM_NEWROUTE: one, or those of its next hops (struct rtnexthop). */
export function routeLinks(payload: Buffer): number[] {
  const attributes = new Attributes(payload.subarray(12));
  const own = attributes.u32(attribute.link);
  const hops = attributes.bytes(attribute.multipath) ?? Buffer.alloc(0);
  const links = own === undefined ? [] : [own];
  for (let at = 0; at + 8 <= hops.length; ) {
    const length = hops.readUInt16LE(at);
    if (length < 8) break;
    links.push(hops.readInt32LE(at + 4));
    at += (length + 3) & ~3;
  }
  return links;
}
