// Answers datagrams on one socket, a batch at a time.

import {
  type DatagramBatch,
  datagramIn,
  onReadable,
  peerOf,
  putDatagram,
  sendDatagram,
  sendDatagrams,
} from "../kernel/datagrams.ts";
import type { PreparedReplies } from "../kernel/prepared-replies.ts";
import { closeFd } from "../kernel/socket.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { Outbox } from "./outbox.ts";
import type { Reply } from "./responder.ts";

/** What all sockets of a process share. */
export interface Batches {
  readonly batch: DatagramBatch;
  /** For a socket whose questions take long: the others come sooner. */
  readonly smallBatch: DatagramBatch;
  /** For what is sent later. */
  readonly outgoing: DatagramBatch;
  /** A clock in ms. */
  readonly now: () => number;
  readonly log: Log;
}

/** Who answers. */
export interface UdpAnswerer {
  /** What was asked before, of this version. */
  readonly prepared: PreparedReplies;
  readonly version: number;
  /** The rest. Gets bytes that are valid only until it returns. */
  reply(question: Buffer): Reply;
}

/** How long one socket may keep the others waiting, about, ms. */
const longTurnMs = 1;

/** Owns the socket. */
export class UdpResponder {
  readonly #fd: number;
  readonly #answerer: UdpAnswerer;
  readonly #shared: Batches;
  readonly #outbox: Outbox;
  readonly #stopReading: () => void;
  #isSlow = false;
  #isOpen = true;

  constructor(fd: number, answerer: UdpAnswerer, shared: Batches) {
    this.#fd = fd;
    this.#answerer = answerer;
    this.#shared = shared;
    this.#outbox = new Outbox(fd, shared.outgoing);
    this.#stopReading = onReadable(fd, () => this.#receive());
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stopReading();
    this.#outbox.flush();
    closeFd(this.#fd);
  }

  /** One batch a turn of the event loop: nobody's flood keeps the others waiting for more than that. */
  #receive(): void {
    const { batch: large, smallBatch, now, log } = this.#shared;
    const batch = this.#isSlow ? smallBatch : large;
    const sinceMs = now();
    try {
      const { prepared, version } = this.#answerer;
      const count = prepared.answer(version, this.#fd, batch);
      for (let slot = 0; slot < count; slot++) this.#answer(batch, slot);
      if (count > 0) sendDatagrams(this.#fd, batch, count);
      const perSlotMs = (now() - sinceMs) / Math.max(1, count);
      this.#isSlow = perSlotMs * large.sizes.length > longTurnMs;
    } catch (error) {
      log.warn({ reason: errorMessage(error) }, "a batch of questions was lost");
    }
  }

  #answer(batch: DatagramBatch, slot: number): void {
    const question = datagramIn(batch, slot);
    if (question?.length === 0) return; // answered, or nothing asked
    const reply = question && this.#answerer.reply(question);
    if (reply instanceof Promise) {
      putDatagram(batch, slot, undefined);
      void this.#answerLater(reply, peerOf(batch, slot));
    } else if (reply && reply.length > batch.slotSize) {
      putDatagram(batch, slot, undefined);
      sendDatagram(this.#fd, reply, peerOf(batch, slot));
    } else {
      putDatagram(batch, slot, reply);
    }
  }

  async #answerLater(reply: Promise<Buffer | undefined>, peer: Buffer): Promise<void> {
    const bytes = await reply;
    if (bytes && this.#isOpen) this.#outbox.put(bytes, peer);
  }
}
