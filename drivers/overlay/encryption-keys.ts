// Keys of encrypted networks, derived: of two hosts each derives the same from what the store has, and no two directions,
// lives of a sender or keys of the ring have one in common. Pure.

import { hkdfSync } from "node:crypto";
import { type Address, formatAddress } from "../../src/netip/index.ts";

/** A secret that the cluster's hosts share. */
export interface RingKey {
  /** Counts up; its last four bits are in SPIs. */
  readonly id: number;
  /** 32 random bytes, in base64. */
  readonly secret: string;
}

/**
 * All is sent under `current`. What hosts that have not heard of the last rotation send under `previous` is heard, and so
 * is what those send under `next` who have heard of one that this host has not.
 */
export interface KeyRing {
  readonly current: RingKey;
  readonly next: RingKey;
  readonly previous?: RingKey;
  /** By the clock of the host that rotated, in milliseconds. */
  readonly rotatedAt: number;
}

/** A life of a sender: its numbers begin anew with each, so its keys must be others. */
export interface SenderLife {
  /** Counts up; its last twelve bits are in SPIs. */
  readonly epoch: number;
  /** 16 random bytes, in hex: never the same again, whatever becomes of the store. */
  readonly nonce: string;
}

export interface Sender {
  /** A number of its own in the cluster: part of its SPIs. */
  readonly slot: number;
  readonly life: SenderLife;
  /** The one before, whose packets are heard until nobody sends them. */
  readonly former?: SenderLife;
}

export const largestSlot = 0xffff;

/** One end of a direction. */
export interface SealEnd {
  readonly id: string;
  readonly address: Address;
}

/** 16 bytes of key for AES-128-GCM and 4 of salt (RFC 4106 4). */
const keyLength = 20;
const purpose = Buffer.from("tsdocker overlay esp rfc4106 1");

/**
 * The key of one direction: HKDF (RFC 5869) of the ring's secret, bound to both hosts, their addresses (an association is
 * made anew when one changes), the ring's key and the sender's life. So no pair of key and nonce comes twice: within an
 * association numbers only rise, and of each association there is one.
 */
export function deriveKey(
  ringKey: RingKey,
  { from, to, life }: { readonly from: SealEnd; readonly to: SealEnd; readonly life: SenderLife },
): Uint8Array {
  const context = [
    ringKey.id,
    from.id,
    formatAddress(from.address),
    to.id,
    formatAddress(to.address),
    life.epoch,
    life.nonce,
  ];
  // lengths are said, so that no two lists read the same
  const info = Buffer.from(JSON.stringify(context));
  return new Uint8Array(hkdfSync("sha256", Buffer.from(ringKey.secret, "base64"), purpose, info, keyLength));
}

/**
 * 4 bits of the ring's key, 16 of the sender's slot, 12 of its life: of all that a host hears no two have the same, and
 * since slots begin at 1 none is below 256 (RFC 4303 2.1).
 */
export function spiOf(
  ringKey: Pick<RingKey, "id">,
  slot: number,
  { epoch }: Pick<SenderLife, "epoch">,
): number {
  return (((ringKey.id & 0xf) << 28) | (slot << 12) | (epoch & 0xfff)) >>> 0;
}
