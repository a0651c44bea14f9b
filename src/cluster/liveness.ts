// Which nodes show signs of life, as this host knows it, and who wants to hear of changes.

import type { Replica } from "./replica.ts";
import { aliveTable } from "./reserved.ts";

/** Follows a replica for as long as that lives. */
export class Liveness {
  readonly #replica: Replica;
  readonly #listeners = new Set<() => void>();

  constructor(replica: Replica) {
    this.#replica = replica;
    replica.copy(aliveTable).follow((changes) => {
      // a record that is written again is of one that was alive
      if (changes.some((change) => change.kind === "delete" || !change.before)) this.tell();
    });
  }

  isAlive(nodeId: string): boolean {
    return this.#replica.copy(aliveTable).get(nodeId) !== undefined;
  }

  /** Answers how to stop listening. */
  follow(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Something else has changed by which nodes are judged: whether the store answers, say. */
  tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
