// Signals to the daemon: the first SIGTERM or SIGINT asks it to end in order, the third ends it at once.

import type { Log } from "../util/log.ts";

export interface Ending {
  /** Resolves when the daemon is asked to end. */
  readonly asked: Promise<void>;
}

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
  process.on("SIGHUP", () => log.info("SIGHUP: there is nothing to reload"));
  return { asked: promise };
}
