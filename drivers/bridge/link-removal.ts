// Deleting links. The kernel waits for an RCU grace period under its global lock for each deletion message (10-40 ms),
// but deletes any number of links of one group for the price of one: what comes while it waits is collected.

import type { Host } from "../../src/driverapi/index.ts";

/** Links on their way out wear this group ("td" in ASCII); nothing else uses it. */
const doomedGroup = 0x7464;

/** How long a deletion that nobody waits for may wait for company. */
const lazinessMs = 100;

/** Deletes links by name, many at a time. */
export class LinkRemoval {
  readonly #host: Pick<Host, "netlink" | "link">;
  readonly #pending = new Map<string, Promise<void>>();
  #waiting: { name: string; done: () => void; failed: (reason: unknown) => void }[] = [];
  #running = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(host: Pick<Host, "netlink" | "link">) {
    this.#host = host;
  }

  /**
   * Resolves when the link is gone; one that is gone already is no error. `lazy`: others may come along first, so that
   * a burst of deletions is paid for once and holds up nobody who makes links meanwhile.
   */
  remove(name: string, { lazy = false } = {}): Promise<void> {
    const known = this.#pending.get(name);
    const promise = known ?? this.#add(name);
    if (!lazy) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), lazinessMs);
    return promise;
  }

  /** Resolves at once unless the name is on its way out; then when it is free again. */
  async freed(name: string): Promise<void> {
    const pending = this.#pending.get(name);
    if (!pending) return;
    this.#start();
    await pending.catch(() => undefined);
  }

  /** Resolves when nothing is on its way out. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) {
      this.#start();
      await Promise.allSettled(this.#pending.values());
    }
  }

  #add(name: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.set(name, promise);
    this.#waiting.push({ name, done: resolve, failed: reject });
    const forget = () => this.#pending.delete(name);
    promise.then(forget, forget);
    return promise;
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#delete(batch.map(({ name }) => name));
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#running = false;
  }

  async #delete(names: readonly string[]): Promise<void> {
    const { deleteLink, deleteLinkGroup, setLink, unless } = this.#host.link;
    const [only] = names;
    const requests =
      names.length === 1 && only !== undefined
        ? [deleteLink(only)]
        : [...names.map((name) => setLink(name, { group: doomedGroup })), deleteLinkGroup(doomedGroup)];
    // every request of a batch is tried, so one that is gone already does not keep the others
    await unless(["ENODEV"], this.#host.netlink.send(...requests));
  }
}
