// The forwarding database: which MAC is behind which bridge port, or behind which VXLAN tunnel end.

import { type Address, formatAddress, type Mac, macBytes, macFromBytes } from "../netip/index.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import { nda, neighbourHeader, neighbourState } from "./neighbour.ts";
import type { Request } from "./request.ts";
import {
  addressFamily,
  createFlags,
  decodeAddress,
  encodeAddress,
  replaceFlags,
  rtm,
  say,
} from "./rtnetlink.ts";

/** An entry of a bridge's or a VXLAN link's forwarding database. */
export interface FdbEntry {
  /** Index of the bridge port or of the VXLAN link. */
  readonly link: number;
  readonly mac: Mac;
  /** VXLAN: the tunnel end behind which the MAC is. */
  readonly destination?: Address;
  readonly vni?: number;
  /** VXLAN: the tunnel end's UDP port, where it is not the link's own. */
  readonly port?: number;
  readonly vlan?: number;
  /** Index of the bridge. */
  readonly master?: number;
  /** Never ages (NUD_PERMANENT or NUD_NOARP). */
  readonly permanent: boolean;
  /** Never ages, and in a bridge leads out of the port (NUD_NOARP); a permanent one is the bridge's own address. */
  readonly static?: boolean;
  /** Kept by the link itself (VXLAN), not by its bridge. */
  readonly self: boolean;
}

/** An entry to add or delete. */
export interface FdbSpec {
  readonly link: number;
  /** 00:00:00:00:00:00 on a VXLAN link = where unknown and broadcast frames go. */
  readonly mac: Mac;
  readonly destination?: Address;
  readonly vni?: number;
  /** VXLAN: the tunnel end's UDP port, where it is not the link's own. */
  readonly port?: number;
  readonly vlan?: number;
  /** Frames to the MAC leave by the port; else, in a bridge, they are its own. Default: false. */
  readonly static?: boolean;
  /** Default "self": the link's own table; "master": its bridge's. */
  readonly table?: "self" | "master";
}

/** How `addFdb` treats an entry that is there: fail with EEXIST, replace it, or add one more destination (VXLAN). */
export type FdbMode = "add" | "replace" | "append";

const flagSelf = 0x2;
const flagMaster = 0x4;

/** `bridge fdb add|replace|append … permanent` or `… static`. */
export function addFdb(spec: FdbSpec, mode: FdbMode = "add"): Request {
  const flags = {
    add: createFlags,
    replace: replaceFlags,
    append: nlmFlag.ack | nlmFlag.create | nlmFlag.append,
  }[mode];
  return { type: rtm.newNeighbour, flags, payload: encode(spec), words: words(spec, mode) };
}

/** `bridge fdb delete`. Fails with ENOENT when it is gone. */
export function deleteFdb(spec: FdbSpec): Request {
  return {
    type: rtm.deleteNeighbour,
    flags: nlmFlag.ack,
    payload: encode(spec),
    words: words(spec, "delete"),
  };
}

/** `bridge fdb show`: a dump of one bridge's ports (`master`), one link, or all. */
export function listFdb(filter: { readonly link?: number; readonly master?: number } = {}): Request {
  const encoder = new Encoder().struct(
    neighbourHeader({ family: addressFamily.bridge, link: filter.link ?? 0 }),
  );
  if (filter.master !== undefined) encoder.u32(nda.master, filter.master);
  const text = say(
    "bridge fdb show",
    filter.link !== undefined && `brport if${filter.link}`,
    filter.master !== undefined && `br if${filter.master}`,
  );
  return { type: rtm.getNeighbour, flags: 0, payload: encoder.finish(), words: text };
}

/** Reads the payload of an AF_BRIDGE RTM_NEWNEIGH or RTM_DELNEIGH; undefined for anything else. */
export function decodeFdb(payload: Buffer): FdbEntry | undefined {
  const attributes = new Attributes(payload.subarray(12));
  const mac = attributes.bytes(nda.mac);
  if (payload.readUInt8(0) !== addressFamily.bridge || mac?.length !== 6) return undefined;
  const destination = decodeAddress(attributes.bytes(nda.destination));
  const vni = attributes.u32(nda.vni);
  const port = attributes.be16(nda.port);
  const vlan = attributes.u16(nda.vlan);
  const state = payload.readUInt16LE(8);
  const master = attributes.u32(nda.master);
  return {
    link: payload.readInt32LE(4),
    mac: macFromBytes(mac),
    ...(destination && { destination }),
    ...(vni !== undefined && { vni }),
    ...(port !== undefined && { port }),
    ...(vlan !== undefined && { vlan }),
    ...(master !== undefined && { master }),
    permanent: (state & (neighbourState.permanent | neighbourState.noArp)) !== 0,
    ...((state & neighbourState.noArp) !== 0 && { static: true }),
    self: (payload.readUInt8(10) & flagSelf) !== 0,
  };
}

function encode(spec: FdbSpec): Buffer {
  const encoder = new Encoder().struct(
    neighbourHeader({
      family: addressFamily.bridge,
      link: spec.link,
      state: spec.static ? neighbourState.noArp : neighbourState.permanent,
      flags: spec.table === "master" ? flagMaster : flagSelf,
    }),
  );
  encoder.bytes(nda.mac, macBytes(spec.mac));
  encodeAddress(encoder, nda.destination, spec.destination);
  if (spec.vni !== undefined) encoder.u32(nda.vni, spec.vni);
  if (spec.port !== undefined) encoder.be16(nda.port, spec.port);
  if (spec.vlan !== undefined) encoder.u16(nda.vlan, spec.vlan);
  return encoder.finish();
}

function words(spec: FdbSpec, verb: FdbMode | "delete"): string {
  return say(
    `bridge fdb ${verb} ${spec.mac} dev if${spec.link}`,
    spec.destination && `dst ${formatAddress(spec.destination)}`,
    spec.vni !== undefined && `vni ${spec.vni}`,
    spec.port !== undefined && `port ${spec.port}`,
    spec.vlan !== undefined && `vlan ${spec.vlan}`,
    spec.table ?? "self",
    verb !== "delete" && (spec.static ? "static" : "permanent"),
  );
}
