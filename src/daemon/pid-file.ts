// The PID file: one daemon per file, and a file that a dead one left is no obstacle.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { unavailable } from "../util/errors.ts";

/** Writes our PID. @throws unavailable when the process named in the file lives; returns how to remove the file */
export async function claimPidFile(path: string): Promise<() => Promise<void>> {
  const owner = await pidFileOwner(path);
  if (owner !== undefined)
    throw unavailable(
      `failed to start daemon, ensure tsdockerd is not running or delete ${path}: process with PID ${owner} is still running`,
    );
  return await writePidFile(path);
}

/** The PID in the file, if it is of another daemon that lives. */
export async function pidFileOwner(path: string): Promise<number | undefined> {
  const owner = Number(await readFile(path, "utf8").catch(() => "0"));
  const isOther = owner > 0 && owner !== process.pid && (await isDaemon(owner));
  return isOther ? owner : undefined;
}

/** Names us in the file; returns how to remove it. */
export async function writePidFile(path: string): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${process.pid}\n`);
  return () => rm(path, { force: true });
}

// PIDs come round again: only a process that looks like a daemon holds the file
async function isDaemon(pid: number): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return /tsdockerd|src\/main\.ts/.test(words);
}
