// What the daemon leaves behind when it ends. With `live-restore` containers go on while there is no daemon, and so must
// everything that serves them: namespaces, links, rules, sysctls, the proxy, containerd.

import type { LiveEngine } from "../engine/index.ts";
import type { Runtime } from "../runtime/index.ts";

/** Asked by every step of the daemon's end. */
export interface Leaving {
  /** Containers stay, and with them what serves them. */
  keeps: boolean;
}

/** Until it is known who runs, an end must not touch what may serve somebody. */
export function createLeaving(liveRestore: boolean): Leaving {
  return { keeps: liveRestore };
}

/**
 * The containers that run although there was no daemon, by id, with the PIDs of their first processes. A task that was
 * made and not started does not count.
 */
export async function findLive(runtime: Runtime): Promise<ReadonlyMap<string, number>> {
  const tasks = await runtime.tasks();
  const running = tasks.filter(({ state }) => state === "running" || state === "paused");
  return new Map(running.map(({ containerId, pid }) => [containerId, pid]));
}

/** Stops the containers, or lets go of them when one runs and they are to stay. */
export async function endContainers(
  engine: LiveEngine,
  { liveRestore, leaving }: { readonly liveRestore: boolean; readonly leaving: Leaving },
): Promise<void> {
  leaving.keeps = liveRestore && engine.isAnyRunning();
  await (leaving.keeps ? engine.letGo() : engine.shutdown());
}
