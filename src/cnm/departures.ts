// Links that a driver made inside sandboxes and that are on their way out of them. The kernel takes tens of milliseconds
// for each, for which no disconnect waits; but until then such a link holds its MAC, and maybe the whole parent.

import type { NetworkDriver } from "../driverapi/index.ts";

/** Owned by the controller. */
export class Departures {
  readonly #going = new Map<NetworkDriver, Set<Promise<unknown>>>();

  /** `gone` settles when the link is gone, or cannot be deleted. */
  note(driver: NetworkDriver, gone: Promise<unknown>): void {
    const going = this.#going.get(driver) ?? new Set();
    this.#going.set(driver, going.add(gone));
    const forget = () => going.delete(gone);
    gone.then(forget, forget);
  }

  /** Resolves when nothing that goes now is in the way of another link of that driver. */
  async settled(driver: NetworkDriver): Promise<void> {
    await Promise.allSettled(this.#going.get(driver) ?? []);
  }
}
