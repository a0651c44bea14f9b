// The pools of one address space: which subnets are allocated, and which is the next free one.

import { alignUp, larger, type Span, spanOf } from "../../src/driverkit/index.ts";
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
import { type PoolSource, spareSources } from "./default-pools.ts";
import { Intervals } from "./intervals.ts";

interface Subnet {
  readonly addresses: AddressSet;
  /** Whose it is, for messages. */
  readonly owner: string | undefined;
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
  /** Below this every subnet is allocated or excluded: where the search starts. */
  lowestFree: bigint;
}

/** What is wanted of `choose`. */
export interface Choice {
  readonly family: Family;
  /** What it must not overlap: the host's routes. */
  readonly exclude: readonly Prefix[];
  /** Length of the subnet; absent: each source's own. */
  readonly size?: number;
}

/** How many names a message holds. */
const mostNames = 5;

/** Sorts pools by address, so that the search for a free one is O(log n) whatever is allocated. */
export class AddressSpace {
  readonly #sources: readonly Source[];
  readonly #subnets = new Map<string, Subnet>();
  readonly #spans: { readonly [F in Family]: Intervals } = { 4: new Intervals(), 6: new Intervals() };
  readonly #hostId: string;
  /** What was excluded when `lowestFree` was found, by family. */
  readonly #excluded = new Map<Family, string>();

  constructor(sources: readonly PoolSource[], hostId = "") {
    this.#hostId = hostId;
    this.#sources = sources.map((source) => ({ ...source, lowestFree: spanOf(source.base).first }));
  }

  /** @throws forbidden when it overlaps an allocated subnet that it does not share by disjoint ranges */
  allocate(subnet: Prefix, range: Prefix | undefined, owner?: string): Pool {
    const key = formatPrefix(subnet);
    const shared = this.#subnets.get(key);
    if (shared ? !mayShare(shared, range) : this.#spansOf(subnet).overlapping(spanOf(subnet)))
      throw forbidden("Pool overlaps with other one on this address space");
    const entry = shared ?? this.#addSubnet(key, subnet, owner);
    entry.ranges.set(rangeKey(range), range);
    return { subnet, addresses: entry.addresses, ...(range && { range }) };
  }

  /** The first subnet of the sources that overlaps nothing. @throws invalid when none is left, saying who has them */
  choose({ family, exclude, size }: Choice): Prefix {
    const sources = this.#sources.filter(({ base }) => prefixFamily(base) === family);
    const busy = merged(exclude.filter((prefix) => prefixFamily(prefix) === family).map(spanOf));
    this.#searchAnewIfChanged(family, busy);
    for (const source of sources) {
      const first = this.#firstFree(source, size ?? source.size, busy);
      if (first !== undefined) return { address: { family, value: first }, length: size ?? source.size };
    }
    throw invalid(this.#exhausted(sources, { family, busy }));
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

  #addSubnet(key: string, subnet: Prefix, owner: string | undefined): Subnet {
    const entry = { addresses: new AddressSet(subnet), owner, ranges: new Map() };
    this.#subnets.set(key, entry);
    this.#spansOf(subnet).add(spanOf(subnet));
    return entry;
  }

  /** The host's routes change seldom; when they do, what they kept may be free. */
  #searchAnewIfChanged(family: Family, busy: Intervals): void {
    const excluded = busy.key();
    if (excluded === this.#excluded.get(family)) return;
    this.#excluded.set(family, excluded);
    for (const source of this.#sources)
      if (prefixFamily(source.base) === family) source.lowestFree = spanOf(source.base).first;
  }

  #firstFree(source: Source, size: number, busy: Intervals): bigint | undefined {
    const family = prefixFamily(source.base);
    const step = 1n << BigInt(addressWidth(family) - size);
    const { last } = spanOf(source.base);
    let first = alignUp(source.lowestFree, step);
    while (first + step - 1n <= last) {
      const span = { first, last: first + step - 1n };
      const taken = this.#spans[family].overlapping(span) ?? busy.overlapping(span);
      if (!taken) return first;
      first = alignUp(taken.last + 1n, step);
      // of another size there may be some in between
      if (size === source.size) source.lowestFree = first;
    }
    return undefined;
  }

  #exhausted(
    sources: readonly Source[],
    { family, busy }: { readonly family: Family; readonly busy: Intervals },
  ): string {
    const uses = sources.map((source) => this.#useOf(source, busy));
    const spare = this.#spareSource(family, busy);
    const line = [...sources, ...(spare ? [spare] : [])]
      .map(({ base, size }) => `{"base": "${formatPrefix(base)}", "size": ${size}}`)
      .join(", ");
    return (
      `all predefined address pools have been fully subnetted: ${uses.join("; ") || "there are none"}. ` +
      `Remove networks that are not used, or give more room in daemon.json: "default-address-pools": [${line}]`
    );
  }

  /** `10.0.0.0/8 in /24 is used by 2 networks (x1, x2) and by what the host reaches`. */
  #useOf(source: Source, busy: Intervals): string {
    const inside = [...this.#subnets.values()].filter(({ addresses }) =>
      prefixesOverlap(source.base, addresses.subnet),
    );
    const names = [...new Set(inside.map(({ owner, addresses }) => owner ?? formatPrefix(addresses.subnet)))];
    const more = names.length > mostNames ? ` and ${names.length - mostNames} more` : "";
    const host = busy.overlapping(spanOf(source.base)) ? " and by what the host itself reaches" : "";
    const networks =
      names.length === 0
        ? "no network"
        : `${names.length} network${names.length > 1 ? "s" : ""} (${names.slice(0, mostNames).join(", ")}${more})`;
    return `${formatPrefix(source.base)} in /${source.size} is used by ${networks}${host}`;
  }

  #spareSource(family: Family, busy: Intervals): PoolSource | undefined {
    const isFree = ({ base }: PoolSource) =>
      !this.#spans[family].overlapping(spanOf(base)) &&
      !busy.overlapping(spanOf(base)) &&
      !this.#sources.some((source) => prefixesOverlap(source.base, base));
    for (const source of spareSources(family, this.#hostId)) if (isFree(source)) return source;
    return undefined;
  }
}

/** Spans of which some may overlap, as spans of which none does. */
function merged(spans: readonly Span[]): Intervals {
  const disjoint = new Intervals();
  let open: Span | undefined;
  for (const span of spans.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    if (open && span.first <= open.last) {
      open = { first: open.first, last: larger(open.last, span.last) };
      continue;
    }
    if (open) disjoint.add(open);
    open = span;
  }
  if (open) disjoint.add(open);
  return disjoint;
}

/** Pools of one subnet may differ by ranges that do not overlap; they share its addresses. */
function mayShare(subnet: Subnet, range: Prefix | undefined): boolean {
  if (!range) return false;
  return [...subnet.ranges.values()].every((other) => other !== undefined && !prefixesOverlap(other, range));
}

function rangeKey(range: Prefix | undefined): string {
  return range ? formatPrefix(range) : "";
}
