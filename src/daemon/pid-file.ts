// The PID file: one daemon per file, and a file that a dead one left is no obstacle.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { unavailable } from "../util/errors.ts";

/** Writes our PID. @throws unavailable when the process named in the file lives; returns how to remove the file */
export async function claimPidFile(path: string): Promise<() => Promise<void>> {
  const owner = Number(await readFile(path, "utf8").catch(() => "0"));
  if (owner > 0 && owner !== process.pid && (await isDaemon(owner))) {
    throw unavailable(
      `failed to start daemon, ensure tsdockerd is not running or delete ${path}: process with PID ${owner} is still running`,
    );
  }
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${process.pid}\n`);
  return () => rm(path, { force: true });
}

// PIDs come round again: only a process that looks like a daemon holds the file
async function isDaemon(pid: number): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return /tsdockerd|src\/main\.ts/.test(words);
}
