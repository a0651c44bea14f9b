// A driver that is watched: what it is called with cannot be changed by it, each call is noted with its answer, and one
// that never answers is an answer too.

import { errorMessage } from "../util/errors.ts";
import { Broken } from "./check.ts";
import { show } from "./show.ts";

/** How long one call may take; nothing that the kit asks for is slow. */
export const callLimitMs = 20_000;

/** A call that had no answer in time. */
class Unanswered extends Broken {}

/** What a driver was asked lately, for the report, and which of it was never answered. */
export class Watch {
  readonly #limitMs: number;
  readonly #silent = new Set<string>();
  #lines: string[] = [];
  #unanswered: Broken | undefined;
  #leaks = 0;

  constructor(limitMs: number = callLimitMs) {
    this.#limitMs = limitMs;
  }

  note(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > 200) this.#lines = this.#lines.slice(-100);
  }

  clear(): void {
    this.#lines = [];
    this.#unanswered = undefined;
  }

  /** The last calls, oldest first. */
  last(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }

  /** How long to wait for what was deleted: a driver that has left things behind is not waited for as long. */
  patienceMs(usualMs: number): number {
    return this.#leaks < 2 ? usualMs : usualMs / 8;
  }

  /** It was waited for in vain. */
  noteLeak(): void {
    this.#leaks++;
  }

  /** The first call since `clear` that had no answer in time: whatever else came of it, the driver was silent. */
  get unanswered(): Broken | undefined {
    return this.#unanswered;
  }

  /** The answer, or a rejection when there is none in time. A method that was silent before is not waited for as long. */
  async inTime<T>(method: string, call: string, answer: PromiseLike<T>): Promise<T> {
    const isKnown = this.#silent.has(method);
    const limitMs = isKnown ? Math.ceil(this.#limitMs / 20) : this.#limitMs;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#silent.add(method);
      const before = isKnown ? `; it was silent for ${this.#limitMs / 1000} s before` : "";
      const error = new Unanswered(
        "an answer",
        `none within ${limitMs / 1000} s to ${call}${before}`,
        "every call settles: with an answer, or an error that says what it waits for",
      );
      this.#unanswered ??= error;
      reject(error);
    }, limitMs);
    try {
      const value = await Promise.race([answer, promise]);
      this.#silent.delete(method);
      return value;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The same driver, whose methods note what they were called with and, unless told otherwise, freeze it. */
export function watched<T extends object>(
  driver: T,
  watch: Watch,
  { freezes = true }: { readonly freezes?: boolean } = {},
): T {
  return new Proxy(driver, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function" || typeof key !== "string") return member;
      return (...args: unknown[]) => {
        if (freezes) for (const arg of args) deepFreeze(arg);
        return noted(key, args, () => Reflect.apply(member, target, args), watch);
      };
    },
  });
}

function noted(method: string, args: readonly unknown[], work: () => unknown, watch: Watch): unknown {
  const call = `${method}(${args.map(show).join(", ")})`;
  const failed = (error: unknown) => {
    const end = error instanceof Unanswered ? "was not answered" : `threw ${errorMessage(error)}`;
    watch.note(`${call} ${end}`);
    return error;
  };
  let answer: unknown;
  try {
    answer = work();
  } catch (error) {
    throw failed(error);
  }
  if (!isPromise(answer)) {
    watch.note(`${call} = ${show(answer)}`);
    return answer;
  }
  return watch.inTime(method, call, answer).then(
    (value) => {
      watch.note(`${call} -> ${show(value)}`);
      return value;
    },
    (error: unknown) => {
      throw failed(error);
    },
  );
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

/** Plain values all the way down; functions and what has a class of its own are left alone. */
export function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return;
  Object.freeze(value);
  for (const each of Object.values(value)) deepFreeze(each);
}
