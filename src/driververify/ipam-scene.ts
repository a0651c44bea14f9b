// What a check of an IPAM driver has at hand: the driver under watch, and pools that are given back when the check ends.

import type { AddressRequest, IpamDriver, PoolLease, PoolRequest } from "../driverapi/index.ts";
import { type Address, addressPlus, type Prefix } from "../netip/index.ts";
import { onlyIf } from "./check.ts";
import type { Random } from "./random.ts";
import { prefix } from "./scene.ts";
import { type Transcript, watched } from "./transcript.ts";

export interface IpamStage extends AsyncDisposable {
  readonly driver: IpamDriver;
  readonly whyNoRestart: string | undefined;
  readonly whyNoKinds: string | undefined;
  /** A new instance, which knows nothing yet. */
  restart(): Promise<void>;
}

export interface IpamSceneParts {
  readonly stage: IpamStage;
  readonly transcript: Transcript;
  readonly random: Random;
  /** The address space for networks of one host. */
  readonly space: string;
  /** It leases addresses at all: the pool that it chooses is not 0.0.0.0/0. */
  readonly leases: boolean;
}

export class IpamScene {
  readonly stage: IpamStage;
  readonly random: Random;
  readonly space: string;
  readonly leases: boolean;
  readonly #transcript: Transcript;
  readonly #pools = new Set<string>();
  #number = 0;

  constructor(parts: IpamSceneParts) {
    this.stage = parts.stage;
    this.random = parts.random;
    this.space = parts.space;
    this.leases = parts.leases;
    this.#transcript = parts.transcript;
  }

  get driver(): IpamDriver {
    return watched(this.stage.driver, this.#transcript);
  }

  needLeases(): void {
    onlyIf(this.leases, "this driver leases no addresses: its pool is every address");
  }

  needKinds(): void {
    const { whyNoKinds } = this.stage;
    onlyIf(whyNoKinds === undefined, whyNoKinds ?? "");
  }

  /** Another instance, to which all that is on record is repeated. */
  needReplay(): void {
    const { whyNoRestart, driver } = this.stage;
    onlyIf(whyNoRestart === undefined, whyNoRestart ?? "");
    onlyIf(driver.capabilities.requiresRequestReplay, "the driver is told of nothing again after a start");
  }

  need<K extends keyof IpamDriver>(name: K): NonNullable<IpamDriver[K]> {
    const member = this.driver[name];
    onlyIf(member !== undefined && member !== null, `the driver has no ${name}`);
    return member as NonNullable<IpamDriver[K]>;
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

  /** A pool, this one or any, until the check ends. */
  async pool(wish: Partial<PoolRequest> = {}): Promise<PoolLease> {
    const lease = await this.driver.requestPool(this.request(wish));
    this.#pools.add(lease.poolId);
    return lease;
  }

  /** A pool of the check's own choice. */
  async ownPool(length = 24, family: 4 | 6 = 4): Promise<PoolLease> {
    return await this.pool({ pool: this.subnet(length, family), family });
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
