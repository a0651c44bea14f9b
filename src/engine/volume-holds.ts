// Volumes that containers will use which are still being created: nobody else knows of them yet.

/** Kept in memory alone: a container that is not on record when a daemon ends is none. */
export class VolumeHolds {
  readonly #byHolder = new Map<string, Set<string>>();

  /** Of one container, until its record says the same or it is given up. */
  open(containerId: string): VolumeHold {
    const names = new Set<string>();
    this.#byHolder.set(containerId, names);
    return {
      add: (name) => void names.add(name),
      [Symbol.dispose]: () => void this.#byHolder.delete(containerId),
    };
  }

  /** Ids of the containers-to-be that hold a volume. */
  holders(name: string): string[] {
    return [...this.#byHolder].flatMap(([id, names]) => (names.has(name) ? [id] : []));
  }
}

export interface VolumeHold extends Disposable {
  /** The volume need not be there yet. */
  add(name: string): void;
}
