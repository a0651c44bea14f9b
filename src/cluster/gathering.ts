// Writes that nobody waits for go together: a transaction costs each member of the store a round and a write to its disk,
// whatever is in it.

import { setTimeout as sleep } from "node:timers/promises";
import { maxTransactionSize, type Outcome, type Write } from "./changeset.ts";

/** Without conditions, so that nothing refuses one because of another. */
export type AgreeOnWrites = (writes: readonly Write[]) => Promise<Outcome>;

/** What was written of what somebody asked for. */
export interface Written {
  readonly writes: readonly Write[];
  /** Undefined: there was nothing to write. */
  readonly outcome: Outcome | undefined;
}

interface Asked {
  readonly collect: () => readonly Write[];
  readonly written: PromiseWithResolvers<Written>;
}

/** Gathers what one host writes. */
export class Gathering {
  readonly #agree: AgreeOnWrites;
  readonly #gatherMs: number;
  #asked: Asked[] = [];

  constructor(agree: AgreeOnWrites, gatherMs: number) {
    this.#agree = agree;
    this.#gatherMs = gatherMs;
  }

  /**
   * Asks the store when the moment is over that began with the first who asked. `collect` tells then what is to be written:
   * no more than one transaction takes. Fails as the transaction does that it goes with.
   */
  write(collect: () => readonly Write[]): Promise<Written> {
    const written = Promise.withResolvers<Written>();
    if (this.#asked.push({ collect, written }) === 1) void sleep(this.#gatherMs).then(() => this.#send());
    return written.promise;
  }

  #send(): void {
    const asked = this.#asked;
    this.#asked = [];
    let together: (Pick<Asked, "written"> & Pick<Written, "writes">)[] = [];
    let size = 0;
    for (const { collect, written } of asked) {
      const writes = tryTo(collect, written.reject);
      if (!writes) continue;
      if (size + writes.length > maxTransactionSize) {
        this.#transact(together);
        together = [];
        size = 0;
      }
      together.push({ written, writes });
      size += writes.length;
    }
    this.#transact(together);
  }

  #transact(together: readonly (Pick<Asked, "written"> & Pick<Written, "writes">)[]): void {
    const all = together.flatMap(({ writes }) => writes);
    const outcome = all.length === 0 ? Promise.resolve(undefined) : this.#agree(all);
    outcome.then(
      (reached) => {
        for (const { written, writes } of together) written.resolve({ writes, outcome: reached });
      },
      (error) => {
        for (const { written } of together) written.reject(error);
      },
    );
  }
}

function tryTo<T>(work: () => T, fail: (error: unknown) => void): T | undefined {
  try {
    return work();
  } catch (error) {
    fail(error);
    return undefined;
  }
}
