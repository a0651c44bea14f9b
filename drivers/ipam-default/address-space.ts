// The pools of one address space: which subnets are allocated, and which is the next free one.

import {
  addressWidth,
  type Family,
  formatPrefix,
  type Prefix,
  prefixesOverlap,
  prefixFamily,
} from "../../src/netip/index.ts";
import { forbidden, invalid } from "../../src/util/errors.ts";
import { AddressSet } from "./address-set.ts";
import type { PoolSource } from "./default-pools.ts";
import { Intervals, larger, type Span, spanOf } from "./intervals.ts";

interface Subnet {
  readonly addresses: AddressSet;
  /** Ranges that pools of this subnet choose from; `""` is the pool of the whole subnet. */
  readonly ranges: Map<string, Prefix | undefined>;
}

/** An allocated pool: a subnet, or a range of a subnet that several pools share. */
export interface Pool {
  readonly subnet: Prefix;
  readonly range?: Prefix;
  readonly addresses: AddressSet;
}

interface Source extends PoolSource {
  /** Below this every subnet is allocated: where the search starts. */
  lowestFree: bigint;
}

/** Sorts pools by address, so that the search for a free one is O(log n) whatever is allocated. */
export class AddressSpace {
  readonly #sources: readonly Source[];
  readonly #subnets = new Map<string, Subnet>();
  readonly #spans: { readonly [F in Family]: Intervals } = { 4: new Intervals(), 6: new Intervals() };

  constructor(sources: readonly PoolSource[]) {
    this.#sources = sources.map((source) => ({ ...source, lowestFree: spanOf(source.base).first }));
  }

  /** @throws forbidden when it overlaps an allocated subnet that it does not share by disjoint ranges */
  allocate(subnet: Prefix, range: Prefix | undefined): Pool {
    const key = formatPrefix(subnet);
    const shared = this.#subnets.get(key);
    if (shared ? !mayShare(shared, range) : this.#spansOf(subnet).overlapping(spanOf(subnet)))
      throw forbidden("Pool overlaps with other one on this address space");
    const entry = shared ?? this.#addSubnet(key, subnet);
    entry.ranges.set(rangeKey(range), range);
    return { subnet, addresses: entry.addresses, ...(range && { range }) };
  }

  /** The first subnet of the sources (of length `size` when given) that overlaps nothing. @throws invalid when none is left */
  choose(family: Family, exclude: readonly Prefix[], size?: number): Prefix {
    const sources = this.#sources.filter(({ base }) => prefixFamily(base) === family);
    const busy = exclude.filter((prefix) => prefixFamily(prefix) === family).map(spanOf);
    for (const source of sources) {
      const first = this.#firstFree(source, size ?? source.size, busy);
      if (first !== undefined) return { address: { family, value: first }, length: size ?? source.size };
    }
    throw invalid(exhaustedMessage(sources, this.#countIn(sources)));
  }

  release({ subnet, range }: { readonly subnet: Prefix; readonly range?: Prefix | undefined }): void {
    const key = formatPrefix(subnet);
    const entry = this.#subnets.get(key);
    if (!entry?.ranges.delete(rangeKey(range)) || entry.ranges.size > 0) return;
    this.#subnets.delete(key);
    const span = spanOf(subnet);
    this.#spansOf(subnet).remove(span);
    for (const source of this.#sources) {
      if (prefixesOverlap(source.base, subnet) && span.first < source.lowestFree) {
        source.lowestFree = larger(span.first, spanOf(source.base).first);
      }
    }
  }

  find(subnet: Prefix, range: Prefix | undefined): Pool | undefined {
    const entry = this.#subnets.get(formatPrefix(subnet));
    if (!entry?.ranges.has(rangeKey(range))) return undefined;
    return { subnet, addresses: entry.addresses, ...(range && { range }) };
  }

  #spansOf(subnet: Prefix): Intervals {
    return this.#spans[prefixFamily(subnet)];
  }

  #addSubnet(key: string, subnet: Prefix): Subnet {
    const entry = { addresses: new AddressSet(subnet), ranges: new Map() };
    this.#subnets.set(key, entry);
    this.#spansOf(subnet).add(spanOf(subnet));
    return entry;
  }

  #firstFree(source: Source, size: number, busy: readonly Span[]): bigint | undefined {
    const family = prefixFamily(source.base);
    const step = 1n << BigInt(addressWidth(family) - size);
    const { last } = spanOf(source.base);
    let onlyAllocatedSoFar = size === source.size;
    let first = alignUp(source.lowestFree, step);
    while (first + step - 1n <= last) {
      const span = { first, last: first + step - 1n };
      const allocated = this.#spans[family].overlapping(span);
      const taken = allocated ?? busy.find((other) => other.first <= span.last && other.last >= span.first);
      if (!taken) return first;
      first = alignUp(taken.last + 1n, step);
      // what only the host's routes hold today may be free tomorrow
      onlyAllocatedSoFar &&= allocated !== undefined;
      if (onlyAllocatedSoFar) source.lowestFree = first;
    }
    return undefined;
  }

  #countIn(sources: readonly PoolSource[]): number {
    const used = [...this.#subnets.values()].map(({ addresses }) => addresses.subnet);
    return used.filter((subnet) => sources.some(({ base }) => prefixesOverlap(base, subnet))).length;
  }
}

/** Pools of one subnet may differ by ranges that do not overlap; they share its addresses. */
function mayShare(subnet: Subnet, range: Prefix | undefined): boolean {
  if (!range) return false;
  return [...subnet.ranges.values()].every((other) => other !== undefined && !prefixesOverlap(other, range));
}

function rangeKey(range: Prefix | undefined): string {
  return range ? formatPrefix(range) : "";
}

function alignUp(value: bigint, step: bigint): bigint {
  return ((value + step - 1n) / step) * step;
}

function exhaustedMessage(sources: readonly PoolSource[], used: number): string {
  const names = sources.map(({ base, size }) => `${formatPrefix(base)} in /${size}`).join(", ");
  return (
    "all predefined address pools have been fully subnetted: " +
    `${used} networks and the host's own routes take ${names || "no pool at all"}; ` +
    "remove unused networks or give more room by default-address-pools"
  );
}
