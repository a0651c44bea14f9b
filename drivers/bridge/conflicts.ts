// What two bridge networks cannot share: a device, or addresses.

import { firstAddress, lastAddress, type Prefix } from "../../src/netip/index.ts";
import { forbidden } from "../../src/util/errors.ts";
import type { BridgeConfig } from "./options.ts";

interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

interface Claim {
  readonly config: BridgeConfig;
  readonly ipv4: Span | undefined;
  readonly ipv6: Span | undefined;
}

/** What the networks of this host hold. Thousands are an ordinary case, so a check compares numbers made once. */
export class Claims {
  readonly #claims = new Map<string, Claim>();

  /** @throws forbidden, with Docker's message, when another network holds a part of it */
  add(config: BridgeConfig): void {
    const claim = { config, ipv4: spanOf(config.ipv4?.pool), ipv6: spanOf(config.ipv6?.pool) };
    for (const other of this.#claims.values()) {
      const shared = sharedPart(claim, other);
      if (!shared) continue;
      const name = ({ networkId, link }: BridgeConfig) => `network ${networkId} (${link})`;
      throw forbidden(
        `cannot create ${name(config)}: conflicts with ${name(other.config)}: networks have ${shared}`,
      );
    }
    this.#claims.set(config.networkId, claim);
  }

  remove(networkId: string): void {
    this.#claims.delete(networkId);
  }
}

function sharedPart(a: Claim, b: Claim): string | undefined {
  if (a.config.link === b.config.link) return "same bridge name";
  if (overlap(a.ipv4, b.ipv4)) return "overlapping IPv4";
  if (overlap(a.ipv6, b.ipv6)) return "overlapping IPv6";
  return undefined;
}

function overlap(a: Span | undefined, b: Span | undefined): boolean {
  return a !== undefined && b !== undefined && a.first <= b.last && b.first <= a.last;
}

function spanOf(prefix: Prefix | undefined): Span | undefined {
  return prefix && { first: firstAddress(prefix).value, last: lastAddress(prefix).value };
}
