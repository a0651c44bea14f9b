// Which ports are leased, by address: bookkeeping without sockets.

import { type Address, formatAddress, isUnspecified, type Protocol } from "../netip/index.ts";

/** Leased ports. An unspecified address stands for all addresses of its family. */
export class LeaseTable {
  /** `tcp/8080` → addresses. */
  readonly #leased = new Map<string, Set<string>>();

  /** The first of the addresses that cannot have the port because of an earlier lease. */
  conflictOf(protocol: Protocol, addresses: readonly Address[], port: number): Address | undefined {
    const held = this.#leased.get(`${protocol}/${port}`);
    return held && addresses.find((address) => overlaps(held, address));
  }

  add(protocol: Protocol, addresses: readonly Address[], port: number): void {
    const key = `${protocol}/${port}`;
    const held = this.#leased.get(key) ?? new Set();
    for (const address of addresses) held.add(addressKey(address));
    this.#leased.set(key, held);
  }

  remove(protocol: Protocol, addresses: readonly Address[], port: number): void {
    const key = `${protocol}/${port}`;
    const held = this.#leased.get(key);
    for (const address of addresses) held?.delete(addressKey(address));
    if (held?.size === 0) this.#leased.delete(key);
  }
}

function overlaps(held: ReadonlySet<string>, address: Address): boolean {
  if (!isUnspecified(address)) return held.has(addressKey(address)) || held.has(anyKey(address));
  return [...held].some((key) => key.startsWith(`${address.family} `));
}

function addressKey(address: Address): string {
  return isUnspecified(address) ? anyKey(address) : `${address.family} ${formatAddress(address)}`;
}

function anyKey({ family }: Address): string {
  return `${family} any`;
}
