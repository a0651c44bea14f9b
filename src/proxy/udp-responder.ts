// Answers datagrams on one socket, a batch at a time.

import {
  type DatagramBatch,
  datagramIn,
  onReadable,
  peerOf,
  putDatagram,
  receiveDatagrams,
  sendDatagram,
  sendDatagrams,
} from "../kernel/datagrams.ts";
import { closeFd } from "../kernel/socket.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { Reply } from "./responder.ts";

/** Owns the socket. */
export class UdpResponder {
  readonly #fd: number;
  readonly #reply: (question: Buffer) => Reply;
  readonly #batch: DatagramBatch;
  readonly #log: Log;
  readonly #stopReading: () => void;
  #isOpen = true;

  /** `reply` gets bytes that are valid only until it returns. All sockets may share one `batch`. */
  constructor(
    fd: number,
    reply: (question: Buffer) => Reply,
    { batch, log }: { readonly batch: DatagramBatch; readonly log: Log },
  ) {
    this.#fd = fd;
    this.#reply = reply;
    this.#batch = batch;
    this.#log = log;
    this.#stopReading = onReadable(fd, () => this.#receive());
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#stopReading();
    closeFd(this.#fd);
  }

  /** One batch a turn of the event loop: nobody's flood keeps the others waiting for more than that. */
  #receive(): void {
    const batch = this.#batch;
    try {
      const count = receiveDatagrams(this.#fd, batch);
      for (let slot = 0; slot < count; slot++) this.#answer(batch, slot);
      if (count > 0) sendDatagrams(this.#fd, batch, count);
    } catch (error) {
      this.#log.warn({ reason: errorMessage(error) }, "a batch of questions was lost");
    }
  }

  #answer(batch: DatagramBatch, slot: number): void {
    const question = datagramIn(batch, slot);
    const reply = question && this.#reply(question);
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
    if (bytes && this.#isOpen) sendDatagram(this.#fd, bytes, peer);
  }
}
