// Pulls lines and byte counts out of a socket; what was read too far stays for the next caller.

import type { Socket } from "node:net";

const empty = Buffer.alloc(0);

/** Owns the reading side of a socket until `release`. */
export class SocketReader {
  readonly #socket: Socket;
  #buffer: Buffer = empty;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onEnd);
    socket.on("error", this.#onError);
  }

  /** A line without its end. Throws "unexpected EOF" when the stream ends inside it. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf(10);
      if (end >= 0) {
        const line = this.#buffer.toString("latin1", 0, end);
        this.#buffer = this.#buffer.subarray(end + 1);
        return line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      if (!(await this.#more())) throw this.#error ?? new Error("unexpected EOF");
    }
  }

  /** Exactly `count` bytes, in pieces. */
  async *take(count: number): AsyncGenerator<Buffer, void> {
    for (let left = count; left > 0; ) {
      if (this.#buffer.length === 0 && !(await this.#more()))
        throw this.#error ?? new Error("unexpected EOF");
      const piece = this.#buffer.subarray(0, left);
      this.#buffer = this.#buffer.subarray(piece.length);
      left -= piece.length;
      if (piece.length > 0) yield piece;
    }
  }

  /** All that comes, up to the end of the stream. */
  async *untilEnd(): AsyncGenerator<Buffer, void> {
    for (;;) {
      if (this.#buffer.length > 0) {
        const piece = this.#buffer;
        this.#buffer = empty;
        yield piece;
      } else if (!(await this.#more())) {
        if (this.#error) throw this.#error;
        return;
      }
    }
  }

  /** Gives the socket up to another reader, with what was read already. */
  release(): Buffer {
    this.#socket.off("data", this.#onData);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("close", this.#onEnd);
    this.#socket.off("error", this.#onError);
    const rest = this.#buffer;
    this.#buffer = empty;
    return rest;
  }

  /** Waits for more bytes; false at the end of the stream. */
  async #more(): Promise<boolean> {
    const before = this.#buffer.length;
    while (this.#buffer.length === before) {
      if (this.#ended) return false;
      this.#socket.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return true;
  }

  #onData = (data: Buffer) => {
    this.#buffer = this.#buffer.length === 0 ? data : Buffer.concat([this.#buffer, data]);
    this.#socket.pause();
    this.#wake?.();
  };

  #onEnd = () => {
    this.#ended = true;
    this.#wake?.();
  };

  #onError = (error: Error) => {
    this.#error = error;
    this.#onEnd();
  };
}
