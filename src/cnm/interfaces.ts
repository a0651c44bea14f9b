// The interfaces of one sandbox: which names and indexes are free for the next one, and which links are on their way out.

import type { Endpoint } from "./endpoint.ts";
import { chosenInterfaceName, freeInterfaceName } from "./endpoint-options.ts";
import type { Memory } from "./memory.ts";
import type { EndpointSpec } from "./types.ts";

/** Owned by its sandbox. */
export class Interfaces {
  readonly #memory: Memory;
  readonly #containerId: string;
  #nextIndex = 2; // 1 is lo
  /** Networks that are joined next: their interfaces keep their names. */
  #awaited: readonly EndpointSpec[] = [];
  readonly #leaving = new Set<number>();

  constructor(memory: Memory, containerId: string) {
    this.#memory = memory;
    this.#containerId = containerId;
  }

  get freeIndex(): number {
    return this.#nextIndex;
  }

  /** From now on its index is taken. */
  note({ record: { link } }: Endpoint): void {
    this.#nextIndex = Math.max(this.#nextIndex, (link?.index ?? 1) + 1);
  }

  /** These are joined next, their networks by id. */
  await(specs: readonly EndpointSpec[]): void {
    this.#awaited = specs;
  }

  /** The name that the container had on the network, or the lowest one that is free beside these endpoints. */
  freeName(prefix: string, networkId: string, endpoints: readonly Endpoint[]): string {
    return freeInterfaceName(prefix, {
      before: this.#nameBefore(networkId),
      taken: [...namesOf(endpoints), ...this.#awaited.map(chosenInterfaceName)],
      promised: this.#awaited.map(({ network }) => this.#nameBefore(network)),
    });
  }

  /** The name of one that is joined beside those that are awaited, as if after them. */
  lastName(prefix: string, networkId: string): string {
    const awaited = this.#awaited.map((spec) => chosenInterfaceName(spec) ?? this.#nameBefore(spec.network));
    const taken: (string | undefined)[] = [...awaited];
    const next = (before?: string) => freeInterfaceName(prefix, { before, taken, promised: [] });
    // what those get that have none yet
    for (const name of awaited) if (name === undefined) taken.push(next());
    return next(this.#nameBefore(networkId));
  }

  /** The endpoint's link is about to be deleted: nobody sees it any more. */
  hide({ record: { link } }: Endpoint): void {
    if (link) this.#leaving.add(link.index);
  }

  /** It is gone, and another may have its index. */
  forget({ record: { link } }: Endpoint): void {
    if (link) this.#leaving.delete(link.index);
  }

  isHidden(index: number): boolean {
    return this.#leaving.has(index);
  }

  #nameBefore(networkId: string): string | undefined {
    return this.#memory.of(this.#containerId, networkId)?.interfaceName;
  }
}

/** Names that interfaces of these endpoints have. */
export function namesOf(endpoints: readonly Endpoint[]): ReadonlySet<string | undefined> {
  return new Set(endpoints.map(({ record }) => record.link?.name));
}
