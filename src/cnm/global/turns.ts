// Work about one thing, one after the other; about different things side by side.

import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";

/** Knows by network what is under way. */
export class Turns {
  readonly #log: Log;
  readonly #last = new Map<string, Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Does it after what is under way for the network; what fails is logged. */
  take(networkId: string, what: string, work: () => Promise<void>): void {
    const before = this.#last.get(networkId) ?? Promise.resolve();
    const turn = before.then(work).catch((error: unknown) => {
      this.#log.error({ network: networkId, reason: errorMessage(error) }, `cannot ${what}`);
    });
    this.#last.set(networkId, turn);
    void turn.finally(() => {
      if (this.#last.get(networkId) === turn) this.#last.delete(networkId);
    });
  }

  /** Resolves when all is done that was to be done for a network. */
  async settled(networkId: string): Promise<void> {
    await this.#last.get(networkId);
  }

  async allSettled(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}
