// Containers that tests are about: one that answers, one that does nothing.

import type { Daemon } from "./daemon.ts";

/** Answers with the container's id. */
type Start = (name: string, ...flags: readonly string[]) => Promise<string>;

/** Both run containers on a daemon, which need not be there yet. */
export function containersOn(daemon: () => Daemon): {
  /** Answers its name to whoever connects to its port 80. */
  readonly greeter: Start;
  readonly idle: Start;
} {
  // neither hears SIGTERM, as the first process in its namespace: a stop would wait for it in vain
  const run = (name: string, flags: readonly string[], command: readonly string[]) =>
    daemon().ok("run", "-d", "--name", name, "--stop-timeout", "0", ...flags, "busybox", ...command);
  return {
    greeter: (name, ...flags) =>
      run(name, flags, ["sh", "-c", `while :; do nc -l -p 80 -e echo ${name}; done`]),
    idle: (name, ...flags) => run(name, flags, ["sleep", "1000"]),
  };
}
