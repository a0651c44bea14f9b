// Replies that a datagram socket gives by itself: what has been asked before is answered in the addon.

import { type RepliesHandle, spliceAddon } from "../../native/splice.ts";
import type { DatagramBatch } from "./datagrams.ts";
import { sayingNow } from "./errors.ts";

/** Parts of a reply, of equal size and one after the other, that change places each time it is given. */
export interface MovingParts {
  /** Offset of the first. */
  readonly from: number;
  readonly size: number;
  readonly count: number;
}

/** Of one socket, by the bytes of the question; the first two, the asker's id, are repeated in the reply. */
export class PreparedReplies {
  readonly #handle: RepliesHandle = spliceAddon().repliesCreate();

  /** Forgets those of other versions. Long questions and replies are not kept, and not many of the short ones. */
  put(version: number, question: Uint8Array, reply: Uint8Array, { from, size, count }: MovingParts): void {
    spliceAddon().repliesPut(this.#handle, version, question, reply, from, size, count);
  }

  clear(): void {
    spliceAddon().repliesClear(this.#handle);
  }

  /**
   * Fills the batch and answers what it can, whose slots get size 0. How many slots there are to look at: 0 when
   * everything is answered. Throws KernelError.
   */
  answer(version: number, fd: number, batch: DatagramBatch): number {
    return sayingNow("answer datagrams", () =>
      spliceAddon().datagramsAnswer(fd, this.#handle, version, batch.slab, batch.sizes, batch.peers),
    );
  }
}
