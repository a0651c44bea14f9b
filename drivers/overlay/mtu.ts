// The MTU of a network's links: what the underlay carries, less what a tunnel adds.

import type { Host } from "../../src/driverapi/index.ts";
import { type Address, formatAddress, sameAddress } from "../../src/netip/index.ts";
import { unavailable } from "../../src/util/errors.ts";
import { leastIpv6Mtu, type OverlayConfig } from "./options.ts";

const leastMtu = 68; // RFC 791

/** MTU of the link that has the host's address. @throws unavailable when no link has it */
export async function underlayMtu({ netlink }: Pick<Host, "netlink">, self: Address): Promise<number> {
  const addresses = await netlink.addresses();
  const own = addresses.find(({ prefix }) => sameAddress(prefix.address, self));
  const link = own && (await netlink.link(own.link));
  if (!link)
    throw unavailable(`the address ${formatAddress(self)}, which other hosts know, is not this host's`);
  return link.mtu;
}

/** A tunnel in which IPv6 would not fit gets the least that it needs: the underlay carries its packets in fragments. */
export function networkMtu(
  { link: kernel }: Pick<Host, "link">,
  {
    underlayMtu: chosen,
    ipv6,
    encrypted,
  }: Pick<OverlayConfig, "underlayMtu" | "ipv6"> & Partial<Pick<OverlayConfig, "encrypted">>,
  underlay: { readonly mtu: number; readonly address: Address },
): number {
  const clear = (chosen ?? underlay.mtu) - kernel.vxlanOverhead(underlay.address.family);
  const room = encrypted ? sealedRoom(clear) : clear;
  return Math.max(room, ipv6.length > 0 ? leastIpv6Mtu : leastMtu);
}

/** In front of a frame's payload within a tunnel: UDP 8, VXLAN 8, Ethernet 14 bytes; the trailer of ESP has 2 more. */
const inSeal = 8 + 8 + 14 + 2;
/** ESP's header, the nonce's part that is sent (RFC 4106 3.1) and the check value. */
const sealing = 8 + 8 + 16;

/** What is sealed, with its trailer, is a multiple of 4 bytes (RFC 4303 2.4). */
function sealedRoom(clear: number): number {
  const ofSeal = clear + inSeal - 2 - sealing;
  return ofSeal - (ofSeal % 4) - inSeal;
}
