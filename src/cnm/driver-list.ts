// Drivers by name: those that the daemon was built with, and others that are found when somebody names them.

import type { IpamDriver, NetworkDriver } from "../driverapi/index.ts";

/** Drivers that are somebody else's programs. */
export interface OtherDrivers<T> {
  /** Looks for it now. Undefined: there is none. @throws not-found when it is something else; unavailable */
  find(name: string): Promise<T | undefined>;
  /** One that was here in an earlier life, for what is on record; it may not be there yet. */
  recall(name: string): T | undefined;
  /** Whether it did not answer the last time. */
  isAway(name: string): boolean;
  /** Tells when some may have come. */
  follow(listener: () => void): () => void;
  /** Of all that say where they are and answer, whether anybody has named them or not. */
  names?(): Promise<readonly string[]>;
}

/** Of both kinds. */
export interface PluginDrivers {
  readonly network: OtherDrivers<NetworkDriver>;
  readonly ipam: OtherDrivers<IpamDriver>;
}

/** Without others there are only those that were given. */
export class DriverList<T extends { readonly name: string }> {
  readonly #known: Map<string, T>;
  readonly #others: OtherDrivers<T> | undefined;

  constructor(given: readonly T[], others?: OtherDrivers<T>) {
    this.#known = new Map(given.map((driver) => [driver.name, driver]));
    this.#others = others;
  }

  /** One that was given or found before. */
  get(name: string): T | undefined {
    return this.#known.get(name);
  }

  /** For a user who names it. @throws see `OtherDrivers.find` */
  async find(name: string): Promise<T | undefined> {
    return this.get(name) ?? this.#note(name, await this.#others?.find(name));
  }

  /** For what is on record: whether its driver is there shows when it is called. */
  recall(name: string): T | undefined {
    return this.get(name) ?? this.#note(name, this.#others?.recall(name));
  }

  /** Whether it is a program that does not answer at the moment. */
  isAway(name: string): boolean {
    return this.#others?.isAway(name) ?? false;
  }

  /** Tells when drivers may have come that were away. */
  follow(listener: () => void): () => void {
    return this.#others?.follow(listener) ?? (() => undefined);
  }

  /** In the order of their coming; then those that nobody has named yet. */
  async names(): Promise<string[]> {
    return [...new Set([...this.#known.keys(), ...((await this.#others?.names?.()) ?? [])])];
  }

  all(): T[] {
    return [...this.#known.values()];
  }

  #note(name: string, driver: T | undefined): T | undefined {
    if (driver) this.#known.set(name, driver);
    return driver;
  }
}
