// The IPAM driver of networks that span hosts. Every host hands addresses out of blocks that are its own, so that it asks
// nobody; which block is whose is agreed upon in the cluster's store.

import { createHash } from "node:crypto";
import type {
  AddressLoss,
  AddressRequest,
  Change,
  ClusterAccess,
  IpamDriver,
  PoolLease,
  PoolRequest,
  PoolUsage,
} from "../../src/driverapi/index.ts";
import { type Address, addressFromBytes, type Prefix, prefixSize } from "../../src/netip/index.ts";
import { errorKind, invalid, unavailable } from "../../src/util/errors.ts";
import type { Log } from "../../src/util/log.ts";
import { answerQuestion } from "./answer.ts";
import { forgetQuestions } from "./ask.ts";
import { type Clock, systemClock } from "./clock.ts";
import { grow, growAhead } from "./growth.ts";
import { KnownPools } from "./known-pools.ts";
import { freeReserved, reserveNamed, takeNamed } from "./named-address.ts";
import { aside, type Parts } from "./parts.ts";
import { type Pool, poolIdOf } from "./pool.ts";
import { createPool, deletePool, deleteRemains, type PoolSource, poolEntries } from "./pool-records.ts";
import { type AskRecord, type BlockRecord, everyHost, openTables, type PoolRecord } from "./records.ts";
import { Standing } from "./standing.ts";
import { audit, publishUsage, renew, tidy, usageOf } from "./upkeep.ts";

export type { Clock } from "./clock.ts";
export type { PoolSource } from "./pool-records.ts";

export interface ClusterIpamOptions {
  readonly cluster: ClusterAccess;
  /** Of the cluster: its IPv6 pools are made from it. */
  readonly clusterId: string;
  /** Pools to choose from; a family without any has Docker's 10.0.0.0/8 in /24, or a /48 of the cluster's own in /64. */
  readonly defaultPools?: readonly PoolSource[];
  /**
   * How long after a host's lease ended others leave its addresses alone; the same on every host. Until then a host that
   * is cut off hands out what it has. Milliseconds.
   */
  readonly graceMs?: number;
  readonly clock?: Clock;
  /** From 0 to 1. */
  readonly random?: () => number;
  readonly log: Log;
}

/** The driver `cluster`. It answers other hosts from `open` on. */
export interface ClusterIpam extends Required<IpamDriver> {
  /** What is leased stays on record. */
  close(): void;
}

const defaultGraceMs = 5 * 60_000;
const tickMs = 1_000;
const answerMs = 2_000;
const idleMs = 30_000;

/** How often a request looks for more addresses that others then were quicker to take. */
const mostRounds = 256;

/** How far behind its range's begin a gateway is looked for. */
const mostGateways = 256;

/** Builds the driver on this host's copies of the tables. */
export async function createClusterIpam(options: ClusterIpamOptions): Promise<ClusterIpam> {
  const { cluster, clock = systemClock, graceMs = defaultGraceMs, log } = options;
  const tables = await openTables(cluster);
  const listeners = new Set<(loss: AddressLoss) => void>();
  const parts: Parts = {
    cluster,
    self: cluster.self.id,
    tables,
    clock,
    standing: new Standing({ cluster, clock, graceMs, tickMs }),
    pools: new KnownPools(tables, cluster.self.id),
    answers: new Map(),
    answerMs,
    idleMs,
    random: options.random ?? Math.random,
    lost: (loss) => {
      for (const listener of [...listeners]) listener(loss);
    },
    log,
  };
  return new ClusterIpamDriver(parts, listeners, sourcesOf(options));
}

class ClusterIpamDriver implements ClusterIpam {
  readonly name = "cluster";
  readonly capabilities = { requiresMacAddress: false, requiresRequestReplay: true };
  readonly #parts: Parts;
  readonly #listeners: Set<(loss: AddressLoss) => void>;
  readonly #sources: readonly PoolSource[];
  readonly #stops: (() => void)[];
  /** Pools of this life, which may not be on the record of a network yet. */
  readonly #created = new Set<string>();
  readonly #answering = new Set<string>();
  #isOpen = false;
  #renewing: Promise<void> | undefined;
  #isWorking = false;
  #cancelTick: () => void = () => undefined;

  constructor(parts: Parts, listeners: Set<(loss: AddressLoss) => void>, sources: readonly PoolSource[]) {
    this.#parts = parts;
    this.#listeners = listeners;
    this.#sources = sources;
    const { cluster, tables } = parts;
    this.#stops = [
      tables.pools.follow((changes) => this.#poolsChanged(changes)),
      tables.blocks.follow((changes) => this.#blocksChanged(changes)),
      tables.asks.follow((changes) => this.#asksChanged(changes)),
      cluster.followLife(() => this.#look()),
    ];
    this.#tick();
  }

  defaultAddressSpaces = async () => ({ local: "LocalDefault", global: "GlobalDefault" });

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
    return { address: await this.#lease(pool, request), length: pool.geometry.subnet.length };
  }

  async releaseAddress(poolId: string, address: Address): Promise<void> {
    const pool = this.#parts.pools.get(poolId.split(" ")[0] ?? "");
    if (!pool || !isUsable(pool, address)) return;
    const { block, offset } = pool.spot(address.value);
    if (!block.held.has(offset)) return await freeReserved(this.#parts, pool, address);
    block.release(offset);
    this.#returnBorrowed(pool);
  }

  async shareAddress(poolId: string, address: Address, endpointName: string): Promise<void> {
    const pool = this.#parts.pools.find(poolId);
    await this.#ensureTrusted();
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

  async #lease(pool: Pool, { address, purpose, endpointName, onRecord }: AddressRequest): Promise<Address> {
    if (address && !isUsable(pool, address)) throw invalid("requested address is out of range");
    const holder = { name: endpointName };
    if (onRecord && address) {
      const { block, offset } = pool.spot(address.value);
      if (purpose === "endpoint") block.hold(offset, holder);
      return address;
    }
    await this.#ensureTrusted();
    if (purpose !== "endpoint") return await this.#reserve(pool, address);
    if (!address) return await this.#takeAny(pool, holder);
    await takeNamed(this.#parts, pool, address, holder);
    return address;
  }

  async #reserve(pool: Pool, address: Address | undefined): Promise<Address> {
    if (address) {
      await reserveNamed(this.#parts, pool, address);
      return address;
    }
    const { family, dynamic } = pool.geometry;
    if (!dynamic) throw exhausted();
    for (
      let value = dynamic.first;
      value <= dynamic.last && value < dynamic.first + BigInt(mostGateways);
      value++
    ) {
      try {
        await reserveNamed(this.#parts, pool, { family, value });
        return { family, value };
      } catch (error) {
        if (errorKind(error) !== "forbidden") throw error;
      }
    }
    throw exhausted();
  }

  async #takeAny(pool: Pool, holder: { readonly name: string | undefined }): Promise<Address> {
    const { family } = pool.geometry;
    pool.waiting++;
    try {
      for (let round = 0; round < mostRounds; round++) {
        const value = pool.takeNext(holder);
        if (value !== undefined) {
          growAhead(this.#parts, pool);
          return { family, value };
        }
        if (!this.#parts.standing.hasLease)
          throw unavailable("this host's part of the pool is used up, and the cluster's store is away");
        if (!(await grow(this.#parts, pool)) && pool.free === 0) break;
      }
    } finally {
      pool.waiting--;
      this.#returnBorrowed(pool);
    }
    throw exhausted();
  }

  /** Others may wait for what was borrowed. */
  #returnBorrowed(pool: Pool): void {
    const { standing } = this.#parts;
    const hasBorrowed = pool
      .blocks()
      .some((block) => !block.isOwn && block.singles().some((at) => block.isFree(at)));
    if (hasBorrowed && this.#isOpen && standing.hasLease && standing.isTrusted)
      aside(this.#parts, "give addresses back", () => tidy(this.#parts, pool));
  }

  /** @throws unavailable when others may have been given what this host had */
  async #ensureTrusted(): Promise<void> {
    const { standing } = this.#parts;
    if (standing.isTrusted) return;
    if (!standing.hasLease)
      throw unavailable(
        "lease an address: this host does not know whether its part of the pool is still its own, as the cluster's store is away",
      );
    await this.#renew();
    if (!standing.isTrusted)
      throw unavailable("lease an address: this host's part of the pool changes all the time");
  }

  #renew(): Promise<void> {
    this.#renewing ??= renew(this.#parts).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
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
    if (!standing.isTrusted) await this.#renew();
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

function isUsable({ geometry }: Pool, { family, value }: Address): boolean {
  const { first, last } = geometry.usable;
  return family === geometry.family && value >= first && value <= last;
}

/** In use on all hosts, as far as they have said: every host tells of its own once a second. */
function clusterUsage({ tables, self, standing }: Parts, pool: Pool): PoolUsage {
  const { usable, dynamic, subnet } = pool.geometry;
  const own = usageOf(pool);
  const prefix = `${pool.uid}/`;
  const others = [...tables.usage.entries(prefix)].filter(({ key }) => {
    const host = key.slice(prefix.length);
    return host !== self && !standing.isGone(host);
  });
  const taken = [...pool.records()].flatMap(({ value }) => Object.values(value.taken));
  const reserved = taken.filter((taker) => taker === everyHost).length;
  const inUse = others.reduce((sum, { value }) => sum + value.inUse, own.inUse + reserved);
  const inRange = others.reduce((sum, { value }) => sum + value.inRange, own.inRange + reserved);
  const nobodys = prefixSize(subnet) - (usable.last - usable.first + 1n);
  const size = dynamic ? dynamic.last - dynamic.first + 1n : 0n;
  const available = size - BigInt(inRange);
  return { inUse: nobodys + BigInt(inUse), available: available > 0n ? available : 0n };
}

function exhausted(): Error {
  return unavailable("no available addresses on this pool");
}

function sourcesOf({ defaultPools = [], clusterId }: ClusterIpamOptions): PoolSource[] {
  const own = (family: 4 | 6) => defaultPools.filter(({ base }) => base.address.family === family);
  const ipv4 = own(4);
  const ipv6 = own(6);
  return [...(ipv4.length > 0 ? ipv4 : [dockersPool]), ...(ipv6.length > 0 ? ipv6 : [ulaPool(clusterId)])];
}

/** Docker's pool for networks that span hosts. */
const dockersPool: PoolSource = { base: { address: { family: 4, value: 10n << 24n }, length: 8 }, size: 24 };

/** RFC 4193: fd00::/8 and 40 bits of the cluster's own. */
function ulaPool(clusterId: string): PoolSource {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xfd;
  bytes.set(createHash("sha256").update(`tsdocker ${clusterId}`).digest().subarray(0, 5), 1);
  return { base: { address: addressFromBytes(bytes), length: 48 }, size: 64 };
}
