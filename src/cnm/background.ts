// Work that follows its answer: the kernel takes tens of milliseconds to delete a link, and nobody needs to wait for it.

import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

/** Runs work that nobody waits for, logs its failures, and knows when all of it is done. */
export class Background {
  readonly #running = new Set<Promise<void>>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  run(label: string, work: () => Promise<unknown>): void {
    const running = this.#guard(label, work).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing runs, what was started meanwhile included. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #guard(label: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.warn({ step: label, reason: errorMessage(error) }, "background step failed");
    }
  }
}
