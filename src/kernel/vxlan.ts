// Creating VXLAN links: Ethernet frames in UDP datagrams (RFC 7348).

import { type Address, addressBytes, formatAddress, type Mac, macBytes } from "../netip/index.ts";
import { Encoder } from "./codec.ts";
import { aliasOf, encodeNetns, ifla, iflaInfo, linkHeader } from "./link.ts";
import type { Request } from "./request.ts";
import { createFlags, rtm, say } from "./rtnetlink.ts";
import { dfSet, iflaVxlan } from "./vxlan-attributes.ts";

/** A VXLAN link to create. Where frames go its forwarding entries say (fdb.ts); it has no other destination. */
export interface VxlanSpec {
  readonly name: string;
  /**
   * Chosen; fails with EEXIST or EBUSY when taken where the link goes, and on older kernels where the socket is too
   * (rtnl_newlink in net/core/rtnetlink.c).
   */
  readonly index?: number;
  /** 1 to 2^24-1. */
  readonly vni: number;
  /** Source address of its packets; says the family of the underlay too. */
  readonly local: Address;
  /** Default: 4789. */
  readonly port?: number;
  /** Learn from received packets which MAC is behind which tunnel end. Default: false. */
  readonly learning?: boolean;
  /** Answer ARP and neighbour solicitations from its neighbour entries, and send none on. Default: false. */
  readonly proxy?: boolean;
  /** An IPv4 underlay must not take its packets apart: those that are too large are lost. Default: false. */
  readonly dontFragment?: boolean;
  /** 1500 when absent: it stands on no link whose MTU it could have. */
  readonly mtu?: number;
  readonly mac?: Mac;
  readonly up?: boolean;
  readonly alias?: string;
  /**
   * Path of the namespace to make it in. Its UDP socket is in the namespace of the netlink socket that the request is sent
   * by, and stays there (`vxlan_newlink` in drivers/net/vxlan/vxlan_core.c).
   */
  readonly netns?: string;
}

/** RFC 7348 5. */
export const vxlanPort = 4789;
/** 24 bits. */
export const largestVni = 0xff_ffff;

/** What a VXLAN packet carries besides the inner IP packet: outer IP, UDP and VXLAN headers, and the inner Ethernet header. */
export function vxlanOverhead(underlay: Address["family"]): number {
  return underlay === 4 ? 50 : 70;
}

/**
 * `ip link add … type vxlan`. Fails with EEXIST when the name is taken, or the VNI on that port in the socket's namespace;
 * EADDRINUSE when another kind of socket has the port. An alias is only for a link that stays in the socket's namespace.
 */
export function createVxlan(spec: VxlanSpec): Request {
  const encoder = new Encoder().struct(linkHeader(spec.index, spec.up)).string(ifla.name, spec.name);
  if (spec.mac !== undefined) encoder.bytes(ifla.address, macBytes(spec.mac));
  if (spec.mtu !== undefined) encoder.u32(ifla.mtu, spec.mtu);
  const files = spec.netns === undefined ? undefined : [encodeNetns(encoder, spec.netns)];
  encoder.nest(ifla.linkInfo, (info) =>
    info.string(iflaInfo.kind, "vxlan").nest(iflaInfo.data, (data) => encodeOptions(data, spec)),
  );
  return {
    type: rtm.newLink,
    flags: createFlags,
    payload: encoder.finish(),
    words: words(spec),
    ...(files && { files }),
    ...aliasOf(spec.name, spec.alias),
  };
}

function encodeOptions(data: Encoder, spec: VxlanSpec): void {
  const { vni, local, port = vxlanPort, learning, proxy, dontFragment } = spec;
  data.u32(iflaVxlan.id, vni);
  data.bytes(local.family === 4 ? iflaVxlan.local : iflaVxlan.local6, addressBytes(local));
  data.u8(iflaVxlan.learning, learning ? 1 : 0);
  data.u8(iflaVxlan.proxy, proxy ? 1 : 0);
  data.be16(iflaVxlan.port, port);
  if (dontFragment) data.u8(iflaVxlan.df, dfSet);
}

function words(spec: VxlanSpec): string {
  return say(
    `ip link add ${spec.name}`,
    spec.index !== undefined && `index ${spec.index}`,
    spec.mac !== undefined && `address ${spec.mac}`,
    spec.mtu !== undefined && `mtu ${spec.mtu}`,
    spec.netns !== undefined && `netns ${spec.netns}`,
    spec.up !== undefined && (spec.up ? "up" : "down"),
    `type vxlan id ${spec.vni} local ${formatAddress(spec.local)} dstport ${spec.port ?? vxlanPort}`,
    spec.learning ? "learning" : "nolearning",
    spec.proxy ? "proxy" : "noproxy",
    spec.dontFragment && "df set",
  );
}
