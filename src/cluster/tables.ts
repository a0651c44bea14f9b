// Tables that are read from this host's copy and written by agreement. How hosts agree is handed in, so that the fake and
// the real cluster differ in nothing else.

import { decodeRecord } from "../store/codec.ts";
import { unavailable } from "../util/errors.ts";
import {
  type Changeset,
  type Condition,
  checkTableName,
  collectChanges,
  type Outcome,
  type RecordName,
  refusal,
} from "./changeset.ts";
import { Gathering } from "./gathering.ts";
import { HostRecords, type OwnRecordsOf } from "./own-records.ts";
import type { Replica, TableCopy } from "./replica.ts";
import type { Change, Entry, OwnRecords, SharedTable, SharedTransaction } from "./types.ts";

/** Asks the store. @throws unavailable: whether the writes happened is then unknown */
export type Agree = (changes: Changeset) => Promise<Outcome>;

/** How long a write that the store has waits to be seen here. */
const arrivalMs = 10_000;
/** In it a container that comes or goes tells all that it has to: where it is, and what it is called. */
const gatherMs = 12;

/** The tables of one host. */
export class SharedTables {
  readonly #replica: Replica;
  readonly #agree: Agree;
  readonly #gathering: Gathering;
  readonly #tables = new Map<string, SharedTable<unknown>>();

  constructor(replica: Replica, agree: Agree) {
    this.#replica = replica;
    this.#agree = agree;
    this.#gathering = new Gathering((writes) => agree({ conditions: [], writes }), gatherMs);
  }

  /** The same table for the same name. */
  table<T>(name: string): SharedTable<T> {
    let found = this.#tables.get(name);
    if (!found) {
      found = new ReplicatedTable(this.#replica.copy<unknown>(checkTableName(name)), this);
      this.#tables.set(name, found);
    }
    return found as SharedTable<unknown> as SharedTable<T>;
  }

  /** Resolves when this host's copy has the writes. @throws conflict; unavailable; invalid */
  async commit(change: (transaction: SharedTransaction) => void): Promise<void> {
    await this.submit(collectChanges(change));
  }

  /** As `commit`; resolves with the writes' revision. */
  async submit(changes: Changeset): Promise<number> {
    if (changes.conditions.length + changes.writes.length === 0) return this.#replica.revision;
    const outcome = await this.#agree(changes);
    if (outcome.kind === "done") {
      await this.#arrival(() => this.#hasArrived(changes.writes, outcome.revision));
      return outcome.revision;
    }
    // Whoever tries again after a conflict must not read what made it fail.
    await this.#arrival(() => outcome.found.every((one) => this.#isKnown(one, outcome.revision)));
    throw refusal(changes.conditions, outcome.found);
  }

  /** See `ClusterAccess`. */
  ownRecords<T extends { readonly node: string }>(table: string, of: OwnRecordsOf<T>): OwnRecords<T> {
    return new HostRecords({
      ...of,
      table: this.table<T>(table),
      gather: (change) => this.#gather(change),
    });
  }

  /**
   * As `commit`, a moment later and together with what else this host has to write then. `change` is asked when it goes,
   * and sets no conditions.
   */
  async #gather(change: (transaction: SharedTransaction) => void): Promise<void> {
    const { writes, outcome } = await this.#gathering.write(() => collectChanges(change).writes);
    if (outcome) await this.#arrival(() => this.#hasArrived(writes, outcome.revision));
  }

  #hasArrived(writes: Changeset["writes"], revision: number): boolean {
    if (this.#replica.revision >= revision || writes.length === 0) return true;
    // Deleting what was gone already makes no revision of its own, so that none arrives.
    return writes.every((write) => write.text === undefined && this.#isGone(write, revision));
  }

  #isKnown(found: Condition, revision: number): boolean {
    return found.revision === 0 ? this.#isGone(found, revision) : this.#replica.revision >= found.revision;
  }

  /** Whether the copy has nothing older than `revision`, where the store had no such record. */
  #isGone({ table, key }: RecordName, revision: number): boolean {
    return (this.#replica.copy(table).get(key)?.revision ?? Number.POSITIVE_INFINITY) > revision;
  }

  async #arrival(isMet: () => boolean): Promise<void> {
    if (await this.#replica.until(isMet, arrivalMs)) return;
    throw unavailable(
      "wait for a write to come back from the store: it is on record there, but not here yet",
    );
  }
}

class ReplicatedTable<T> implements SharedTable<T> {
  readonly #copy: TableCopy<T>;
  readonly #tables: SharedTables;

  constructor(copy: TableCopy<T>, tables: SharedTables) {
    this.#copy = copy;
    this.#tables = tables;
  }

  get name(): string {
    return this.#copy.name;
  }

  get(key: string): Entry<T> | undefined {
    return this.#copy.get(key);
  }

  entries(prefix?: string): Iterable<Entry<T>> {
    return this.#copy.entries(prefix);
  }

  create(key: string, value: T): Promise<Entry<T>> {
    return this.#write(key, (transaction) => transaction.create(this, key, value));
  }

  replace(entry: Entry<T>, value: T): Promise<Entry<T>> {
    return this.#write(entry.key, (transaction) => transaction.replace(this, entry, value));
  }

  put(key: string, value: T): Promise<Entry<T>> {
    return this.#write(key, (transaction) => transaction.put(this, key, value));
  }

  async delete(key: string): Promise<void> {
    await this.#tables.commit((transaction) => transaction.delete(this, key));
  }

  follow(listener: (changes: readonly Change<T>[]) => void, prefix?: string): () => void {
    return this.#copy.follow(listener, prefix);
  }

  /** The entry as it was written, even if somebody has changed it since. */
  async #write(key: string, change: (transaction: SharedTransaction) => void): Promise<Entry<T>> {
    const changes = collectChanges(change);
    const revision = await this.#tables.submit(changes);
    const known = this.#copy.get(key);
    if (known?.revision === revision) return known;
    return { key, value: decodeRecord(changes.writes[0]?.text ?? "null") as T, revision };
  }
}
