// The writing end of a process's standard input. It can only be opened once the shim reads; data written before waits.

import { constants, open as openCallback } from "node:fs";
import { Socket } from "node:net";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { hasCode } from "../util/errors.ts";

const openFile = promisify(openCallback);
const openRetries = 100;

/** Owned by the process's streams. Ending it closes the process's input. */
export class StdinPipe extends Writable {
  readonly #path: string;
  readonly #closeInput: () => Promise<void>;
  #socket: Socket | undefined;
  #connect: ((error?: Error | null) => void) | undefined;
  #abandoned = false;

  /** `closeInput` is told once our end is closed. */
  constructor(path: string, closeInput: () => Promise<void>) {
    super({ decodeStrings: true });
    this.#path = path;
    this.#closeInput = closeInput;
    // The process may end before it read everything: that is its right and no error of the daemon's.
    this.on("error", () => undefined);
  }

  /** Opens the FIFO: to be called when the process has been created, so that a reader is there. */
  async connect(): Promise<void> {
    try {
      const fd = await openForWriting(this.#path);
      this.#socket = new Socket({ fd, readable: false, writable: true });
      this.#socket.on("error", (error) => this.destroy(error));
      this.#connect?.();
    } catch (error) {
      this.#connect?.(error instanceof Error ? error : new Error(String(error)));
    }
    this.#connect = undefined;
  }

  override _construct(connected: (error?: Error | null) => void): void {
    if (this.#socket || this.#abandoned) connected();
    else this.#connect = connected;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#socket?.writable) this.#socket.write(chunk, done);
    else done(new Error("write to standard input: the process has closed it"));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket?.destroy();
    this.#closeInput().then(
      () => done(),
      () => done(),
    );
  }

  // A stream under construction is destroyed only when its construction ends.
  override destroy(error?: Error): this {
    this.#abandoned = true;
    this.#connect?.();
    this.#connect = undefined;
    return super.destroy(error);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket?.destroy();
    done(error);
  }
}

/** Without a reader the open fails with ENXIO: the shim may take a moment. */
async function openForWriting(path: string): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await openFile(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (!hasCode(error, "ENXIO") || attempt >= openRetries) throw error;
      await sleep(10);
    }
  }
}
