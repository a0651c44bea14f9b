// A driver that is watched: what it is called with cannot be changed by it, each call is noted with its answer, and one
// that never answers is an answer too.

import { errorMessage } from "../util/errors.ts";
import { Broken } from "./check.ts";
import { show } from "./show.ts";

/** What a driver was asked lately, for the report. */
export class Transcript {
  #lines: string[] = [];

  note(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > 200) this.#lines = this.#lines.slice(-100);
  }

  clear(): void {
    this.#lines = [];
  }

  /** The last calls, oldest first. */
  last(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }
}

/** How long one call may take; nothing that the kit asks for is slow. */
export const callLimitMs = 20_000;

/** The same driver, whose methods note what they were called with and freeze it. */
export function watched<T extends object>(driver: T, transcript: Transcript): T {
  return new Proxy(driver, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function" || typeof key !== "string") return member;
      return (...args: unknown[]) => {
        for (const arg of args) deepFreeze(arg);
        const call = `${key}(${args.map(show).join(", ")})`;
        return noted(call, () => Reflect.apply(member, target, args), transcript);
      };
    },
  });
}

function noted(call: string, work: () => unknown, transcript: Transcript): unknown {
  const failed = (error: unknown) => {
    transcript.note(`${call} threw ${errorMessage(error)}`);
    return error;
  };
  let answer: unknown;
  try {
    answer = work();
  } catch (error) {
    throw failed(error);
  }
  if (!isPromise(answer)) {
    transcript.note(`${call} = ${show(answer)}`);
    return answer;
  }
  return inTime(call, answer).then(
    (value) => {
      transcript.note(`${call} -> ${show(value)}`);
      return value;
    },
    (error: unknown) => {
      throw failed(error);
    },
  );
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

async function inTime<T>(call: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const seconds = callLimitMs / 1000;
    const error = new Broken("an answer", `none within ${seconds} s to ${call}`, "every call settles");
    timer = setTimeout(() => reject(error), callLimitMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Plain values all the way down; functions and what has a class of its own are left alone. */
export function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return;
  Object.freeze(value);
  for (const each of Object.values(value)) deepFreeze(each);
}
