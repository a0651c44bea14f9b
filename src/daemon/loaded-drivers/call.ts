// A call of somebody else's code inside this process: whatever it does, the caller gets an answer or an error that names
// the driver.

import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import { within } from "../../driverkit/index.ts";
import { EngineError, type ErrorKind, errorMessage, unavailable } from "../../util/errors.ts";

/** Whose code runs: what it leaves running (timers, sockets) keeps this too. */
const running = new AsyncLocalStorage<string>();

/** The driver that started what goes on now; undefined: none did. */
export function runningDriver(): string | undefined {
  return running.getStore();
}

export interface Called {
  readonly driver: string;
  readonly method: string;
}

/**
 * Calls a driver. @throws what it throws, with its name before the text and the kind that it has; unavailable when it
 * does not answer in time
 */
export async function call<T>(called: Called, timeoutMs: number, work: () => T | PromiseLike<T>): Promise<T> {
  try {
    const answer = running.run(called.driver, async () => await work());
    return await within(timeoutMs, answer, () => unavailable(`no answer within ${timeoutMs / 1000} s`));
  } catch (error) {
    throw named(called, error);
  }
}

/** The same for what answers at once. */
export function callNow<T>(called: Called, work: () => T): T {
  try {
    return running.run(called.driver, work);
  } catch (error) {
    throw named(called, error);
  }
}

const kinds: ReadonlySet<string> = new Set([
  "invalid",
  "unauthorized",
  "forbidden",
  "not-found",
  "conflict",
  "not-implemented",
  "unavailable",
] satisfies ErrorKind[]);

/** A driver may bring its own copy of the class of errors, or a class of its own: what counts is the kind. */
function named({ driver, method }: Called, error: unknown): EngineError {
  return new EngineError(kindOf(error), `driver ${driver}: ${method}: ${wordsOf(error)}`, { cause: error });
}

function kindOf(error: unknown): ErrorKind {
  const kind = error instanceof Error && "kind" in error ? String(error.kind) : "";
  return kinds.has(kind) ? (kind as ErrorKind) : "internal";
}

/** People throw anything. */
export function wordsOf(error: unknown): string {
  if (error instanceof Error || typeof error === "string")
    return errorMessage(error) || "it failed without a word";
  return `it threw ${inspect(error, { depth: 1, breakLength: Number.POSITIVE_INFINITY }).slice(0, 200)}`;
}
