// The addresses of one subnet: which are taken, and which comes next. Next-fit: a freed address is not handed out again
// before the rest of the range had its turn, so that neighbours' caches and late packets do not meet a new owner.

import { intersection, type Span, spanOf, usableSpan } from "../../src/driverkit/index.ts";
import { type Address, type Family, type Prefix, prefixFamily, prefixSize } from "../../src/netip/index.ts";

/** Taken addresses of one subnet. Ranges (Docker's ip-range) choose from parts of it, each with its own place. */
export class AddressSet {
  readonly subnet: Prefix;
  readonly #family: Family;
  readonly #span: Span;
  readonly #taken = new Set<bigint>();
  /** Where the search goes on, by range. */
  readonly #next = new Map<string, bigint>();

  constructor(subnet: Prefix) {
    this.subnet = subnet;
    this.#family = prefixFamily(subnet);
    this.#span = usableSpan(subnet);
  }

  /** Takes this address; false when it is taken already. */
  take(address: Address): boolean {
    if (this.#taken.has(address.value)) return false;
    this.#taken.add(address.value);
    return true;
  }

  /** True when the subnet has the address and anybody may have it (IPv4: not the network or broadcast address). */
  isUsable(address: Address): boolean {
    return (
      address.family === this.#family && address.value >= this.#span.first && address.value <= this.#span.last
    );
  }

  /** Takes the next free address of `range`; undefined when all are taken. */
  takeNext(range: Prefix = this.subnet): Address | undefined {
    const within = intersection(spanOf(range), this.#span);
    if (!within) return undefined;
    const key = `${within.first}-${within.last}`;
    const start = this.#next.get(key) ?? within.first;
    const value = this.#findFree(start, within.last) ?? this.#findFree(within.first, start - 1n);
    if (value === undefined) return undefined;
    this.#taken.add(value);
    this.#next.set(key, value === within.last ? within.first : value + 1n);
    return { family: this.#family, value };
  }

  release(address: Address): void {
    if (address.family === this.#family) this.#taken.delete(address.value);
  }

  /** How many are taken or nobody's to have, as Docker counts, and how many of `range` are free. */
  usage(range: Prefix = this.subnet): { inUse: bigint; available: bigint } {
    const { first, last } = this.#span;
    const reserved = prefixSize(this.subnet) - (last - first + 1n);
    const inUse = reserved + BigInt(this.#taken.size);
    const within = intersection(spanOf(range), this.#span);
    if (!within) return { inUse, available: 0n };
    let free = within.last - within.first + 1n;
    for (const value of this.#taken) if (value >= within.first && value <= within.last) free--;
    return { inUse, available: free };
  }

  #findFree(from: bigint, to: bigint): bigint | undefined {
    for (let value = from; value <= to; value++) if (!this.#taken.has(value)) return value;
    return undefined;
  }
}
