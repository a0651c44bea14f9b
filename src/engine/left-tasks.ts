// What a daemon that was killed left with containerd: tasks of containers that do not go on, and snapshots that no
// container has.

import { setTimeout as sleep } from "node:timers/promises";
import type { ExitStatus, LoadedTask } from "../runtime/index.ts";
import { errorMessage } from "../util/errors.ts";
import type { EngineContext } from "./parts.ts";

type LeftContext = Pick<EngineContext, "runtime" | "containerd" | "registry" | "leftExits" | "log">;

/** How often a task is asked to go before it is cut off, and how long containerd gets to think in between. */
const attempts = 3;
const pauseMs = 200;

/**
 * How long containerd may go on with what a client asked for that is gone: longer than a busy machine takes, and nobody
 * waits for it.
 */
const lateMs = 10_000;

/** Tasks that a daemon which was killed left behind: ended and deleted, with the exit code they had if they had one. */
export async function clearLeftTasks(
  context: LeftContext,
  going: ReadonlyMap<string, LoadedTask>,
): Promise<void> {
  const { runtime, log } = context;
  const known = new Set(context.registry.stored().map(({ id }) => id));
  for (const { id } of await runtime.list()) {
    if (going.has(id)) continue;
    try {
      await clearLeftTask(context, id);
      if (!known.has(id)) await context.containerd.snapshots.remove(id);
    } catch (error) {
      log.warn({ container: id, reason: errorMessage(error) }, "cannot clear a left-over task");
    }
  }
  for (const id of await runtime.sweepShims())
    log.info({ container: id }, "ended a shim that a crash left behind");
}

/**
 * A shim on a busy machine may refuse for a moment, say because its mount is busy. A task that stayed would keep the root
 * file system mounted after the container's removal.
 */
async function clearLeftTask(context: LeftContext, id: string): Promise<void> {
  const { runtime, log } = context;
  for (let attempt = 1; ; attempt++) {
    try {
      const exit = await endLeftTask(context, id);
      if (exit) context.leftExits.set(id, exit);
      await runtime.delete(id);
      return;
    } catch (error) {
      if (attempt > attempts) throw error;
      log.info({ container: id, attempt, reason: errorMessage(error) }, "a left-over task does not go yet");
      // the last word: its shim is killed, and what hangs on it taken away
      if (attempt === attempts) await runtime.abandonTask(id);
      else await sleep(pauseMs);
    }
  }
}

async function endLeftTask({ runtime }: LeftContext, id: string): Promise<ExitStatus | undefined> {
  const loaded = await runtime.load(id);
  if (!loaded) return undefined;
  const { task, status } = loaded;
  try {
    if (status.state === "unknown") {
      await runtime.abandonTask(id);
      return undefined;
    }
    if (status.state !== "stopped") await task.kill(9).catch(() => undefined);
    const { code, at } = await task.wait();
    await task.delete();
    return { code, at };
  } finally {
    await task.stdio.close();
  }
}

/** Snapshots of containers that nobody knows: creates that were cut off. Resolves with their ids. May run at any time. */
export async function sweepSnapshots({
  containerd: { snapshots },
  registry,
  log,
}: LeftContext): Promise<ReadonlySet<string>> {
  const orphans = new Set<string>();
  for await (const { name: key, kind } of snapshots.list()) {
    const isOurs = kind === "active" && /^[0-9a-f]{64}$/.test(key);
    if (!isOurs || registry.isKnown(key)) continue;
    log.info({ snapshot: key }, "removing a snapshot that no container has");
    orphans.add(key);
    await snapshots.remove(key).catch((error) => {
      log.warn(
        { snapshot: key, reason: errorMessage(error) },
        "cannot remove a snapshot that no container has",
      );
    });
  }
  return orphans;
}

/**
 * Sweeps once more, later: what a killed daemon had asked for just before its end, containerd may finish after our own
 * first look. Keeps no process alive.
 */
export function sweepLateSnapshots(
  context: LeftContext & Pick<EngineContext, "isShuttingDown">,
  afterMs = lateMs,
): void {
  const sweep = async () => {
    if (context.isShuttingDown()) return;
    await sweepSnapshots(context).catch((error) => {
      context.log.warn({ reason: errorMessage(error) }, "cannot sweep snapshots");
    });
  };
  setTimeout(sweep, afterMs).unref();
}
