// Whether who shows signs of life under this host's id is this host. Each life of a daemon has a token; those it had are on
// its disk, so that a daemon that is started again knows its own last record, and a host whose disk was copied, twin id
// and all, knows that the other's is none of its own.

import { randomBytes } from "node:crypto";
import type { Collection, Store } from "../store/types.ts";

interface KeptLives {
  readonly lives: readonly string[];
}

/** A start that failed before it was announced leaves a token that nobody saw. */
const mostKept = 8;

/** Owns the tokens of one cluster. Without a store nothing is known of earlier lives, and nobody is taken for a twin. */
export class Lives {
  readonly own = randomBytes(8).toString("hex");
  readonly #clusterId: string;
  readonly #kept: Collection<KeptLives> | undefined;
  #earlier: readonly string[];
  #isKept = false;

  constructor(store: Store | undefined, clusterId: string) {
    this.#clusterId = clusterId;
    this.#kept = store?.collection("cluster-lives");
    this.#earlier = this.#kept?.get(clusterId)?.lives ?? [];
  }

  /** Whether a record is this host's, of this life or an earlier one. One without a token was written before there were any. */
  isOwn(life: string | undefined): boolean {
    return !this.#kept || life === undefined || life === this.own || this.#earlier.includes(life);
  }

  /** An earlier life's token whose bearer lives: the disk was copied meanwhile. */
  disown(life: string): void {
    this.#earlier = this.#earlier.filter((one) => one !== life);
    this.#isKept = false;
  }

  /** Before this life is announced. */
  async keep(): Promise<void> {
    if (this.#isKept || !this.#kept) return;
    await this.#kept.put(this.#clusterId, { lives: [...this.#earlier, this.own].slice(-mostKept) });
    this.#isKept = true;
  }
}
