// Processes that are watched and ended: children of our own, and those that an earlier daemon left running.

import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

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

/** When a foreign process is looked at more often, and when no longer. */
export interface Watch {
  readonly stop: AbortSignal;
  /** Nobody wants to know any more: `exited` stays open. */
  readonly release?: AbortSignal;
}

/** Somebody else's child: its end can only be looked for, the more often once `stop` has fired. */
export function foreignProcess(pid: number, watch: Watch): WatchedProcess {
  return { pid, exited: watchForeign(pid, watch) };
}

/** The process that `pidFile` names, with its command line, if it runs `word` among its arguments: ids are reused. */
export async function findLeftOver(
  pidFile: string,
  word: string,
): Promise<{ readonly pid: number; readonly words: readonly string[] } | undefined> {
  const pid = Number.parseInt((await readText(pidFile)) ?? "", 10);
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const words = (await readText(`/proc/${pid}/cmdline`))?.split("\0") ?? [];
  return words.includes(word) && (await isAlive(pid)) ? { pid, words } : undefined;
}

/** SIGTERM, and after `patienceMs` SIGKILL; resolves when the process is gone. */
export async function endProcess(watched: WatchedProcess, patienceMs: number): Promise<void> {
  sendSignal(watched.pid, "SIGTERM");
  const patience = new AbortController();
  const inTime = await Promise.race([
    watched.exited.then(() => true),
    sleep(patienceMs, false, { signal: patience.signal }).catch(() => false),
  ]);
  patience.abort();
  if (inTime) return;
  sendSignal(watched.pid, "SIGKILL");
  await watched.exited;
}

async function watchForeign(pid: number, { stop, release }: Watch): Promise<ProcessExit> {
  while (await isAlive(pid)) {
    if (release?.aborted) return await new Promise(() => undefined);
    // after the stop was asked for somebody waits
    const signals = [...(stop.aborted ? [] : [stop]), ...(release ? [release] : [])];
    const signal = AbortSignal.any(signals);
    await sleep(stop.aborted ? 20 : 250, undefined, { signal }).catch(() => undefined);
  }
  return { code: null, signal: null };
}

// A zombie has ended.
async function isAlive(pid: number): Promise<boolean> {
  const status = await readText(`/proc/${pid}/status`);
  return status !== undefined && !/^State:\s+[ZX]/m.test(status);
}

/** A process that has ended by itself needs none. */
export function sendSignal(pid: number, name: NodeJS.Signals): void {
  // To the kernel 0 and less mean whole groups of processes.
  if (pid <= 0) return;
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

async function readText(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(() => undefined);
}
