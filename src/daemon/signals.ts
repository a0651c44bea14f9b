// Signals to the daemon: the first SIGTERM or SIGINT asks it to end in order, the third ends it at once.

import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

export interface Ending {
  /** Resolves when the daemon is asked to end. */
  readonly asked: Promise<void>;
}

/** Hears signals from now on. */
export function endOnSignals(log: Log): Ending {
  const { promise, resolve } = Promise.withResolvers<void>();
  let count = 0;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      count++;
      log.info({ signal }, count === 1 ? "ending" : "still ending; a third signal ends at once");
      if (count >= 3) process.exit(128 + (signal === "SIGTERM" ? 15 : 2));
      resolve();
    });
  }
  // a terminal that is closed is no reason to leave containers without a daemon
  process.on("SIGHUP", () => log.info("SIGHUP: no settings are read again"));
  return { asked: promise };
}

/** From now on it is no reason to end either that nobody reads what the daemon says, as when a journal is restarted. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}

/** Looks at something again whenever SIGHUP asks for it. Answers with the way to stop that. */
export function onHangup(log: Log, what: string, look: () => Promise<unknown>): () => void {
  const hear = () => {
    look().catch((error) => log.error({ reason: errorMessage(error) }, `cannot look at ${what} again`));
  };
  process.on("SIGHUP", hear);
  return () => void process.off("SIGHUP", hear);
}
