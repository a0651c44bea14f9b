// The driver: what the controller asks of it, and what it does when records of others change.

import type {
  AddressLoss,
  AddressRequest,
  Change,
  IpamDriver,
  PoolLease,
  PoolRequest,
  PoolUsage,
} from "../../src/driverapi/index.ts";
import type { Address, Prefix } from "../../src/netip/index.ts";
import { invalid } from "../../src/util/errors.ts";
import { answerQuestion } from "./answer.ts";
import { forgetQuestions } from "./ask.ts";
import { Leasing } from "./leasing.ts";
import { freeReserved, reserveNamed } from "./named-address.ts";
import { aside, type Parts } from "./parts.ts";
import { isUsable, poolIdOf } from "./pool.ts";
import { createPool, deletePool, deleteRemains, type PoolSource, poolEntries } from "./pool-records.ts";
import { type AskRecord, type BlockRecord, everyHost, type PoolRecord } from "./records.ts";
import { audit, tidy } from "./upkeep.ts";
import { clusterUsage, publishUsage } from "./usage.ts";

/** How often the driver looks after its addresses. */
export const tickMs = 1_000;

const spaces = { local: "LocalDefault", global: "GlobalDefault" };

/** The driver `cluster`. It answers other hosts from `open` on. */
export interface ClusterIpam extends Required<IpamDriver> {
  /** What is leased stays on record. */
  close(): void;
}

export class ClusterIpamDriver implements ClusterIpam {
  readonly name = "cluster";
  readonly capabilities = { requiresMacAddress: false, requiresRequestReplay: true };
  readonly #parts: Parts;
  readonly #listeners: Set<(loss: AddressLoss) => void>;
  readonly #sources: readonly PoolSource[];
  readonly #leasing: Leasing;
  readonly #stops: (() => void)[];
  /** Pools of this life, which may not be on the record of a network yet. */
  readonly #created = new Set<string>();
  readonly #answering = new Set<string>();
  #isOpen = false;
  #isWorking = false;
  #cancelTick: () => void = () => undefined;

  constructor(parts: Parts, listeners: Set<(loss: AddressLoss) => void>, sources: readonly PoolSource[]) {
    this.#parts = parts;
    this.#listeners = listeners;
    this.#sources = sources;
    this.#leasing = new Leasing(parts, () => this.#isOpen);
    const { cluster, tables } = parts;
    this.#stops = [
      tables.pools.follow((changes) => this.#poolsChanged(changes)),
      tables.blocks.follow((changes) => this.#blocksChanged(changes)),
      tables.asks.follow((changes) => this.#asksChanged(changes)),
      cluster.followLife(() => this.#look()),
    ];
    this.#tick();
  }

  defaultAddressSpaces = async () => spaces;

  open(): void {
    this.#isOpen = true;
    this.#look();
  }

  close(): void {
    this.#cancelTick();
    for (const stop of this.#stops) stop();
  }

  followLosses(listener: (loss: AddressLoss) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async requestPool(request: PoolRequest): Promise<PoolLease> {
    const { onRecord, pool, subPool } = request;
    if (onRecord !== undefined && pool) {
      this.#parts.pools.findOnRecord(onRecord, subPool);
      return { poolId: onRecord, pool };
    }
    if (!Object.values(spaces).includes(request.addressSpace)) throw invalid("invalid address space");
    const record = await createPool(this.#parts, request, this.#sources);
    this.#created.add(record.uid);
    this.#parts.pools.added(record);
    return { poolId: poolIdOf(record), pool: record.subnet };
  }

  async releasePool(poolId: string): Promise<void> {
    const pool = this.#parts.pools.get(poolId.split(" ")[0] ?? "");
    if (pool) await deletePool(this.#parts, pool);
  }

  async requestAddress(request: AddressRequest): Promise<Prefix> {
    const pool = this.#parts.pools.find(request.poolId);
    return { address: await this.#leasing.lease(pool, request), length: pool.geometry.subnet.length };
  }

  async releaseAddress(poolId: string, address: Address): Promise<void> {
    const pool = this.#parts.pools.get(poolId.split(" ")[0] ?? "");
    if (!pool || !isUsable(pool, address)) return;
    const { block, offset } = pool.spot(address.value);
    if (!block.held.has(offset)) return await freeReserved(this.#parts, pool, address);
    block.release(offset);
    this.#leasing.returnBorrowed(pool);
  }

  async shareAddress(poolId: string, address: Address, endpointName: string): Promise<void> {
    const pool = this.#parts.pools.find(poolId);
    await this.#leasing.ensureTrusted();
    const { block, offset } = pool.spot(address.value);
    const isLeased = block.held.get(offset)?.name === endpointName;
    // from here to its reservation nobody else has a turn
    if (isLeased) block.release(offset);
    if (block.entry?.value.taken[offset] !== everyHost) await reserveNamed(this.#parts, pool, address);
  }

  async unshareAddress(poolId: string, address: Address): Promise<void> {
    const pool = this.#parts.pools.get(poolId.split(" ")[0] ?? "");
    if (pool && isUsable(pool, address)) await freeReserved(this.#parts, pool, address);
  }

  async usage(poolId: string): Promise<PoolUsage> {
    const pool = this.#parts.pools.get(poolId.split(" ")[0] ?? "");
    return pool ? clusterUsage(this.#parts, pool) : { inUse: 0n, available: 0n };
  }

  async sweep(known: ReadonlySet<string>): Promise<void> {
    const { tables, self, standing } = this.#parts;
    const left = [...poolEntries(tables)].filter(
      (record) =>
        !known.has(poolIdOf(record)) &&
        (record.madeBy === self ? !this.#created.has(record.uid) : standing.isGone(record.madeBy)),
    );
    for (const { uid } of left) {
      const pool = this.#parts.pools.get(uid);
      if (pool) await deletePool(this.#parts, pool);
    }
    const uids = new Set([...poolEntries(tables)].map(({ uid }) => uid));
    const orphans = new Set([...tables.blocks.entries()].map(({ key }) => key.slice(0, key.indexOf("/"))));
    for (const uid of orphans) if (!uids.has(uid)) await deleteRemains(this.#parts, uid);
  }

  #tick(): void {
    this.#look();
    this.#cancelTick = this.#parts.clock.after(tickMs, () => this.#tick());
  }

  /** Something may have changed in who is there. */
  #look(): void {
    this.#parts.standing.tick();
    this.#work();
  }

  #work(): void {
    if (!this.#isOpen || this.#isWorking || !this.#parts.standing.hasLease) return;
    this.#isWorking = true;
    aside(this.#parts, "bring addresses up to date", () =>
      this.#upkeep().finally(() => {
        this.#isWorking = false;
      }),
    );
  }

  async #upkeep(): Promise<void> {
    const { standing, pools, tables, self } = this.#parts;
    if (!standing.isTrusted) await this.#leasing.renew();
    if (!standing.isTrusted) return;
    for (const { key, value } of tables.asks.entries(`${self}/`)) if (!value.answer) this.#answer(key);
    await forgetQuestions(this.#parts);
    for (const pool of pools.all()) {
      await audit(this.#parts, pool);
      await tidy(this.#parts, pool);
      await publishUsage(this.#parts, pool);
    }
  }

  #poolsChanged(changes: readonly Change<PoolRecord>[]): void {
    for (const change of changes) {
      const { value } = change.kind === "put" ? change.entry : change.before;
      if (value.kind !== "pool") continue;
      if (change.kind === "put") this.#parts.pools.added(value);
      else this.#parts.pools.removed(value.uid);
    }
  }

  #blocksChanged(changes: readonly Change<BlockRecord>[]): void {
    for (const change of changes) {
      const { key, value } = change.kind === "put" ? change.entry : change.before;
      if (change.kind === "put") this.#parts.standing.signOfLife(value.writtenBy);
      this.#parts.pools.get(key.slice(0, key.indexOf("/")))?.follow(key);
    }
  }

  #asksChanged(changes: readonly Change<AskRecord>[]): void {
    for (const change of changes) {
      if (change.kind !== "put") continue;
      const { key, value } = change.entry;
      if (value.answer) this.#parts.answers.get(key)?.(value.answer);
      else if (key.startsWith(`${this.#parts.self}/`)) this.#answer(key);
    }
  }

  #answer(key: string): void {
    if (!this.#isOpen || this.#answering.has(key)) return;
    this.#answering.add(key);
    aside(this.#parts, "answer another host", () =>
      answerQuestion(this.#parts, key).finally(() => this.#answering.delete(key)),
    );
  }
}
