// What two bridge networks cannot share: a device, or addresses.

import { type Family, firstAddress, lastAddress, type Prefix, prefixFamily } from "../../src/netip/index.ts";
import { forbidden } from "../../src/util/errors.ts";
import type { BridgeConfig } from "./options.ts";

interface Span {
  readonly first: bigint;
  readonly last: bigint;
  readonly config: BridgeConfig;
}

/** What the networks of this host hold. Thousands are an ordinary case, so spans are in order and found by halving. */
export class Claims {
  readonly #byLink = new Map<string, BridgeConfig>();
  readonly #configs = new Map<string, BridgeConfig>();
  readonly #spans: { readonly [F in Family]: Span[] } = { 4: [], 6: [] };

  /** @throws forbidden, with Docker's message, when another network holds a part of it */
  add(config: BridgeConfig): void {
    const sameLink = this.#byLink.get(config.link);
    if (sameLink) throw conflictWith(config, sameLink, "same bridge name");
    const spans = [...config.ipv4, ...config.ipv6].map(({ pool }) => ({ pool, ...spanOf(pool) }));
    for (const { pool, first, last } of spans) {
      const other = this.#overlapping(prefixFamily(pool), { first, last });
      if (other) throw conflictWith(config, other, `overlapping IPv${prefixFamily(pool)}`);
    }
    for (const { pool, first, last } of spans) {
      const ordered = this.#spans[prefixFamily(pool)];
      ordered.splice(place(ordered, first), 0, { first, last, config });
    }
    this.#byLink.set(config.link, config);
    this.#configs.set(config.networkId, config);
  }

  remove(networkId: string): void {
    const config = this.#configs.get(networkId);
    if (!config) return;
    this.#configs.delete(networkId);
    this.#byLink.delete(config.link);
    for (const { pool } of [...config.ipv4, ...config.ipv6]) {
      const ordered = this.#spans[prefixFamily(pool)];
      const at = place(ordered, spanOf(pool).first);
      if (ordered[at]?.config.networkId === networkId) ordered.splice(at, 1);
    }
  }

  #overlapping(family: Family, { first, last }: Omit<Span, "config">): BridgeConfig | undefined {
    const found = this.#spans[family][place(this.#spans[family], first)];
    return found && found.first <= last ? found.config : undefined;
  }
}

/** Where the first span is that ends at or after `value`. */
function place(ordered: readonly Span[], value: bigint): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const span = ordered[middle];
    if (span && span.last < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function spanOf(prefix: Prefix): Omit<Span, "config"> {
  return { first: firstAddress(prefix).value, last: lastAddress(prefix).value };
}

function conflictWith(config: BridgeConfig, other: BridgeConfig, shared: string): Error {
  const name = ({ networkId, link }: BridgeConfig) => `network ${networkId} (${link})`;
  return forbidden(`cannot create ${name(config)}: conflicts with ${name(other)}: networks have ${shared}`);
}
