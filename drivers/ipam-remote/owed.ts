// Leases of an earlier life that a plugin which keeps nothing must be told again, and which it cannot be told while it is
// away: it hears of them before anything else once it answers.

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

interface Owed {
  /** For the log. */
  readonly what: string;
  readonly tell: () => Promise<void>;
}

/** The same driver; what is on record is leased whether it answers or not. */
export class OwingIpam implements IpamDriver {
  readonly #inner: IpamDriver;
  readonly #log: Log;
  readonly #owed: Owed[] = [];
  /** By the pool's id on record, where the plugin calls it something else now. */
  readonly #ids = new Map<string, string>();
  readonly #pools = new Map<string, Prefix>();
  #telling: Promise<void> | undefined;

  constructor(inner: IpamDriver, log: Log) {
    this.#inner = inner;
    this.#log = log;
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
    const { onRecord: poolId, pool } = request;
    if (poolId === undefined || !pool) {
      await this.#settle();
      return await this.#inner.requestPool(request);
    }
    this.#pools.set(poolId, pool);
    const tell = async () => {
      const lease = await this.#inner.requestPool(request);
      this.#ids.set(poolId, lease.poolId);
    };
    await this.#tellOrOwe({ what: `pool ${poolId}`, tell });
    return { poolId, pool };
  }

  async releasePool(poolId: string): Promise<void> {
    await this.#settle();
    await this.#inner.releasePool(this.#idOf(poolId));
  }

  async requestAddress(request: AddressRequest): Promise<Prefix> {
    const { poolId, address, onRecord } = request;
    const ask = () => this.#inner.requestAddress({ ...request, poolId: this.#idOf(poolId) });
    const pool = this.#pools.get(poolId);
    if (!onRecord || !address || !pool) {
      await this.#settle();
      return await ask();
    }
    await this.#tellOrOwe({
      what: `address ${formatAddress(address)}`,
      tell: async () => void (await ask()),
    });
    return { address, length: pool.length };
  }

  async releaseAddress(poolId: string, address: Address): Promise<void> {
    await this.#settle();
    await this.#inner.releaseAddress(this.#idOf(poolId), address);
  }

  #idOf(poolId: string): string {
    return this.#ids.get(poolId) ?? poolId;
  }

  /** In the order in which they are on record: nothing is told before what is owed already. */
  async #tellOrOwe(owed: Owed): Promise<void> {
    if (this.#owed.length > 0) return void this.#owed.push(owed);
    try {
      await owed.tell();
    } catch (error) {
      if (errorKind(error) !== "unavailable") throw error;
      this.#owed.push(owed);
    }
  }

  /** @throws unavailable while the plugin does not answer */
  async #settle(): Promise<void> {
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
    });
    await this.#telling;
  }

  async #tellAll(): Promise<void> {
    for (let next = this.#owed[0]; next; next = this.#owed[0]) {
      try {
        await next.tell();
      } catch (error) {
        if (errorKind(error) === "unavailable") throw error;
        const fields = { plugin: this.name, lease: next.what, reason: errorMessage(error) };
        this.#log.error(fields, "an IPAM plugin does not take what it had given before");
      }
      this.#owed.shift();
    }
  }
}
