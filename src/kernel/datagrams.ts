// Datagram sockets in JavaScript, many datagrams a call: a fifth of what `dgram` costs each.

import { addon, readable } from "../../native/index.ts";
import { peerSize, spliceAddon } from "../../native/splice.ts";
import { type Address, addressBytes } from "../netip/index.ts";
import { sayingNow } from "./errors.ts";

/** Memory for a batch. One serves any number of sockets, since a batch is dealt with before the next is read. */
export interface DatagramBatch {
  readonly slotSize: number;
  readonly slab: Buffer;
  readonly sizes: Int32Array;
  readonly peers: Buffer;
}

const mostSlots = 64;

/** A batch of at most 64 datagrams of at most `slotSize` bytes. */
export function datagramBatch(slotSize: number, slots = mostSlots): DatagramBatch {
  const slab = Buffer.alloc(slots * slotSize);
  return { slotSize, slab, sizes: new Int32Array(slots), peers: Buffer.alloc(slots * peerSize) };
}

/** The peer of a slot, to reply to later. */
export function peerOf(batch: DatagramBatch, slot: number): Buffer {
  return Buffer.from(batch.peers.subarray(slot * peerSize, (slot + 1) * peerSize));
}

/** The bytes in a slot, valid until the batch is used again; undefined for one that was too large. */
export function datagramIn(batch: DatagramBatch, slot: number): Buffer | undefined {
  const size = batch.sizes[slot] ?? -1;
  return size < 0 ? undefined : batch.slab.subarray(slot * batch.slotSize, slot * batch.slotSize + size);
}

/** Says whom a slot goes to, in the bytes of `peerOf`. */
export function putPeer(batch: DatagramBatch, slot: number, peer: Uint8Array): void {
  batch.peers.set(peer, slot * peerSize);
}

/** Puts bytes into a slot; none (or too many) make it one that is not sent. */
export function putDatagram(batch: DatagramBatch, slot: number, bytes: Uint8Array | undefined): void {
  const fits = bytes !== undefined && bytes.length <= batch.slotSize;
  batch.sizes[slot] = fits ? bytes.length : 0;
  if (fits) batch.slab.set(bytes, slot * batch.slotSize);
}

/** Fills the batch and answers how many came. Throws KernelError: ECONNREFUSED and alike of a connected socket. */
export function receiveDatagrams(fd: number, batch: DatagramBatch, connected = false): number {
  return sayingNow("receive datagrams", () =>
    spliceAddon().datagramsReceive(fd, batch.slab, batch.sizes, connected ? undefined : batch.peers),
  );
}

/** Sends the first `count` slots to their peers, or through a connected socket. What there is no room for is lost. */
export function sendDatagrams(fd: number, batch: DatagramBatch, count: number, connected = false): void {
  spliceAddon().datagramsSend(fd, batch.slab, batch.sizes, connected ? undefined : batch.peers, count);
}

/** Sends one datagram: to `peer`, or through a connected socket. */
export function sendDatagram(fd: number, bytes: Uint8Array, peer?: Uint8Array): void {
  spliceAddon().datagramsSend(fd, bytes, Int32Array.of(bytes.length), peer, 1);
}

/**
 * connect(2); of a stream socket it only begins. `link` is the index of the one that a link-local IPv6 address is on.
 * Throws KernelError: ENETUNREACH, …
 */
export function connectSocket(fd: number, address: Address, port: number, link = 0): void {
  sayingNow("connect", () => spliceAddon().socketConnect(fd, addressBytes(address), port, link));
}

/** Calls `ready` whenever something can be read. Stop it before the fd is closed; that may be done twice. */
export function onReadable(fd: number, ready: () => void): () => void {
  const poll = addon().pollStart(fd, readable, ready);
  return () => addon().pollStop(poll);
}
