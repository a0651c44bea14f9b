// Neighbours: which MAC has an IP address on a link (ARP, NDP).

import {
  type Address,
  type Family,
  formatAddress,
  type Mac,
  macBytes,
  macFromBytes,
} from "../netip/index.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import type { Request } from "./request.ts";
import {
  createFlags,
  decodeAddress,
  encodeAddress,
  familyNumber,
  familyOf,
  replaceFlags,
  rtm,
  say,
} from "./rtnetlink.ts";

/** NUD_* */
export const neighbourState = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noArp: 0x40,
  permanent: 0x80,
} as const;

/** NDA_*, shared with fdb.ts. */
export const nda = { destination: 1, mac: 2, vlan: 5, port: 6, vni: 7, link: 8, master: 9 } as const;

/** An entry of the neighbour table of one namespace. */
export interface Neighbour {
  /** Index of the link. */
  readonly link: number;
  readonly address: Address;
  readonly mac?: Mac;
  /** Bits of `neighbourState`. */
  readonly state: number;
  readonly permanent: boolean;
}

/** A permanent entry to add or delete. */
export interface NeighbourSpec {
  /** Index of the link. */
  readonly link: number;
  readonly address: Address;
  readonly mac: Mac;
}

/** What `neighbours` selects by; the kernel filters. */
export interface NeighbourFilter {
  readonly link?: number;
  readonly family?: Family;
}

/** The struct ndmsg that neighbour and FDB messages begin with. */
export function neighbourHeader(fields: {
  family: number;
  link: number;
  state?: number;
  flags?: number;
}): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt8(fields.family, 0);
  header.writeInt32LE(fields.link, 4);
  header.writeUInt16LE(fields.state ?? 0, 8);
  header.writeUInt8(fields.flags ?? 0, 10);
  return header;
}

/** `ip neighbour add … nud permanent` (EEXIST when it is there), or `replace`. */
export function addNeighbour(spec: NeighbourSpec, { replace = false } = {}): Request {
  const encoder = begin(spec, neighbourState.permanent).bytes(nda.mac, macBytes(spec.mac));
  return {
    type: rtm.newNeighbour,
    flags: replace ? replaceFlags : createFlags,
    payload: encoder.finish(),
    words: `ip neighbour ${replace ? "replace" : "add"} ${formatAddress(spec.address)} lladdr ${spec.mac} dev if${spec.link} nud permanent`,
  };
}

/** `ip neighbour delete`. Fails with ENOENT when it is gone. */
export function deleteNeighbour(spec: { readonly link: number; readonly address: Address }): Request {
  const words = `ip neighbour delete ${formatAddress(spec.address)} dev if${spec.link}`;
  return { type: rtm.deleteNeighbour, flags: nlmFlag.ack, payload: begin(spec).finish(), words };
}

/** `ip neighbour show`: a dump. */
export function listNeighbours(filter: NeighbourFilter = {}): Request {
  const encoder = new Encoder().struct(neighbourHeader({ family: familyNumber(filter.family), link: 0 }));
  if (filter.link !== undefined) encoder.u32(nda.link, filter.link);
  const words = say("ip neighbour show", filter.link !== undefined && `dev if${filter.link}`);
  return { type: rtm.getNeighbour, flags: 0, payload: encoder.finish(), words };
}

/** Reads the payload of RTM_NEWNEIGH or RTM_DELNEIGH; undefined for families other than IP. */
export function decodeNeighbour(payload: Buffer): Neighbour | undefined {
  const attributes = new Attributes(payload.subarray(12));
  const address = decodeAddress(attributes.bytes(nda.destination));
  if (familyOf(payload.readUInt8(0)) === undefined || address === undefined) return undefined;
  const mac = attributes.bytes(nda.mac);
  const state = payload.readUInt16LE(8);
  return {
    link: payload.readInt32LE(4),
    address,
    ...(mac?.length === 6 && { mac: macFromBytes(mac) }),
    state,
    permanent: (state & neighbourState.permanent) !== 0,
  };
}

function begin(spec: { readonly link: number; readonly address: Address }, state = 0): Encoder {
  const family = familyNumber(spec.address.family);
  const encoder = new Encoder().struct(neighbourHeader({ family, link: spec.link, state }));
  encodeAddress(encoder, nda.destination, spec.address);
  return encoder;
}
