// Deleting links. The kernel holds its global lock for a deletion message: some 20 ms, and for a bridge 20 more each.
// Nobody makes or changes a link meanwhile. So deletions that nobody waits for go a few at a time, with pauses.

import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "../../src/driverapi/index.ts";

/** Links on their way out wear this group ("td" in ASCII); nothing else uses it. */
const doomedGroup = 0x7464;

/** How long a deletion that nobody waits for may wait for company. */
const lazinessMs = 100;

/** Of one message, when somebody waits for them and when nobody does. */
const mostAtOnce = { awaited: 16, lazy: 4 } as const;

interface Doomed {
  readonly name: string;
  isAwaited: boolean;
  readonly gone: PromiseWithResolvers<void>;
}

/** Deletes links by name, several at a time. */
export class LinkRemoval {
  readonly #host: Pick<Host, "netlink" | "link">;
  readonly #pending = new Map<string, Doomed>();
  #queue: Doomed[] = [];
  #running = false;
  #timer: NodeJS.Timeout | undefined;
  #pause: AbortController | undefined;

  constructor(host: Pick<Host, "netlink" | "link">) {
    this.#host = host;
  }

  /**
   * Resolves when the link is gone; one that is gone already is no error. `lazy`: others may come along or go first,
   * so that a burst of deletions holds up nobody who makes links meanwhile.
   */
  remove(name: string, { lazy = false } = {}): Promise<void> {
    const doomed = this.#pending.get(name) ?? this.#add(name);
    if (!lazy) this.#hurry([doomed]);
    else this.#timer ??= setTimeout(() => this.#start(), lazinessMs);
    return doomed.gone.promise;
  }

  /** Resolves at once unless the name is on its way out; then when it is free again. */
  async freed(name: string): Promise<void> {
    const doomed = this.#pending.get(name);
    if (!doomed) return;
    this.#hurry([doomed]);
    await doomed.gone.promise.catch(() => undefined);
  }

  /** Resolves when nothing is on its way out. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) {
      this.#hurry(this.#pending.values());
      await Promise.allSettled([...this.#pending.values()].map(({ gone }) => gone.promise));
    }
  }

  #add(name: string): Doomed {
    const doomed: Doomed = { name, isAwaited: false, gone: Promise.withResolvers<void>() };
    this.#pending.set(name, doomed);
    this.#queue.push(doomed);
    const forget = () => this.#pending.delete(name);
    doomed.gone.promise.then(forget, forget);
    return doomed;
  }

  #hurry(links: Iterable<Doomed>): void {
    for (const doomed of links) doomed.isAwaited = true;
    this.#pause?.abort();
    this.#start();
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      const begin = performance.now();
      await this.#deleteSome(this.#take());
      // others get the kernel's lock for as long as we had it
      if (this.#queue.length > 0) await this.#rest(performance.now() - begin);
    }
    this.#running = false;
  }

  /** What somebody waits for goes first. */
  #take(): Doomed[] {
    const awaited = this.#queue.filter(({ isAwaited }) => isAwaited).slice(0, mostAtOnce.awaited);
    const batch = awaited.length > 0 ? awaited : this.#queue.slice(0, mostAtOnce.lazy);
    const taken = new Set(batch);
    this.#queue = this.#queue.filter((doomed) => !taken.has(doomed));
    return batch;
  }

  async #rest(ms: number): Promise<void> {
    if (this.#queue.some(({ isAwaited }) => isAwaited)) return;
    this.#pause = new AbortController();
    await sleep(ms, undefined, { signal: this.#pause.signal }).catch(() => undefined);
    this.#pause = undefined;
  }

  async #deleteSome(batch: readonly Doomed[]): Promise<void> {
    try {
      await this.#delete(batch.map(({ name }) => name));
      for (const { gone } of batch) gone.resolve();
    } catch (error) {
      for (const { gone } of batch) gone.reject(error);
    }
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
