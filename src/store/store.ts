// LMDB behind the Store: one file, one sub-database; keys are [collection, key], values JSON.

import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { open, type RootDatabase } from "lmdb";
import { decodeRecord, encodeRecord } from "./codec.ts";
import { upgradeSchema } from "./schema.ts";
import type { Collection, Store, Transaction } from "./types.ts";

type Key = [collection: string, key: string];
type Write = {
  readonly collection: MemoryCollection<unknown>;
  readonly key: string;
  readonly record: unknown;
};

/** Opens (or makes) the store at `path`. @throws when the file belongs to a newer schema */
export function openStore(path: string): Store {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeToOthers(path);
  const options = { path, encoding: "string", noSubdir: true, permissionsMode: ownerOnly } as const;
  const database: RootDatabase<string, Key> = open(options);
  upgradeSchema(database);
  return new LmdbStore(database);
}

/** Records hold secrets: keys of the cluster's encrypted networks, for one. */
const ownerOnly = 0o600;

/** Files that an earlier version made for everybody to read. */
function closeToOthers(path: string): void {
  for (const file of [path, `${path}-lock`]) if (existsSync(file)) chmodSync(file, ownerOnly);
}

class LmdbStore implements Store {
  readonly #database: RootDatabase<string, Key>;
  readonly #collections = new Map<string, MemoryCollection<unknown>>();

  constructor(database: RootDatabase<string, Key>) {
    this.#database = database;
  }

  collection<T>(name: string): Collection<T> {
    let found = this.#collections.get(name);
    if (!found) {
      found = new MemoryCollection(name, this.#load(name), this);
      this.#collections.set(name, found);
    }
    return found as Collection<unknown> as Collection<T>;
  }

  async commit(change: (transaction: Transaction) => void): Promise<void> {
    const writes: Write[] = [];
    change({
      put: (collection, key, record) => writes.push({ collection: asMemory(collection), key, record }),
      delete: (collection, key) => writes.push({ collection: asMemory(collection), key, record: undefined }),
    });
    if (writes.length === 0) return;
    for (const write of writes) write.collection.apply(write.key, write.record);
    await this.#database.batch(() => {
      for (const { collection, key, record } of writes) {
        if (record === undefined) void this.#database.remove([collection.name, key]);
        else void this.#database.put([collection.name, key], encodeRecord(record));
      }
    });
    await this.#database.flushed;
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  #load(name: string): Map<string, unknown> {
    const range = this.#database.getRange({ start: [name, ""], end: [name, "\uffff"] });
    return new Map([...range].map(({ key, value }) => [key[1], decodeRecord(value)]));
  }
}

class MemoryCollection<T> implements Collection<T> {
  readonly name: string;
  readonly #records: Map<string, T>;
  readonly #store: Store;

  constructor(name: string, records: Map<string, T>, store: Store) {
    this.name = name;
    this.#records = records;
    this.#store = store;
  }

  get size(): number {
    return this.#records.size;
  }

  get(key: string): T | undefined {
    return this.#records.get(key);
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  values(): IterableIterator<T> {
    return this.#records.values();
  }

  entries(): IterableIterator<[string, T]> {
    return this.#records.entries();
  }

  put(key: string, record: T): Promise<void> {
    return this.#store.commit((transaction) => transaction.put(this, key, record));
  }

  delete(key: string): Promise<void> {
    return this.#store.commit((transaction) => transaction.delete(this, key));
  }

  /** Called by the store alone; undefined removes. */
  apply(key: string, record: T | undefined): void {
    if (record === undefined) this.#records.delete(key);
    else this.#records.set(key, record);
  }
}

function asMemory<T>(collection: Collection<T>): MemoryCollection<unknown> {
  if (collection instanceof MemoryCollection) return collection;
  throw new TypeError(`collection ${collection.name} belongs to another store`);
}
