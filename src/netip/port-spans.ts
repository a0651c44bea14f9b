// Arithmetic of port ranges: what two have in common, what is left of one, which of many lie where.

import type { PortRange } from "./port.ts";

/** The ports that both have; undefined when there are none. */
export function commonPorts(a: PortRange, b: PortRange): PortRange | undefined {
  const first = Math.max(a.first, b.first);
  const last = Math.min(a.last, b.last);
  return first <= last ? { first, last } : undefined;
}

/** What is left of the ranges without the ports of the others, in order. */
export function portsWithout(ranges: readonly PortRange[], gone: readonly PortRange[]): PortRange[] {
  const spans = new PortSpans(gone.map((ports) => ({ ports })));
  return ranges.flatMap((range) => {
    const left: PortRange[] = [];
    let first = range.first;
    for (const { ports } of spans.within(range)) {
      if (ports.first > first) left.push({ first, last: ports.first - 1 });
      first = Math.max(first, ports.last + 1);
    }
    if (first <= range.last) left.push({ first, last: range.last });
    return left;
  });
}

/** Things that have a range each, none of which overlap, found by range without looking at all. */
export class PortSpans<T extends { readonly ports: PortRange }> {
  readonly #sorted: readonly T[];

  constructor(spans: readonly T[]) {
    this.#sorted = spans.toSorted((a, b) => a.ports.first - b.ports.first);
  }

  /** Those that have ports of the range, in order. */
  within({ first, last }: PortRange): T[] {
    const found: T[] = [];
    for (let at = this.#firstFrom(first); at < this.#sorted.length; at++) {
      const span = this.#sorted[at];
      if (!span || span.ports.first > last) break;
      found.push(span);
    }
    return found;
  }

  /** Index of the first one that ends at `port` or behind. */
  #firstFrom(port: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle]?.ports.last ?? 0) < port) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
