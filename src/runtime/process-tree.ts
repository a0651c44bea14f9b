// A process and all that it has begun, held still and then ended. One by one they would slip away: what is forked between
// the look at /proc and the signal belongs to nobody, and goes on writing.

import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { sendSignal } from "../util/watched-process.ts";

const lookMs = 5;
/** A process that waits for a disk or a mount obeys when it has waited. */
const mostLooks = 400;
/** Processes of a container can wake each other, and fork, for as long as one of them runs. */
const mostRounds = 5;

/** Ids of all processes. */
export async function processIds(): Promise<number[]> {
  return (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name)).map(Number);
}

/** Ends a process and its offspring. Resolves when none of them runs any more, or after two seconds for those that do not end. */
export async function endTree(root: number): Promise<void> {
  const held = new Set<number>();
  try {
    for (let round = 0; round < mostRounds; round++) if (!(await holdMore(root, held))) break;
  } finally {
    for (const pid of held) sendSignal(pid, "SIGKILL");
  }
  await until([...held], isEnded);
}

/** Stops those that were not there before; answers whether there were any. */
async function holdMore(root: number, held: Set<number>): Promise<boolean> {
  const found = [root, ...(await offspring(root))].filter((pid) => !held.has(pid));
  for (const pid of found) {
    sendSignal(pid, "SIGSTOP");
    held.add(pid);
  }
  await until(found, (state) => state === "T" || state === "t" || isEnded(state));
  return found.length > 0;
}

async function until(pids: readonly number[], isSo: (state: string | undefined) => boolean): Promise<void> {
  for (let look = 0; look < mostLooks; look++) {
    const stats = await Promise.all(pids.map(statOf));
    if (stats.every((stat) => isSo(stat?.state))) return;
    await sleep(lookMs);
  }
}

// a zombie does nothing any more
function isEnded(state: string | undefined): boolean {
  return state === undefined || state === "Z" || state === "X";
}

/** Parents come before their children. */
async function offspring(root: number): Promise<number[]> {
  const parents = new Map(
    await Promise.all((await processIds()).map(async (pid) => [pid, (await statOf(pid))?.parent] as const)),
  );
  const found = [root];
  for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.push(child);
  return found.slice(1);
}

/** proc_pid_stat(5); undefined: it is gone. */
async function statOf(
  pid: number,
): Promise<{ readonly state: string | undefined; readonly parent: number } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // the name, in brackets, may hold anything
  const [state, parent] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  return stat === undefined ? undefined : { state, parent: Number(parent) };
}
