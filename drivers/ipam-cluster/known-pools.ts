// The pools that there are in the cluster, as this host sees them.

import { notFound } from "../../src/util/errors.ts";
import { Pool, type PoolFacts, parsePoolId } from "./pool.ts";
import { type PoolEntry, poolKey, type Tables } from "./records.ts";

/** Follows the table of pools. One that is gone stays as long as something here holds an address of it. */
export class KnownPools {
  readonly #tables: Tables;
  readonly #self: string;
  readonly #pools = new Map<string, Pool>();

  constructor(tables: Tables, self: string) {
    this.#tables = tables;
    this.#self = self;
    for (const { value } of tables.pools.entries()) if (value.kind === "pool") this.#add(value);
  }

  all(): readonly Pool[] {
    return [...this.#pools.values()];
  }

  /** By uid. */
  get(uid: string): Pool | undefined {
    return this.#pools.get(uid);
  }

  /** @throws not-found */
  find(poolId: string): Pool {
    const pool = this.#pools.get(parsePoolId(poolId)?.uid ?? "");
    if (!pool) throw notFound(`address pool ${poolId} is not on record in the cluster`);
    return pool;
  }

  /** The pool, also one whose record is not known here: the store may be away since before this start. */
  findOnRecord(poolId: string, range: PoolFacts["range"]): Pool | undefined {
    const facts = parsePoolId(poolId);
    if (!facts) return undefined;
    return this.#pools.get(facts.uid) ?? this.#add({ ...facts, ...(range && { range }) });
  }

  /** Its record, while it has one. */
  recordOf({ uid, geometry }: Pool) {
    const entry = this.#tables.pools.get(poolKey(geometry.subnet));
    return entry?.value.kind === "pool" && entry.value.uid === uid ? entry : undefined;
  }

  added(record: PoolEntry): void {
    if (!this.#pools.has(record.uid)) this.#add(record);
  }

  /** Its record is gone. */
  removed(uid: string): void {
    const pool = this.#pools.get(uid);
    if (pool && pool.inUse === 0) this.#pools.delete(uid);
  }

  #add(facts: PoolFacts): Pool {
    const pool = new Pool(facts, { blocks: this.#tables.blocks, self: this.#self });
    this.#pools.set(pool.uid, pool);
    return pool;
  }
}
