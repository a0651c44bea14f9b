// How a request comes to its address: out of what this host has, or by agreement with others.

import type { AddressRequest } from "../../src/driverapi/index.ts";
import type { Address } from "../../src/netip/index.ts";
import { errorKind, invalid, unavailable } from "../../src/util/errors.ts";
import { grow, growAhead } from "./growth.ts";
import { reserveNamed, takeNamed } from "./named-address.ts";
import { aside, type Parts } from "./parts.ts";
import { isUsable, type Pool } from "./pool.ts";
import { renew, tidy } from "./upkeep.ts";

/** How often a request looks for more addresses that others then were quicker to take. */
const mostRounds = 256;

/** How far behind its range's begin a gateway is looked for. */
const mostGateways = 256;

export class Leasing {
  readonly #parts: Parts;
  readonly #isOpen: () => boolean;
  #renewing: Promise<void> | undefined;

  /** `isOpen`: what is on record here was said, so that the rest is known to be free. */
  constructor(parts: Parts, isOpen: () => boolean) {
    this.#parts = parts;
    this.#isOpen = isOpen;
  }

  async lease(pool: Pool, { address, purpose, endpointName, onRecord }: AddressRequest): Promise<Address> {
    if (address && !isUsable(pool, address)) throw invalid("requested address is out of range");
    const holder = { name: endpointName };
    if (onRecord && address) {
      const { block, offset } = pool.spot(address.value);
      if (purpose === "endpoint") block.hold(offset, holder);
      return address;
    }
    await this.ensureTrusted();
    if (purpose !== "endpoint") return await this.#reserve(pool, address);
    if (!address) return await this.#takeAny(pool, holder);
    await takeNamed(this.#parts, pool, address, holder);
    return address;
  }

  /** Others may wait for what was borrowed. */
  returnBorrowed(pool: Pool): void {
    const { standing } = this.#parts;
    const hasBorrowed = pool
      .blocks()
      .some((block) => !block.isOwn && block.singles().some((at) => block.isFree(at)));
    if (hasBorrowed && this.#isOpen() && standing.hasLease && standing.isTrusted)
      aside(this.#parts, "give addresses back", () => tidy(this.#parts, pool));
  }

  /** @throws unavailable when others may have been given what this host had */
  async ensureTrusted(): Promise<void> {
    const { standing } = this.#parts;
    if (standing.isTrusted) return;
    if (!standing.hasLease)
      throw unavailable(
        "lease an address: this host does not know whether its part of the pool is still its own, as the cluster's store is away",
      );
    await this.renew();
    if (!standing.isTrusted)
      throw unavailable("lease an address: this host's part of the pool changes all the time");
  }

  /** Makes sure of what this host has; those who ask meanwhile wait for the same. @throws unavailable */
  renew(): Promise<void> {
    this.#renewing ??= renew(this.#parts).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
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
      this.returnBorrowed(pool);
    }
    throw exhausted();
  }
}

function exhausted(): Error {
  return unavailable("no available addresses on this pool");
}
