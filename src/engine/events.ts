// What happened, told to whoever listens. The last 256 events are remembered, as in Docker.

import { Channel } from "./channel.ts";
import { matchesEvent } from "./filters.ts";
import type { EngineEvent, EventQuery } from "./types.ts";

const remembered = 256;

export type Attributes = Readonly<Record<string, string>>;

/** Gives events to subscribers in the order in which they happened. */
export class Events {
  readonly #recent: EngineEvent[] = [];
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #lastNano = 0n;

  /** Tells that `action` happened to the thing `id` of `type`. */
  publish(type: string, action: string, id: string, attributes: Attributes): void {
    const event: EngineEvent = {
      type,
      action,
      actor: { id, attributes },
      scope: "local",
      timeNano: this.#now(),
    };
    this.#recent.push(event);
    if (this.#recent.length > remembered) this.#recent.shift();
    for (const listener of this.#listeners) listener(event);
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** Subscribed when called; the remembered events since `sinceNano` come first. */
  subscribe(query: EventQuery, signal: AbortSignal): AsyncIterable<EngineEvent> {
    const channel = new Channel<EngineEvent>();
    const passes = (event: EngineEvent) =>
      matchesEvent(event, query.filters) &&
      (query.sinceNano === undefined || event.timeNano >= query.sinceNano) &&
      (query.untilNano === undefined || event.timeNano <= query.untilNano);
    if (query.sinceNano !== undefined) for (const event of this.#recent.filter(passes)) channel.push(event);
    const listener = (event: EngineEvent) => {
      if (passes(event)) channel.push(event);
    };
    this.#listeners.add(listener);
    const timer = this.#endAt(query.untilNano, channel);
    channel.onEnd(() => {
      this.#listeners.delete(listener);
      clearTimeout(timer);
    });
    if (signal.aborted) channel.end();
    signal.addEventListener("abort", () => channel.end(), { once: true });
    return channel;
  }

  #endAt(untilNano: bigint | undefined, channel: Channel<EngineEvent>): NodeJS.Timeout | undefined {
    if (untilNano === undefined) return undefined;
    const leftMs = Number((untilNano - this.#now()) / 1_000_000n);
    if (leftMs > 0) return setTimeout(() => channel.end(), Math.min(leftMs, 0x7fffffff));
    channel.end();
    return undefined;
  }

  // two events never share a time, so that a client can go on from the last one it saw
  #now(): bigint {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#lastNano = now > this.#lastNano ? now : this.#lastNano + 1n;
    return this.#lastNano;
  }
}
