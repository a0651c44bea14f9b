// What a host does while the store does not answer it: asks the members at their join ports whether it still belongs, and
// where they are now. A host that was removed is refused by the store, and could not tell that from a store that is away.

import { setTimeout as wait } from "node:timers/promises";
import { errorKind, errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { MemberAddress } from "./identity.ts";
import type { LookAnswer } from "./wire.ts";

export interface LookoutOptions {
  /** @throws forbidden when the host was removed */
  readonly ask: () => Promise<LookAnswer>;
  readonly isInTouch: () => boolean;
  readonly onMembers: (members: readonly MemberAddress[]) => Promise<void>;
  readonly onRemoved: (message: string) => void;
  readonly log: Log;
  /** Resolves after so long, rejects when the signal comes first. Default: by the machine's clock. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const firstMs = 2_000;
const longestMs = 30_000;
const machineSleep = (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal, ref: false });

/** Owns its loop. */
export class Lookout {
  readonly #options: LookoutOptions;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;

  constructor(options: LookoutOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { sleep = machineSleep } = this.#options;
    for (let pauseMs = firstMs; !signal.aborted; ) {
      await sleep(pauseMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const isInTouch = this.#options.isInTouch();
      pauseMs = isInTouch ? firstMs : Math.min(pauseMs * 2, longestMs);
      if (!isInTouch) await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { ask, onMembers, onRemoved, log } = this.#options;
    try {
      const { members } = await ask();
      if (!this.#stopping.signal.aborted && members.length > 0) await onMembers(members);
    } catch (error) {
      if (errorKind(error) === "forbidden") onRemoved(errorMessage(error));
      else log.debug({ reason: errorMessage(error) }, "no member answers at its join port");
    }
  }
}
