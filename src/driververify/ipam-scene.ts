// What a check of an IPAM driver has at hand: the driver under watch, and pools that are given back when the check ends.

import type { AddressRequest, DriverTraits, IpamDriver, PoolLease, PoolRequest } from "../driverapi/index.ts";
import { type Address, addressPlus, type Prefix } from "../netip/index.ts";
import { prefix } from "./pools.ts";
import type { Random } from "./random.ts";
import { type Watch, watched } from "./watch.ts";

export interface IpamStage extends AsyncDisposable {
  readonly driver: IpamDriver;
  readonly whyNoRestart: string | undefined;
  readonly whyNoKinds: string | undefined;
  /** A new instance, which knows nothing yet. */
  restart(): Promise<void>;
}

export interface IpamSceneParts {
  readonly stage: IpamStage;
  readonly traits: DriverTraits;
  readonly watch: Watch;
  readonly random: Random;
  /** The address space for networks of one host. */
  readonly space: string;
  /** It leases addresses at all: the pool that it chooses is not 0.0.0.0/0. */
  readonly leases: boolean;
}

export class IpamScene {
  readonly stage: IpamStage;
  readonly traits: DriverTraits;
  readonly random: Random;
  readonly space: string;
  readonly leases: boolean;
  readonly #watch: Watch;
  readonly #pools: string[] = [];
  #number = 0;

  constructor(parts: IpamSceneParts) {
    this.stage = parts.stage;
    this.traits = parts.traits;
    this.random = parts.random;
    this.space = parts.space;
    this.leases = parts.leases;
    this.#watch = parts.watch;
  }

  get driver(): IpamDriver {
    return watched(this.stage.driver, this.#watch);
  }

  /** The same, which could change its requests. */
  get looseDriver(): IpamDriver {
    return watched(this.stage.driver, this.#watch, { freezes: false });
  }

  /** A method that the driver has, or it would not be asked; bound to it. */
  method<K extends keyof IpamDriver>(name: K): NonNullable<IpamDriver[K]> {
    return this.driver[name] as NonNullable<IpamDriver[K]>;
  }

  /** A pool that no other check asks for. */
  subnet(length = 24, family: 4 | 6 = 4): Prefix {
    const number = ++this.#number;
    return family === 4
      ? prefix(`198.18.${number}.0/${length}`)
      : prefix(`2001:db8:${(0x1900 + number).toString(16)}::/${length}`);
  }

  request(wish: Partial<PoolRequest> = {}): PoolRequest {
    return { addressSpace: this.space, family: 4, options: {}, exclude: [], ...wish };
  }

  /** A pool that is asked for, until the check ends. */
  async pool(wish: Partial<PoolRequest> = {}): Promise<PoolLease> {
    const lease = await this.driver.requestPool(this.request(wish));
    this.#pools.push(lease.poolId);
    return lease;
  }

  /** A wish for this pool, in words that the driver understands. */
  wish(pool: Prefix): Partial<PoolRequest> {
    return { pool, family: pool.address.family, ...(this.traits.namedRanges && { subPool: pool }) };
  }

  /** This pool. */
  async named(pool: Prefix): Promise<PoolLease> {
    return await this.pool(this.wish(pool));
  }

  /** A pool of the driver's own choice, where it has one. */
  async anyPool(family: 4 | 6 = 4): Promise<PoolLease> {
    return await (this.traits.namedPools
      ? this.ownPool(family === 4 ? 24 : 64, family)
      : this.pool({ family }));
  }

  /** A pool of the check's own choice. */
  async ownPool(length = 24, family: 4 | 6 = 4): Promise<PoolLease> {
    return await this.named(this.subnet(length, family));
  }

  address(poolId: string, wish: Partial<AddressRequest> = {}): Promise<Prefix> {
    return this.driver.requestAddress({ poolId, purpose: "endpoint", endpointName: "c1", ...wish });
  }

  async clear(): Promise<void> {
    for (const poolId of this.#pools) await this.driver.releasePool(poolId);
  }
}

/** The nth address of a pool. */
export function nth({ pool }: { readonly pool: Prefix }, number: number): Address {
  return addressPlus(pool.address, BigInt(number));
}
