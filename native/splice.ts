// Typed view of the addon's forwarding thread (splice*.cc), of its datagrams in batches (datagrams.cc) and of the
// replies that they are given (replies.cc).

import { addon } from "./index.ts";

/** The forwarding thread. Owned by whoever started it; it ends by `forwarderStop` or with the process. */
export type ForwarderHandle = { readonly __forwarder: never };

/** Prepared replies (replies.cc). */
export type RepliesHandle = { readonly __replies: never };

export interface ForwarderCounters {
  /** Open connections (tcp, sctp) and flows (udp). */
  readonly connections: number;
  readonly flows: number;
  readonly accepted: number;
  /** Connections that the target did not take. */
  readonly refused: number;
  readonly bytes: number;
}

export interface SpliceAddon {
  /** Limits are counts; 0 = as many as there are descriptors. `idleMs` ends a udp flow. */
  forwarderStart(
    netns: string | undefined,
    connections: number,
    connectionsEach: number,
    idleMs: number,
  ): ForwarderHandle;
  /**
   * Forwards `count` ports whose sockets are every `stride`th of a parked batch from `skip` on, to the target's ports
   * from `port` on. The batch stays the caller's, who keeps it open for as long. `protocol` is IANA's number, `address`
   * 4 or 16 bytes.
   */
  forwarderAdd(
    handle: ForwarderHandle,
    id: number,
    batch: number,
    skip: number,
    stride: number,
    count: number,
    protocol: number,
    address: Uint8Array,
    port: number,
  ): void;
  /**
   * [id, first, count, …]: ends these of the ports, counted from 0. When it returns, their connections are gone.
   * Unknown ones are none of its business.
   */
  forwarderRemove(handle: ForwarderHandle, rows: readonly number[]): void;
  /** The sockets of these ports lie in another batch from now on. */
  forwarderRepark(
    handle: ForwarderHandle,
    id: number,
    first: number,
    count: number,
    batch: number,
    skip: number,
    stride: number,
  ): void;
  forwarderCounters(handle: ForwarderHandle): ForwarderCounters;
  forwarderStop(handle: ForwarderHandle): void;

  /**
   * Fills at most `sizes.length` (≤ 64) equal slots of `slab` and their sizes (-1: did not fit) and peers (32 bytes
   * each; undefined for a connected socket). Answers how many; 0 when nothing waits.
   */
  datagramsReceive(fd: number, slab: Uint8Array, sizes: Int32Array, peers: Uint8Array | undefined): number;
  /** Sends the first `count` slots, without those of size 0 or less. What there is no room for is lost. */
  datagramsSend(
    fd: number,
    slab: Uint8Array,
    sizes: Int32Array,
    peers: Uint8Array | undefined,
    count: number,
  ): number;
  /** Replies that a socket gives by itself, freed when nobody holds them any more. */
  repliesCreate(): RepliesHandle;
  /**
   * The reply to a datagram, of which the first two bytes are the asker's own and repeated. `count` parts of `size`
   * bytes, from `from` on, change places at random each time. Those of another version are forgotten, and so are all
   * when they become many; long questions and replies are not kept.
   */
  repliesPut(
    replies: RepliesHandle,
    version: number,
    question: Uint8Array,
    reply: Uint8Array,
    from: number,
    size: number,
    count: number,
  ): void;
  repliesClear(replies: RepliesHandle): void;
  /**
   * Receives a batch as `datagramsReceive` does and answers what there are replies of that version for; their slots
   * get size 0. Answers how many came, or 0 when nothing is left to answer.
   */
  datagramsAnswer(
    fd: number,
    replies: RepliesHandle,
    version: number,
    slab: Uint8Array,
    sizes: Int32Array,
    peers: Uint8Array,
  ): number;
  /** Of a stream socket it only begins. `scope` is a link's index, for link-local IPv6 addresses; else 0. */
  socketConnect(fd: number, address: Uint8Array, port: number, scope: number): void;
}

/** Bytes per peer in the batches. */
export const peerSize = 32;

/** The same addon as `addon()`, with what is forwarded. */
export function spliceAddon(): SpliceAddon {
  return addon() as unknown as SpliceAddon;
}
