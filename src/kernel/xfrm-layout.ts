// Numbers and places of linux/xfrm.h that associations and policies share. Its structs are fixed; numbers are in host byte
// order but for addresses, ports and SPIs.

import { type Address, addressBytes, addressFromBytes, type Family } from "../netip/index.ts";
import { familyNumber, familyOf } from "./rtnetlink.ts";

/** XFRM_MSG_*. */
export const xfrmMessage = {
  newAssociation: 16,
  deleteAssociation: 17,
  getAssociation: 18,
  newPolicy: 19,
  deletePolicy: 20,
  getPolicy: 21,
  expire: 24,
  updatePolicy: 25,
  updateAssociation: 26,
  flushAssociations: 28,
  flushPolicies: 29,
  newCounts: 34,
  getCounts: 35,
} as const;

/** XFRMNLGRP_*. */
export const xfrmGroup = { association: 3, policy: 4 } as const;

/** XFRMA_*. */
export const xfrmAttribute = { template: 5, sourceAddress: 13, aead: 18, mark: 21, replay: 23 } as const;

/** IPPROTO_ESP. */
export const esp = 50;
/** XFRM_MODE_TRANSPORT. */
export const transportMode = 0;

/** xfrm_address_t: 16 bytes, of which IPv4 uses the first four. */
export function writeAddress(into: Buffer, at: number, address: Address): void {
  into.set(addressBytes(address), at);
}

/** Undefined for families other than IP. */
export function readAddress(from: Buffer, at: number, family: Family | undefined): Address | undefined {
  return family && addressFromBytes(from.subarray(at, at + (family === 4 ? 4 : 16)));
}

/** Which packets (struct xfrm_selector): those of a protocol from one host to another, for a port. */
export interface XfrmSelector {
  readonly source: Address;
  readonly target: Address;
  /** IPPROTO_*. */
  readonly protocol: number;
  readonly targetPort: number;
}

/** Bytes of struct xfrm_selector. */
export const selectorSize = 56;
const selectorAt = {
  target: 0,
  source: 16,
  targetPort: 32,
  targetPortMask: 34,
  family: 40,
  targetLength: 42,
  sourceLength: 43,
  protocol: 44,
} as const;

export function writeSelector(into: Buffer, { source, target, protocol, targetPort }: XfrmSelector): void {
  writeAddress(into, selectorAt.target, target);
  writeAddress(into, selectorAt.source, source);
  into.writeUInt16BE(targetPort, selectorAt.targetPort);
  into.writeUInt16BE(0xffff, selectorAt.targetPortMask);
  into.writeUInt16LE(familyNumber(target.family), selectorAt.family);
  const whole = target.family === 4 ? 32 : 128;
  into.writeUInt8(whole, selectorAt.targetLength);
  into.writeUInt8(whole, selectorAt.sourceLength);
  into.writeUInt8(protocol, selectorAt.protocol);
}

/** Undefined for families other than IP. */
export function readSelector(from: Buffer): XfrmSelector | undefined {
  const family = familyOf(from.readUInt16LE(selectorAt.family));
  const source = readAddress(from, selectorAt.source, family);
  const target = readAddress(from, selectorAt.target, family);
  if (!source || !target) return undefined;
  return {
    source,
    target,
    protocol: from.readUInt8(selectorAt.protocol),
    targetPort: from.readUInt16BE(selectorAt.targetPort),
  };
}
