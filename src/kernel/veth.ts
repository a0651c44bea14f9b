// Creating veth pairs, the peer already in its namespace, with its index, MAC and MTU: one message.

import { type Mac, macBytes } from "../netip/index.ts";
import { Encoder } from "./codec.ts";
import { aliasOf, encodeNetns, ifla, iflaInfo, linkHeader } from "./link.ts";
import type { Request } from "./request.ts";
import { createFlags, rtm, say } from "./rtnetlink.ts";

/** The far end of a pair. */
export interface VethPeerSpec {
  readonly name: string;
  /** Chosen, so that addresses can be put on it without asking for it; fails with EEXIST when taken in its namespace. */
  readonly index?: number;
  readonly mac?: Mac;
  readonly mtu?: number;
  readonly up?: boolean;
  /** Path of a namespace file; opened when the message is sent, closed after. Undefined = where the socket is. */
  readonly netns?: string;
}

/** A veth pair to create. */
export interface VethSpec {
  readonly name: string;
  readonly index?: number;
  readonly mtu?: number;
  /** Index of the bridge to be a port of. */
  readonly master?: number;
  readonly up?: boolean;
  readonly mac?: Mac;
  readonly alias?: string;
  /** For `deleteLinkGroup`. */
  readonly group?: number;
  readonly peer: VethPeerSpec;
}

const vethInfoPeer = 1;

/** `ip link add … type veth peer …`. Fails with EEXIST when either name is taken. */
export function createVeth(spec: VethSpec): Request {
  const encoder = new Encoder().struct(linkHeader(spec.index, spec.up)).string(ifla.name, spec.name);
  if (spec.mac !== undefined) encoder.bytes(ifla.address, macBytes(spec.mac));
  if (spec.mtu !== undefined) encoder.u32(ifla.mtu, spec.mtu);
  if (spec.master !== undefined) encoder.u32(ifla.master, spec.master);
  if (spec.group !== undefined) encoder.u32(ifla.group, spec.group);
  const files: { offset: number; path: string }[] = [];
  encoder.nest(ifla.linkInfo, (info) =>
    info
      .string(iflaInfo.kind, "veth")
      .nest(iflaInfo.data, (data) =>
        data.nest(vethInfoPeer, (peer) => files.push(...encodePeer(peer, spec.peer))),
      ),
  );
  return {
    type: rtm.newLink,
    flags: createFlags,
    payload: encoder.finish(),
    words: words(spec),
    files,
    ...aliasOf(spec.name, spec.alias),
  };
}

/** VETH_INFO_PEER holds a whole link message of its own: header and attributes. */
function encodePeer(encoder: Encoder, peer: VethPeerSpec): { offset: number; path: string }[] {
  encoder.struct(linkHeader(peer.index, peer.up)).string(ifla.name, peer.name);
  if (peer.mac !== undefined) encoder.bytes(ifla.address, macBytes(peer.mac));
  if (peer.mtu !== undefined) encoder.u32(ifla.mtu, peer.mtu);
  return peer.netns === undefined ? [] : [encodeNetns(encoder, peer.netns)];
}

function words(spec: VethSpec): string {
  const end = (link: VethSpec | VethPeerSpec) =>
    say(
      link.index !== undefined && `index ${link.index}`,
      link.mac !== undefined && `address ${link.mac}`,
      link.mtu !== undefined && `mtu ${link.mtu}`,
      link.up !== undefined && (link.up ? "up" : "down"),
    );
  return say(
    `ip link add ${spec.name}`,
    end(spec),
    spec.master !== undefined && `master if${spec.master}`,
    spec.group !== undefined && `group ${spec.group}`,
    `type veth peer name ${spec.peer.name}`,
    end(spec.peer),
    spec.peer.netns !== undefined && `netns ${spec.peer.netns}`,
  );
}
