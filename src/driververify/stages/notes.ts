// Parts of a host that keep in memory what a driver asked for, so that what is left of it can be told.

import type { Host, PortLease, PortRequest } from "../../driverapi/index.ts";
import type { Firewall, Rule } from "../../firewall/index.ts";
import { formatPortRange } from "../../netip/index.ts";
import { decodeRecord, encodeRecord } from "../../store/codec.ts";

/** Records that outlive an instance, in the form that a store gives them: a copy each time. */
export class NotedRecords {
  readonly name = "driver";
  readonly #texts = new Map<string, string>();

  get size(): number {
    return this.#texts.size;
  }

  get(key: string): unknown {
    const text = this.#texts.get(key);
    return text === undefined ? undefined : decodeRecord(text);
  }

  has(key: string): boolean {
    return this.#texts.has(key);
  }

  *values(): IterableIterator<unknown> {
    for (const text of this.#texts.values()) yield decodeRecord(text);
  }

  *entries(): IterableIterator<[string, unknown]> {
    for (const [key, text] of this.#texts) yield [key, decodeRecord(text)];
  }

  async put(key: string, record: unknown): Promise<void> {
    this.#texts.set(key, encodeRecord(record));
  }

  async delete(key: string): Promise<void> {
    this.#texts.delete(key);
  }
}

/** Who has rules, besides what the firewall does with them. */
export class NotedFirewall implements Firewall {
  readonly owners = new Map<string, number>();
  #real: Firewall;

  constructor(real: Firewall) {
    this.#real = real;
  }

  /** The firewall of the next daemon, which knows of nothing yet. */
  replace(real: Firewall): void {
    this.#real = real;
    this.owners.clear();
  }

  get backend(): Firewall["backend"] {
    return this.#real.backend;
  }

  async set(owner: string, rules: readonly Rule[]): Promise<void> {
    await this.#real.set(owner, rules);
    if (rules.length > 0) this.owners.set(owner, rules.length);
    else this.owners.delete(owner);
  }

  describe(owner: string): readonly string[] {
    return this.#real.describe(owner);
  }
}

/** Leases that were not given back. */
export class NotedPorts implements Pick<Host["ports"], "reserve"> {
  readonly #real: Host["ports"];
  readonly #leases = new Set<PortLease>();

  constructor(real: Host["ports"]) {
    this.#real = real;
  }

  async reserve(requests: readonly PortRequest[]): Promise<PortLease[]> {
    const leases = await this.#real.reserve(requests);
    return leases.map((lease) => this.#noted(lease));
  }

  /** Those that hold a socket still. */
  held(): string[] {
    return [...this.#leases]
      .filter(({ parked }) => parked.length > 0)
      .map(({ protocol, ports }) => `${formatPortRange(ports)}/${protocol}`);
  }

  /** As when the process ends that has them. */
  close(): void {
    for (const lease of this.#leases) lease.release();
    this.#leases.clear();
  }

  #noted(lease: PortLease): PortLease {
    this.#leases.add(lease);
    return lease;
  }
}

/** Who has connections forwarded. */
export class NotedForwarder {
  readonly owners = new Map<string, number>();

  async setForwards(
    owner: string,
    ...[forwards, held]: TailOf<Host["forwarder"]["setForwards"]>
  ): Promise<void> {
    const count = forwards.length + held.length;
    if (count > 0) this.owners.set(owner, count);
    else this.owners.delete(owner);
  }
}

type TailOf<F extends (...args: never[]) => unknown> =
  Parameters<F> extends readonly [unknown, ...infer Rest] ? Rest : never;
