// Deleting links. A deletion message takes the kernel some 15 ms, however many links it is for. It holds its global lock,
// without which nobody makes or changes a link, for half a millisecond of that for each port, and for 16 ms for each
// bridge (rcu_barrier in br_multicast_dev_del of net/bridge/br_multicast.c): so messages go beside all others, and those
// that nobody waits for are about a few links each, and come when nobody makes links.

import type { Host } from "../../src/driverapi/index.ts";

/** Links on their way out wear this group ("td" in ASCII); nothing else uses it. */
const doomedGroup = 0x7464;

/** How long nobody has made or changed links when those go that nobody waits for. */
const quietMs = 100;

/** How long such a link waits for that at most; and when they go all the same, the time that the lock is left to others. */
const patienceMs = 2_000;
const pauseMs = 100;

/** Where so many wait, they go at once. */
const mostWaiting = 256;

/** Of one message, when somebody waits for them, when nobody does, and when all go and the rest of the host wants the lock. */
const mostAtOnce = { awaited: 32, lazy: 4, all: 8 } as const;

interface Doomed {
  readonly name: string;
  readonly isBridge: boolean;
  readonly since: number;
  isAwaited: boolean;
  readonly gone: PromiseWithResolvers<void>;
}

/** Deletes links by name, several at a time. */
export class LinkRemoval {
  readonly #host: Pick<Host, "netlink" | "link">;
  readonly #pending = new Map<string, Doomed>();
  /** Could not be deleted: tried again when others are. */
  readonly #failed = new Map<string, Pick<Doomed, "isBridge">>();
  #queue: Doomed[] = [];
  #running = false;
  /** Of a message that somebody waits for. */
  #most: number = mostAtOnce.awaited;
  #timer: NodeJS.Timeout | undefined;
  /** When somebody last made or changed links; when a message was last done that nobody waited for. */
  #disturbedAt = 0;
  #deletedAt = 0;

  constructor(host: Pick<Host, "netlink" | "link">) {
    this.#host = host;
  }

  /** Somebody makes or changes links: what nobody waits for is put off. */
  disturb(): void {
    this.#disturbedAt = performance.now();
  }

  /**
   * Resolves when the link is gone; one that is gone already is no error. `lazy`: others may come along or go first,
   * so that a burst of deletions holds up nobody who makes links meanwhile; a bridge, which takes long, goes alone then.
   */
  remove(name: string, { lazy = false, isBridge = false } = {}): Promise<void> {
    this.#retry();
    const doomed = this.#pending.get(name) ?? this.#add(name, isBridge);
    if (!lazy) this.#hurry([doomed]);
    else this.#putOff();
    return doomed.gone.promise;
  }

  /** Resolves at once unless the name is on its way out; then when it is free again. */
  async freed(name: string): Promise<void> {
    this.#retry();
    const doomed = this.#pending.get(name);
    if (!doomed) return;
    this.#hurry([doomed]);
    await doomed.gone.promise.catch(() => undefined);
  }

  /** How many are on their way out. */
  get size(): number {
    return this.#pending.size;
  }

  /**
   * Resolves when nothing is on its way out, or, after `withinMs`, when the message under way is done; what is not gone
   * by then stays. Answers how many that are.
   */
  async settle({ withinMs }: { readonly withinMs?: number } = {}): Promise<number> {
    let left = 0;
    this.#most = withinMs === undefined ? mostAtOnce.awaited : mostAtOnce.all;
    const giveUp = () => {
      const links = this.#queue.splice(0);
      left += links.length;
      for (const { gone } of links) gone.resolve();
    };
    const timer = withinMs === undefined ? undefined : setTimeout(giveUp, withinMs);
    while (this.#pending.size > 0) {
      this.#hurry(this.#pending.values());
      await Promise.allSettled([...this.#pending.values()].map(({ gone }) => gone.promise));
    }
    clearTimeout(timer);
    return left;
  }

  #add(name: string, isBridge = false): Doomed {
    const gone = Promise.withResolvers<void>();
    const doomed: Doomed = { name, isBridge, since: performance.now(), isAwaited: false, gone };
    this.#pending.set(name, doomed);
    this.#queue.push(doomed);
    const forget = () => this.#pending.delete(name);
    doomed.gone.promise.then(forget, forget);
    return doomed;
  }

  #hurry(links: Iterable<Doomed>): void {
    for (const doomed of links) doomed.isAwaited = true;
    this.#start();
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#running) void this.#run();
  }

  /** Comes back when there is quiet, or no more time for it. */
  #putOff(): void {
    if (this.#running) return;
    this.#timer ??= setTimeout(() => this.#start(), this.#delayMs());
  }

  /** How long what nobody waits for has to wait from now on. */
  #delayMs(): number {
    const [oldest] = this.#queue;
    if (!oldest || this.#queue.length > mostWaiting) return 0;
    const quietAt = Math.max(this.#disturbedAt, oldest.since) + quietMs;
    const lateAt = Math.max(oldest.since + patienceMs, this.#deletedAt + pauseMs);
    return Math.max(0, Math.min(quietAt, lateAt) - performance.now());
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      await this.#deleteSome(batch);
      if (!batch.some(({ isAwaited }) => isAwaited)) this.#deletedAt = performance.now();
    }
    this.#running = false;
    if (this.#queue.length > 0) this.#putOff();
  }

  /** What somebody waits for goes first; nothing when the rest is to wait. */
  #take(): Doomed[] {
    const awaited = this.#queue.filter(({ isAwaited }) => isAwaited).slice(0, this.#most);
    const batch = awaited.length > 0 ? awaited : this.#takeLazily();
    const taken = new Set(batch);
    this.#queue = this.#queue.filter((doomed) => !taken.has(doomed));
    return batch;
  }

  #takeLazily(): Doomed[] {
    if (this.#delayMs() > 0) return [];
    if (this.#queue[0]?.isBridge) return this.#queue.slice(0, 1);
    return this.#queue.filter(({ isBridge }) => !isBridge).slice(0, mostAtOnce.lazy);
  }

  async #deleteSome(batch: readonly Doomed[]): Promise<void> {
    try {
      await this.#delete(batch.map(({ name }) => name));
      for (const { gone } of batch) gone.resolve();
    } catch (error) {
      for (const doomed of batch) {
        this.#failed.set(doomed.name, doomed);
        doomed.gone.reject(error);
      }
    }
  }

  #retry(): void {
    const failed = [...this.#failed];
    this.#failed.clear();
    for (const [name, { isBridge }] of failed)
      if (!this.#pending.has(name)) this.#add(name, isBridge).gone.promise.catch(() => undefined);
  }

  async #delete(names: readonly string[]): Promise<void> {
    const { deleteLink, deleteLinkGroup, setLink, unless } = this.#host.link;
    const [only] = names;
    const requests =
      names.length === 1 && only !== undefined
        ? [deleteLink(only)]
        : [...names.map((name) => setLink(name, { group: doomedGroup })), deleteLinkGroup(doomedGroup)];
    // every request of a batch is tried, so one that is gone already does not keep the others
    await unless(["ENODEV"], this.#host.netlink.sendAside(...requests));
  }
}
