// Datagrams on their way out of one socket: what comes together in a turn of the event loop goes in few calls.

import {
  type DatagramBatch,
  putDatagram,
  putPeer,
  sendDatagram,
  sendDatagrams,
} from "../kernel/datagrams.ts";

interface Letter {
  readonly bytes: Buffer;
  /** Undefined: the socket is connected. */
  readonly peer: Buffer | undefined;
}

/** Of one socket, which it does not own. */
export class Outbox {
  readonly #fd: number;
  readonly #batch: DatagramBatch;
  #letters: Letter[] = [];
  #turn: NodeJS.Immediate | undefined;

  /** `batch` may be shared with other outboxes, but not with who reads: it is used while what came is dealt with. */
  constructor(fd: number, batch: DatagramBatch) {
    this.#fd = fd;
    this.#batch = batch;
  }

  /** Sends before the event loop waits again. All letters of an outbox have a peer, or none has. */
  put(bytes: Buffer, peer?: Buffer): void {
    this.#letters.push({ bytes, peer });
    this.#turn ??= setImmediate(() => this.flush());
  }

  /** Sends at once; the last thing to do before the socket is closed. */
  flush(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    const letters = this.#letters;
    this.#letters = [];
    const slots = this.#batch.sizes.length;
    for (let at = 0; at < letters.length; at += slots) this.#send(letters.slice(at, at + slots));
  }

  #send(letters: readonly Letter[]): void {
    const batch = this.#batch;
    for (const [slot, { bytes, peer }] of letters.entries()) {
      if (peer) putPeer(batch, slot, peer);
      putDatagram(batch, slot, bytes);
      if (bytes.length > batch.slotSize) sendDatagram(this.#fd, bytes, peer);
    }
    sendDatagrams(this.#fd, batch, letters.length, letters[0]?.peer === undefined);
  }
}
