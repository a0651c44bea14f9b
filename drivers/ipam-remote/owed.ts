// Leases that a plugin which keeps nothing must be told again: those of the daemon's earlier life, and all of them when
// the plugin was started anew. It hears of them before anything else.

import type {
  AddressRequest,
  IpamCapabilities,
  IpamDriver,
  PoolLease,
  PoolRequest,
} from "../../src/driverapi/index.ts";
import { type Address, formatAddress, type Prefix } from "../../src/netip/index.ts";
import { errorKind, errorMessage } from "../../src/util/errors.ts";
import type { Log } from "../../src/util/log.ts";

interface Lease {
  /** For the log. */
  readonly what: string;
  readonly tell: () => Promise<void>;
}

interface LeasedPool {
  readonly pool: Prefix;
  readonly lease: Lease;
  /** By address, in the order in which they were leased. */
  readonly addresses: Map<string, Lease>;
}

interface Around {
  /** See `PluginCaller`. */
  readonly incarnation: () => Promise<string | undefined>;
  readonly log: Log;
}

/** The same driver; what is on record is leased whether it answers or not. */
export class OwingIpam implements IpamDriver {
  readonly #inner: IpamDriver;
  readonly #around: Around;
  /** All that is leased, by the pool's id on record. */
  readonly #pools = new Map<string, LeasedPool>();
  /** Where the plugin calls a pool something else now. */
  readonly #ids = new Map<string, string>();
  /** What of it the plugin has not heard in this life of its own. */
  readonly #owed = new Set<Lease>();
  #incarnation: string | undefined;
  #telling: Promise<void> | undefined;
  /** What it is being told of now: it may have heard. */
  #inTelling: Lease | undefined;

  constructor(inner: IpamDriver, around: Around) {
    this.#inner = inner;
    this.#around = around;
  }

  get name(): string {
    return this.#inner.name;
  }

  get capabilities(): IpamCapabilities {
    return this.#inner.capabilities;
  }

  async defaultAddressSpaces() {
    return await this.#inner.defaultAddressSpaces();
  }

  async requestPool(request: PoolRequest): Promise<PoolLease> {
    const { onRecord, pool } = request;
    if (onRecord !== undefined && pool) {
      this.#owe(this.#notePool(onRecord, pool, request));
      return { poolId: onRecord, pool };
    }
    const lease = await this.#ask(
      () => this.#inner.requestPool(request),
      ({ poolId }) => this.#inner.releasePool(poolId),
    );
    this.#notePool(lease.poolId, lease.pool, request);
    return lease;
  }

  async releasePool(poolId: string): Promise<void> {
    await this.#lookForRestart();
    const leased = this.#pools.get(poolId);
    const id = this.#idOf(poolId);
    this.#pools.delete(poolId);
    this.#ids.delete(poolId);
    for (const lease of leased?.addresses.values() ?? []) this.#owed.delete(lease);
    // what it never heard of is not leased
    if (leased && this.#isUnheard(leased.lease)) return;
    await this.#inner.releasePool(id);
  }

  async requestAddress(request: AddressRequest): Promise<Prefix> {
    const { poolId, address, onRecord } = request;
    const pool = this.#pools.get(poolId)?.pool;
    if (onRecord && address && pool) {
      this.#owe(this.#noteAddress(request, address));
      return { address, length: pool.length };
    }
    const leased = await this.#ask(
      () => this.#inner.requestAddress({ ...request, poolId: this.#idOf(poolId) }),
      ({ address }) => this.#inner.releaseAddress(this.#idOf(poolId), address),
    );
    this.#noteAddress(request, leased.address);
    return leased;
  }

  async releaseAddress(poolId: string, address: Address): Promise<void> {
    await this.#lookForRestart();
    const addresses = this.#pools.get(poolId)?.addresses;
    const lease = addresses?.get(formatAddress(address));
    addresses?.delete(formatAddress(address));
    if (lease && this.#isUnheard(lease)) return;
    await this.#inner.releaseAddress(this.#idOf(poolId), address);
  }

  /**
   * Asks when the plugin knows all that is leased. One that was started anew while it was asked knew nothing of it: what it
   * says goes back, and it is asked again.
   */
  async #ask<T>(ask: () => Promise<T>, takeBack: (lease: T) => Promise<void>): Promise<T> {
    await this.#settle();
    const before = this.#incarnation;
    const [answer] = await Promise.allSettled([ask()]);
    const now = await this.#around.incarnation();
    if (now === undefined || now === before) {
      if (answer.status === "rejected") throw answer.reason;
      return answer.value;
    }
    if (answer.status === "fulfilled") await takeBack(answer.value);
    await this.#settle();
    return await ask();
  }

  #idOf(poolId: string): string {
    return this.#ids.get(poolId) ?? poolId;
  }

  #notePool(poolId: string, pool: Prefix, request: PoolRequest): Lease {
    const tell = async () => {
      const again = { ...request, pool, exclude: [], onRecord: poolId };
      const { poolId: id } = await this.#inner.requestPool(again);
      if (this.#pools.get(poolId)?.lease === lease) this.#ids.set(poolId, id);
      // it has ended meanwhile, by the name that it had before
      else if (id !== poolId) await this.#inner.releasePool(id);
    };
    const lease: Lease = { what: `pool ${poolId}`, tell };
    this.#pools.set(poolId, { pool, lease, addresses: new Map() });
    return lease;
  }

  #noteAddress(request: AddressRequest, address: Address): Lease {
    const tell = async () => {
      const poolId = this.#idOf(request.poolId);
      await this.#inner.requestAddress({ ...request, poolId, address, onRecord: true });
    };
    const lease = { what: `address ${formatAddress(address)}`, tell };
    this.#pools.get(request.poolId)?.addresses.set(formatAddress(address), lease);
    return lease;
  }

  /** Told in the order in which they are on record. A daemon that starts waits for no plugin. */
  #owe(lease: Lease): void {
    this.#owed.add(lease);
    this.#settle().catch(() => undefined);
  }

  /** Of one that ends: whether the plugin has not heard of it and never will. */
  #isUnheard(lease: Lease): boolean {
    const isOwed = this.#owed.delete(lease);
    return isOwed && lease !== this.#inTelling;
  }

  /** @throws unavailable while the plugin does not answer */
  async #settle(): Promise<void> {
    await this.#lookForRestart();
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
    });
    await this.#telling;
  }

  /** A plugin that was started anew has forgotten all of it. */
  async #lookForRestart(): Promise<void> {
    const now = await this.#around.incarnation();
    if (now === undefined) return;
    const before = this.#incarnation;
    this.#incarnation = now;
    if (before === undefined || before === now) return;
    this.#owed.clear();
    for (const { lease, addresses } of this.#pools.values())
      for (const each of [lease, ...addresses.values()]) this.#owed.add(each);
    const fields = { plugin: this.name, leases: this.#owed.size };
    this.#around.log.info(fields, "an IPAM plugin was started anew: it is told what is leased");
  }

  async #tellAll(): Promise<void> {
    for (const lease of this.#owed) {
      this.#inTelling = lease;
      await this.#tell(lease).finally(() => {
        this.#inTelling = undefined;
      });
    }
  }

  /**
   * One that refuses may have kept it: then all is well. If not, what is leased is in use all the same, and nobody is better
   * off without the network. @throws unavailable
   */
  async #tell(lease: Lease): Promise<void> {
    try {
      await lease.tell();
    } catch (error) {
      if (errorKind(error) === "unavailable") throw error;
      const fields = { plugin: this.name, lease: lease.what, reason: errorMessage(error) };
      this.#around.log.warn(fields, "an IPAM plugin does not take what it had given before");
    }
    this.#owed.delete(lease);
  }
}
