// Removing containers: one, or all that are not in use.

import { rm } from "node:fs/promises";
import { forgetCgroups } from "../runtime/index.ts";
import { allDone } from "../util/all-done.ts";
import { conflict, errorKind, errorMessage } from "../util/errors.ts";
import type { Container } from "./container.ts";
import { matchesPrune } from "./filters.ts";
import { containerFolder } from "./folders.ts";
import type { EngineContext } from "./parts.ts";
import { cancelRestart } from "./restarts.ts";
import { killContainer, startEnded } from "./stop.ts";
import type { Filters } from "./types.ts";
import { removeVolume } from "./volume-use.ts";

export interface Removal {
  readonly force: boolean;
  readonly volumes: boolean;
}

/** Removes a container; with `force` a running one too. @throws conflict in Docker's words */
export async function removeContainer(
  context: EngineContext,
  container: Container,
  removal: Removal,
): Promise<void> {
  if (container.removing) throw conflict(`removal of container ${container.name} is already in progress`);
  checkRemovable(container, removal.force);
  container.removing = true;
  try {
    cancelRestart(container);
    await startEnded(context, container);
    // one that has come up meanwhile
    checkRemovable(container, removal.force);
    if (container.running) await killContainer(context, container, "SIGKILL").catch(ignoreNotRunning);
    await context.locks.run(container.id, () => removeLocked(context, container, removal));
  } catch (error) {
    container.removing = false;
    throw error;
  }
}

function ignoreNotRunning(error: unknown): void {
  if (errorKind(error) !== "conflict") throw error;
}

function checkRemovable(container: Container, force: boolean): void {
  if (force || (!container.running && !container.isRestarting)) return;
  const state = container.paused ? "paused" : container.isRestarting ? "restarting" : "running";
  const advice = container.paused
    ? "unpause the container before stopping or force remove"
    : "stop the container before removing or force remove";
  throw conflict(`cannot remove container "/${container.name}": container is ${state}: ${advice}`);
}

/** The removal itself, for callers that hold the container's lock. The name is free when this resolves. */
export async function removeLocked(
  context: EngineContext,
  container: Container,
  removal: Removal,
): Promise<void> {
  if (context.registry.get(container.id) !== container) return;
  container.removing = true;
  try {
    await takeAway(context, container, removal);
  } catch (error) {
    container.removing = false;
    throw error;
  }
  context.events.publish("container", "destroy", container.id, container.attributes);
  container.tellRemoval({ statusCode: container.record.state.exitCode });
}

async function takeAway(context: EngineContext, container: Container, removal: Removal): Promise<void> {
  await container.log?.close();
  await allDone([
    context.containerd.snapshots.remove(container.id),
    context.runtime.forgetStreams(container.id),
    // runc leaves it when containerd was killed in the middle of a start
    forgetCgroups(container.id),
    context.controller.forgetContainer(container.id),
    rm(containerFolder(context, container.id), { recursive: true, force: true }),
  ]);
  await context.registry.remove(container);
  // who attached since its last end waits for a next one; nobody finds it any more who could attach after this
  container.streams.end();
  if (removal.volumes) await removeAnonymousVolumes(context, container);
}

async function removeAnonymousVolumes(context: EngineContext, container: Container): Promise<void> {
  for (const name of container.record.anonymousVolumes) {
    try {
      await removeVolume(context, name);
    } catch (error) {
      context.log.debug({ volume: name, reason: errorMessage(error) }, "volume stays");
    }
  }
}

/** Removes every container at rest that the filters match; one that cannot be removed is logged and stays. */
export async function pruneContainers(
  context: EngineContext,
  filters: Filters,
): Promise<{ deleted: string[]; reclaimedBytes: number }> {
  const deleted: string[] = [];
  let reclaimedBytes = 0;
  for (const container of context.registry.all()) {
    const { createdAt, spec } = container.record;
    if (container.running || container.isRestarting || container.removing) continue;
    if (!matchesPrune({ createdAt, labels: spec.labels }, filters)) continue;
    const { size } = await context.containerd.snapshots.usage(container.id).catch(() => ({ size: 0 }));
    try {
      await removeContainer(context, container, { force: false, volumes: false });
      deleted.push(container.id);
      reclaimedBytes += size;
    } catch (error) {
      context.log.warn({ container: container.id, reason: errorMessage(error) }, "cannot prune a container");
    }
  }
  context.events.publish("container", "prune", "", { reclaimed: String(reclaimedBytes) });
  return { deleted, reclaimedBytes };
}
