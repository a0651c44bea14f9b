// The store of a fake cluster: records, their revisions, and what happened to them.

import { decodeRecord } from "../store/codec.ts";
import { type Changeset, findBroken, type Outcome, recordPath } from "./changeset.ts";
import type { RecordEvent, StoredRecord } from "./replica.ts";

interface Stored {
  readonly table: string;
  readonly key: string;
  readonly text: string;
  readonly revision: number;
}

export interface Moment {
  readonly revision: number;
  readonly events: readonly { readonly table: string; readonly key: string; readonly text?: string }[];
}

/** Records, and what happened to them since the last compaction. */
export class FakeStore {
  readonly #records = new Map<string, Stored>();
  readonly #subscribers = new Set<() => void>();
  #history: Moment[] = [];
  #compacted = 1;
  #revision = 1;

  get revision(): number {
    return this.#revision;
  }

  has(table: string, key: string): boolean {
    return this.#records.has(recordPath({ table, key }));
  }

  records(): StoredRecord[] {
    return [...this.#records.values()].map(({ text, ...rest }) => ({ ...rest, value: decodeRecord(text) }));
  }

  /** Undefined when some of it is forgotten. */
  since(revision: number): readonly Moment[] | undefined {
    if (revision < this.#compacted) return undefined;
    return this.#history.filter((moment) => moment.revision > revision);
  }

  compact(): void {
    this.#history = [];
    this.#compacted = this.#revision;
  }

  subscribe(listener: () => void): () => void {
    this.#subscribers.add(listener);
    return () => void this.#subscribers.delete(listener);
  }

  commit({ conditions, writes }: Changeset): Outcome {
    const found = conditions.map(({ table, key }) => {
      return { table, key, revision: this.#records.get(recordPath({ table, key }))?.revision ?? 0 };
    });
    if (findBroken(conditions, found)) return { kind: "refused", revision: this.#revision, found };
    this.write(writes);
    return { kind: "done", revision: this.#revision };
  }

  write(writes: Changeset["writes"]): void {
    const effective = writes.filter(({ table, key, text }) => text !== undefined || this.has(table, key));
    if (effective.length === 0) return;
    const revision = ++this.#revision;
    const events = effective.map(({ table, key, text }) => {
      if (text === undefined) this.#records.delete(recordPath({ table, key }));
      else this.#records.set(recordPath({ table, key }), { table, key, text, revision });
      return { table, key, ...(text !== undefined && { text }) };
    });
    this.#history.push({ revision, events });
    for (const listener of this.#subscribers) listener();
  }
}

export function toEvent({ table, key, text }: Moment["events"][number]): RecordEvent {
  return { table, key, value: text === undefined ? undefined : decodeRecord(text) };
}
