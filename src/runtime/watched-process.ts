// Processes that are watched and ended, our own children or not.

import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "./left-over.ts";

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface WatchedProcess {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
}

/** A child: Node tells of its end. */
export function childProcess(child: ChildProcess): WatchedProcess {
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  });
  return { pid: child.pid ?? 0, exited };
}

/** Somebody else's child: its end can only be looked for, the more often once `stop` has fired. */
export function foreignProcess(pid: number, stop: AbortSignal): WatchedProcess {
  return { pid, exited: watchForeign(pid, stop) };
}

async function watchForeign(pid: number, stop: AbortSignal): Promise<ProcessExit> {
  while (await isAlive(pid)) {
    // After the stop was asked for, look quickly: somebody waits.
    await sleep(stop.aborted ? 20 : 500, undefined, stop.aborted ? {} : { signal: stop }).catch(
      () => undefined,
    );
  }
  return { code: null, signal: null };
}

/** SIGTERM, and after `patienceMs` SIGKILL; resolves when the process is gone. */
export async function endProcess(watched: WatchedProcess, patienceMs: number): Promise<void> {
  signal(watched.pid, "SIGTERM");
  const patience = new AbortController();
  const inTime = await Promise.race([
    watched.exited.then(() => true),
    sleep(patienceMs, false, { signal: patience.signal }).catch(() => false),
  ]);
  patience.abort();
  if (inTime) return;
  signal(watched.pid, "SIGKILL");
  await watched.exited;
}

function signal(pid: number, name: NodeJS.Signals): void {
  // To the kernel 0 and less mean whole groups of processes.
  if (pid <= 0) return;
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}
