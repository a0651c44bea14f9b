// Which ports are leased, by address: bookkeeping without sockets.

import { type Address, formatAddress, isUnspecified, type PortRange, type Protocol } from "../netip/index.ts";

/** A port that cannot be had, and where. */
export interface LeaseConflict {
  readonly address: Address;
  readonly port: number;
}

/** Leased ports. An unspecified address stands for all addresses of its family. */
export class LeaseTable {
  /** `tcp 4 any`, `tcp 6 ::1` → its ports, a bit each. */
  readonly #leased = new Map<string, PortBits>();

  /** The first of the ports, and of the addresses, that cannot be had because of an earlier lease. */
  conflictOf(
    protocol: Protocol,
    addresses: readonly Address[],
    { first, last }: PortRange,
  ): LeaseConflict | undefined {
    const rivals = addresses.map((address) => ({ address, sets: this.#rivals(protocol, address) }));
    for (let port = first; port <= last; port++) {
      const taken = rivals.find(({ sets }) => sets.some((bits) => bits.has(port)));
      if (taken) return { address: taken.address, port };
    }
    return undefined;
  }

  add(protocol: Protocol, addresses: readonly Address[], ports: PortRange): void {
    for (const address of addresses) {
      const key = keyOf(protocol, address);
      const bits = this.#leased.get(key) ?? new PortBits();
      this.#leased.set(key, bits);
      bits.set(ports, true);
    }
  }

  remove(protocol: Protocol, addresses: readonly Address[], ports: PortRange): void {
    for (const address of addresses) {
      const key = keyOf(protocol, address);
      const bits = this.#leased.get(key);
      bits?.set(ports, false);
      if (bits?.size === 0) this.#leased.delete(key);
    }
  }

  /** The sets in which a port may not be. */
  #rivals(protocol: Protocol, address: Address): PortBits[] {
    const family = `${protocol} ${address.family} `;
    if (isUnspecified(address))
      return [...this.#leased].filter(([key]) => key.startsWith(family)).map(([, bits]) => bits);
    const keys = [keyOf(protocol, address), `${family}any`];
    return keys.flatMap((key) => this.#leased.get(key) ?? []);
  }
}

/** A set of ports, 8 kB whatever is in it. */
class PortBits {
  readonly #bytes = new Uint8Array(8192);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(port: number): boolean {
    return ((this.#bytes[port >> 3] ?? 0) & (1 << (port & 7))) !== 0;
  }

  set({ first, last }: PortRange, isIn: boolean): void {
    for (let port = first; port <= last; port++) {
      if (this.has(port) === isIn) continue;
      this.#bytes[port >> 3] = (this.#bytes[port >> 3] ?? 0) ^ (1 << (port & 7));
      this.#size += isIn ? 1 : -1;
    }
  }
}

function keyOf(protocol: Protocol, address: Address): string {
  return `${protocol} ${address.family} ${isUnspecified(address) ? "any" : formatAddress(address)}`;
}
