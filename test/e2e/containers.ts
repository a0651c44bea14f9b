// Containers that tests are about: one that answers, one that does nothing.

import { readFile } from "node:fs/promises";
import type { Daemon } from "./daemon.ts";
import { until } from "./run.ts";

/** Answers with the container's id. */
type Start = (name: string, ...flags: readonly string[]) => Promise<string>;

/** Both run containers on a daemon, which need not be there yet. */
export function containersOn(daemon: () => Daemon): {
  /** Answers its name to whoever connects to its port 80; it listens when this resolves. */
  readonly greeter: Start;
  readonly idle: Start;
} {
  // neither hears SIGTERM, as the first process in its namespace: a stop would wait for it in vain
  const run = (name: string, flags: readonly string[], command: readonly string[]) =>
    daemon().ok("run", "-d", "--name", name, "--stop-timeout", "0", ...flags, "busybox", ...command);
  return {
    greeter: async (name, ...flags) => {
      // -ll: it goes on listening while it answers, and refuses nobody
      const id = await run(name, flags, ["nc", "-ll", "-p", "80", "-e", "echo", name]);
      await until(`${name} listens`, () => listens(daemon(), id));
      return id;
    },
    idle: (name, ...flags) => run(name, flags, ["sleep", "1000"]),
  };
}

/** Whether somebody listens on port 80 of a container; it is not asked, for that would be a connection. */
async function listens(daemon: Daemon, id: string): Promise<boolean> {
  const { State } = await daemon.ask("GET", `/containers/${id}/json`);
  const tables = ["tcp", "tcp6"].map((table) =>
    readFile(`/proc/${State.Pid}/net/${table}`, "utf8").catch(() => ""),
  );
  return (await Promise.all(tables)).some((table) => /:0050 [0-9A-F]+:0000 0A /.test(table));
}
