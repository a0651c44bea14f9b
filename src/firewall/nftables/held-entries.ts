// Which entries the kernel has. Some of them share an element: it goes with the last.

import type { Entry } from "./entry.ts";

/** Owned by a back end. */
export class HeldEntries {
  readonly #entries = new Map<string, Entry>();
  /** How many entries share an element. */
  readonly #holders = new Map<string, number>();

  has({ id }: Entry): boolean {
    return this.#entries.has(id);
  }

  /** Whether an entry that is here needs the element too. */
  isShared({ sharedAs }: Entry): boolean {
    return sharedAs !== undefined && this.#holders.has(sharedAs);
  }

  /** These, and no others. */
  replace(entries: Iterable<Entry>): void {
    this.#entries.clear();
    this.#holders.clear();
    this.#add(entries);
  }

  /** Answers what takes it back. */
  change(going: readonly Entry[], coming: readonly Entry[]): () => void {
    this.#remove(going);
    this.#add(coming);
    return () => {
      this.#remove(coming);
      this.#add(going);
    };
  }

  #add(entries: Iterable<Entry>): void {
    for (const entry of entries) {
      this.#entries.set(entry.id, entry);
      this.#count(entry, 1);
    }
  }

  #remove(entries: Iterable<Entry>): void {
    for (const entry of entries) {
      this.#entries.delete(entry.id);
      this.#count(entry, -1);
    }
  }

  #count({ sharedAs }: Entry, change: 1 | -1): void {
    if (sharedAs === undefined) return;
    const left = (this.#holders.get(sharedAs) ?? 0) + change;
    if (left > 0) this.#holders.set(sharedAs, left);
    else this.#holders.delete(sharedAs);
  }
}
