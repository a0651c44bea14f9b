// Disjoint spans of addresses in order: tells in O(log n) whether a prefix overlaps one.

import type { Span } from "../../src/driverkit/index.ts";

/** Spans of one family, none of which overlaps another. */
export class Intervals {
  readonly #spans: Span[] = [];

  /** The lowest span that shares an address with `span`. */
  overlapping(span: Span): Span | undefined {
    const found = this.#spans[this.#firstEndingAtOrAfter(span.first)];
    return found && found.first <= span.last ? found : undefined;
  }

  /** @throws when it overlaps one that is there: the caller asks first */
  add(span: Span): void {
    if (this.overlapping(span)) throw new RangeError("spans overlap");
    this.#spans.splice(this.#firstEndingAtOrAfter(span.first), 0, span);
  }

  /** Removes exactly this span; nothing happens when it is not there. */
  remove(span: Span): void {
    const at = this.#firstEndingAtOrAfter(span.first);
    if (this.#spans[at]?.first === span.first && this.#spans[at]?.last === span.last)
      this.#spans.splice(at, 1);
  }

  /** The same text for the same spans. */
  key(): string {
    return this.#spans.map(({ first, last }) => `${first}-${last}`).join(" ");
  }

  #firstEndingAtOrAfter(value: bigint): number {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const span = this.#spans[middle];
      if (span && span.last < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
