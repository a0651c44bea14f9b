// Finds the containerd that a daemon left behind when it was killed.

import { readFile } from "node:fs/promises";

/** The process id in `pidFile`, if that process still runs with our configuration file; a reused id is not mistaken for it. */
export async function findLeftOver(pidFile: string, configFile: string): Promise<number | undefined> {
  const pid = Number.parseInt((await readText(pidFile)) ?? "", 10);
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const commandLine = (await readText(`/proc/${pid}/cmdline`))?.split("\0") ?? [];
  return commandLine.includes(configFile) && (await isAlive(pid)) ? pid : undefined;
}

/** True while the process runs; a zombie does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readText(`/proc/${pid}/status`);
  return status !== undefined && !/^State:\s+[ZX]/m.test(status);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined; // without a file there is no process
  }
}
