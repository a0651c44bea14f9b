// This host's copy of what the hosts share: applied revision by revision, read synchronously, and told to followers.
// Where the records come from (a watch, a first read, a file) is no concern of it.

import { errorMessage } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import type { RecordName } from "./changeset.ts";
import { SortedKeys } from "./sorted-keys.ts";
import type { Change, Entry } from "./types.ts";

/** A record at a revision. */
export interface StoredRecord extends RecordName {
  readonly value: unknown;
  readonly revision: number;
}

/** What one revision did to a record; `value` undefined: deleted. */
export interface RecordEvent extends RecordName {
  readonly value: unknown;
}

export type TableChange = RecordName & { readonly change: Change<unknown> };
type Listener<T> = (changes: readonly Change<T>[]) => void;

interface Waiter {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
}

/** Copies of all tables at one revision. */
export class Replica {
  readonly #log: Log;
  readonly #copies = new Map<string, TableCopy<unknown>>();
  readonly #listeners = new Set<(changes: readonly TableChange[]) => void>();
  #waiters: Waiter[] = [];
  #revision = 0;

  constructor(log: Log = silentLog) {
    this.#log = log;
  }

  get revision(): number {
    return this.#revision;
  }

  /** A table's copy; empty if nothing was ever in it. */
  copy<T>(table: string): TableCopy<T> {
    let found = this.#copies.get(table);
    if (!found) {
      found = new TableCopy(table);
      this.#copies.set(table, found);
    }
    return found as TableCopy<unknown> as TableCopy<T>;
  }

  /** Every record of every table. */
  *records(): Iterable<StoredRecord> {
    for (const [table, copy] of this.#copies)
      for (const { key, value, revision } of copy.entries()) yield { table, key, value, revision };
  }

  /** What happened at `revision`; a revision that was here before changes nothing. */
  apply(revision: number, events: readonly RecordEvent[]): void {
    if (revision <= this.#revision) return;
    const changes = events.flatMap(({ table, key, value }) => this.#write({ table, key, value, revision }));
    this.#settle(revision, changes);
  }

  /** The whole of the store at `revision`; followers are told how it differs from the copy, deletions first. */
  reset(revision: number, records: readonly StoredRecord[]): void {
    const kept = new Map<string, Set<string>>();
    for (const { table, key } of records) kept.set(table, (kept.get(table) ?? new Set()).add(key));
    const gone = [...this.records()].filter(({ table, key }) => !kept.get(table)?.has(key));
    const fresh = records
      .filter(({ table, key, revision: at }) => this.#copies.get(table)?.get(key)?.revision !== at)
      .sort((a, b) => a.revision - b.revision);
    const deletions = gone.flatMap(({ table, key }) =>
      this.#write({ table, key, value: undefined, revision }),
    );
    this.#settle(revision, [...deletions, ...fresh.flatMap((record) => this.#write(record))]);
  }

  /** Nothing of ours happened up to `revision`. */
  advance(revision: number): void {
    if (revision > this.#revision) this.#settle(revision, []);
  }

  /** Resolves when `isMet` holds after some change; false when `timeoutMs` passed before. */
  async until(isMet: () => boolean, timeoutMs: number): Promise<boolean> {
    if (isMet()) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { isMet, resolve: () => resolve(true) };
    this.#waiters.push(waiter);
    const timer = setTimeout(() => {
      this.#waiters = this.#waiters.filter((one) => one !== waiter);
      resolve(false);
    }, timeoutMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tells of the changes of all tables, before their own followers hear of them. */
  followAll(listener: (changes: readonly TableChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #write({ table, key, value, revision }: StoredRecord): TableChange[] {
    const change = this.copy(table).write(key, value === undefined ? undefined : { key, value, revision });
    return change ? [{ table, key, change }] : [];
  }

  /** All tables are as they were at `revision` before anybody hears of it. */
  #settle(revision: number, changes: readonly TableChange[]): void {
    this.#revision = revision;
    if (changes.length > 0) {
      for (const listener of [...this.#listeners]) this.#tell(() => listener(changes), "all tables");
      for (const [table, own] of Map.groupBy(changes, (one) => one.table))
        for (const call of this.copy(table).calls(own.map(({ change }) => change))) this.#tell(call, table);
    }
    const met = this.#waiters.filter(({ isMet }) => isMet());
    this.#waiters = this.#waiters.filter((waiter) => !met.includes(waiter));
    for (const { resolve } of met) resolve();
  }

  #tell(call: () => void, table: string): void {
    try {
      call();
    } catch (error) {
      this.#log.error({ table, reason: errorMessage(error) }, "a follower of shared records failed");
    }
  }
}

/** One table's records, in the order of their keys. */
export class TableCopy<T> {
  readonly name: string;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #keys = new SortedKeys();
  readonly #followers = new Map<object, { listener: Listener<T>; prefix: string }>();

  constructor(name: string) {
    this.name = name;
  }

  get(key: string): Entry<T> | undefined {
    return this.#entries.get(key);
  }

  /** As they are now; later changes do not show in it. */
  entries(prefix = ""): Entry<T>[] {
    return this.#keys.startingWith(prefix).flatMap((key) => this.#entries.get(key) ?? []);
  }

  follow(listener: Listener<T>, prefix = ""): () => void {
    const token = {};
    this.#followers.set(token, { listener, prefix });
    return () => void this.#followers.delete(token);
  }

  /** For the replica alone. Undefined when nothing changed. */
  write(key: string, after: Entry<T> | undefined): Change<T> | undefined {
    const before = this.#entries.get(key);
    if (after) {
      this.#entries.set(key, after);
      if (!before) this.#keys.add(key);
      return { kind: "put", entry: after, before };
    }
    if (!before) return undefined;
    this.#entries.delete(key);
    this.#keys.delete(key);
    return { kind: "delete", before };
  }

  /** For the replica alone: one call for each follower whom some of the changes concern. */
  calls(changes: readonly Change<T>[]): (() => void)[] {
    return [...this.#followers].flatMap(([token, { listener, prefix }]) => {
      const own = changes.filter((change) => changedKey(change).startsWith(prefix));
      return own.length === 0 ? [] : [() => this.#followers.has(token) && listener(own)];
    });
  }
}

function changedKey(change: Change<unknown>): string {
  return change.kind === "put" ? change.entry.key : change.before.key;
}
