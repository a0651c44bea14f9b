// Work that several callers ask for at once is done once: each caller hears of its progress, and it is aborted only
// when every caller has gone.

import { EngineError } from "../util/errors.ts";
import type { ProgressMessage, Report } from "./progress.ts";

interface Job<T> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  readonly listeners: Set<Report>;
  last: ProgressMessage | undefined;
}

export interface Caller {
  readonly signal: AbortSignal;
  readonly report: Report;
}

/** Jobs under way, by key. */
export class SharedWork<T> {
  readonly #jobs = new Map<string, Job<T>>();

  /** Runs `work` under `key`, or joins the run that is under way. Throws cancelled as soon as the caller's signal fires. */
  async run(key: string, caller: Caller, work: (caller: Caller) => Promise<T>): Promise<T> {
    throwIfAborted(caller.signal);
    const job = this.#jobs.get(key) ?? this.#start(key, work);
    const listener: Report = (message) => caller.report(message);
    job.listeners.add(listener);
    if (job.last) caller.report(job.last);
    const gone = Promise.withResolvers<never>();
    const leave = () => gone.reject(cancelledBy(caller.signal));
    caller.signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([job.result, gone.promise]);
    } finally {
      caller.signal.removeEventListener("abort", leave);
      job.listeners.delete(listener);
      if (job.listeners.size === 0) await this.#end(key, job);
    }
  }

  #start(key: string, work: (caller: Caller) => Promise<T>): Job<T> {
    const abort = new AbortController();
    const listeners = new Set<Report>();
    const start = Promise.withResolvers<void>();
    const report: Report = (message) => {
      job.last = message;
      for (const listener of listeners) listener(message);
    };
    const result = start.promise
      .then(() => work({ signal: abort.signal, report }))
      .finally(() => this.#forget(key, job));
    // Callers hear of its failure; when none is left it must not count as unhandled.
    result.catch(() => undefined);
    const job: Job<T> = { result, abort, listeners, last: undefined };
    this.#jobs.set(key, job);
    start.resolve();
    return job;
  }

  /** The last caller has gone: nobody may join any more, and what still runs is stopped and waited for. */
  async #end(key: string, job: Job<T>): Promise<void> {
    this.#forget(key, job);
    job.abort.abort(new Error("nobody waits for it any more"));
    await job.result.catch(() => undefined);
  }

  #forget(key: string, job: Job<T>): void {
    if (this.#jobs.get(key) === job) this.#jobs.delete(key);
  }
}

/** At most `limit` at a time, in the order of arrival. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = limit;
  }

  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#take(signal);
    try {
      return await work();
    } finally {
      this.#give();
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const turn = Promise.withResolvers<void>();
    const resolve = () => turn.resolve();
    const leave = () => {
      const at = this.#waiting.indexOf(resolve);
      if (at >= 0) this.#waiting.splice(at, 1);
      turn.reject(cancelledBy(signal));
    };
    this.#waiting.push(resolve);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}

/** What a caller hears whose signal has fired, in Go's words. */
export function cancelledBy(signal: AbortSignal): EngineError {
  return new EngineError("cancelled", "context canceled", { cause: signal.reason });
}

/** Throws cancelled when the signal has fired. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw cancelledBy(signal);
}
