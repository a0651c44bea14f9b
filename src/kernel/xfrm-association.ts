// Security associations (struct xfrm_usersa_info): ESP in transport mode between two hosts, AES in Galois counter mode
// (RFC 4106). Keys are in what is sent and dumped, and in no words.

import { type Address, formatAddress } from "../netip/index.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import type { Request } from "./request.ts";
import { createFlags, familyNumber, familyOf } from "./rtnetlink.ts";
import { esp, readAddress, transportMode, writeAddress, xfrmAttribute, xfrmMessage } from "./xfrm-layout.ts";

/** How an association is told from others: the kernel looks for it by these. */
export interface AssociationId {
  readonly target: Address;
  /** Above 255 (RFC 4303 2.1). */
  readonly spi: number;
}

export interface Association extends AssociationId {
  readonly source: Address;
  /** Whose it is, and which policies may use it. */
  readonly requestId: number;
  /** The cipher's key of 16 or 32 bytes, and 4 bytes of salt behind it (RFC 4106 8.1). */
  readonly key: Uint8Array;
}

const algorithm = "rfc4106(gcm(aes))";
/** Bits: the longest that there is, as RFC 4106 6 wants it supported. */
const icvLength = 128;
/** Packets that may overtake others by so many are heard; bits in words of 32. */
const replayWindow = 1024;
/** XFRM_STATE_ESN: sequence numbers of 64 bits, so that none comes twice under a key (RFC 4303 2.2.1). */
const extendedNumbers = 128;

/** Places in struct xfrm_usersa_info, in bytes. */
const at = {
  target: 56,
  spi: 72,
  protocol: 76,
  source: 80,
  limits: 96,
  requestId: 208,
  family: 212,
  mode: 214,
  flags: 216,
  size: 224,
} as const;

/** XFRM_MSG_NEWSA. EEXIST when the target has one of this SPI. */
export function addAssociation(association: Association): Request {
  return request(xfrmMessage.newAssociation, association, "add");
}

function request(type: number, { source, target, spi, requestId, key }: Association, verb: string): Request {
  const state = Buffer.alloc(at.size);
  writeAddress(state, at.target, target);
  state.writeUInt32BE(spi, at.spi);
  state.writeUInt8(esp, at.protocol);
  writeAddress(state, at.source, source);
  // no limit of bytes or packets, and none of time (zeros)
  state.fill(0xff, at.limits, at.limits + 32);
  state.writeUInt32LE(requestId, at.requestId);
  state.writeUInt16LE(familyNumber(target.family), at.family);
  state.writeUInt8(transportMode, at.mode);
  state.writeUInt8(extendedNumbers, at.flags);
  const payload = new Encoder()
    .struct(state)
    .bytes(xfrmAttribute.aead, aead(key))
    .bytes(xfrmAttribute.replay, replayState())
    .finish();
  const words = `ip xfrm state ${verb} ${name({ source, target, spi })}`;
  return { type, flags: createFlags, payload, words };
}

/** XFRM_MSG_DELSA. ESRCH when there is none. */
export function deleteAssociation({ target, spi }: AssociationId): Request {
  const payload = new Encoder().struct(associationId({ target, spi })).finish();
  const words = `ip xfrm state delete ${name({ target, spi })}`;
  return { type: xfrmMessage.deleteAssociation, flags: nlmFlag.ack, payload, words };
}

/** `ip xfrm state`: a dump. */
export function listAssociations(): Request {
  return {
    type: xfrmMessage.getAssociation,
    flags: 0,
    payload: Buffer.alloc(0),
    words: "ip xfrm state list",
  };
}

/** Reads the payload of XFRM_MSG_NEWSA; undefined for what is not ESP in transport mode by such a cipher. */
export function decodeAssociation(payload: Buffer): Association | undefined {
  if (payload.length < at.size || payload.readUInt8(at.protocol) !== esp) return undefined;
  const family = familyOf(payload.readUInt16LE(at.family));
  const source = readAddress(payload, at.source, family);
  const target = readAddress(payload, at.target, family);
  const key = keyIn(new Attributes(payload.subarray(at.size)).bytes(xfrmAttribute.aead));
  if (!source || !target || !key || payload.readUInt8(at.mode) !== transportMode) return undefined;
  const spi = payload.readUInt32BE(at.spi);
  return { source, target, spi, requestId: payload.readUInt32LE(at.requestId), key };
}

/** struct xfrm_usersa_id. */
function associationId({ target, spi }: AssociationId): Buffer {
  const id = Buffer.alloc(24);
  writeAddress(id, 0, target);
  id.writeUInt32BE(spi, 16);
  id.writeUInt16LE(familyNumber(target.family), 20);
  id.writeUInt8(esp, 22);
  return id;
}

/** struct xfrm_algo_aead. */
function aead(key: Uint8Array): Buffer {
  const value = Buffer.alloc(72 + key.length);
  value.write(algorithm);
  value.writeUInt32LE(key.length * 8, 64);
  value.writeUInt32LE(icvLength, 68);
  value.set(key, 72);
  return value;
}

function keyIn(value: Buffer | undefined): Buffer | undefined {
  if (!value || value.length < 72) return undefined;
  const named = value.subarray(0, 64).toString("utf8").replace(/\0.*$/s, "");
  if (named !== algorithm || value.readUInt32LE(68) !== icvLength) return undefined;
  return value.subarray(72, 72 + value.readUInt32LE(64) / 8);
}

/** struct xfrm_replay_state_esn: nothing was sent or heard yet. */
function replayState(): Buffer {
  const words = replayWindow / 32;
  const value = Buffer.alloc(24 + words * 4);
  value.writeUInt32LE(words, 0);
  value.writeUInt32LE(replayWindow, 20);
  return value;
}

function name({ source, target, spi }: AssociationId & { readonly source?: Address }): string {
  const from = source ? `src ${formatAddress(source)} ` : "";
  return `${from}dst ${formatAddress(target)} proto esp spi 0x${spi.toString(16)}`;
}
