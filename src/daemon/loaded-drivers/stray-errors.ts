// Errors that nobody waits for: a timer of a driver that throws, a promise of it that nobody looks at. Node ends the process
// for them; where a driver's code was running it is the driver that failed, and the daemon goes on.

import { inspect } from "node:util";
import type { Log } from "../../util/log.ts";
import { runningDriver, wordsOf } from "./call.ts";

/** The process, as far as it is heard here. */
export interface ErrorSource {
  on(event: "uncaughtException" | "unhandledRejection", listener: (error: unknown) => void): unknown;
  off(event: "uncaughtException" | "unhandledRejection", listener: (error: unknown) => void): unknown;
}

/**
 * Logs what is a driver's; for anything else `end` is called with the error's stack, since then nobody knows what state
 * the daemon is in. Answers with the way to stop listening.
 */
export function hearStrayErrors(source: ErrorSource, log: Log, end: (stack: string) => void): () => void {
  const hear = (error: unknown) => {
    const driver = runningDriver();
    if (driver === undefined) return end(inspect(error));
    const stack = error instanceof Error ? error.stack : undefined;
    log.error({ driver, reason: wordsOf(error), stack }, "a driver failed where nobody waits for it");
  };
  source.on("uncaughtException", hear);
  source.on("unhandledRejection", hear);
  return () => {
    source.off("uncaughtException", hear);
    source.off("unhandledRejection", hear);
  };
}
