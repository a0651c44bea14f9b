// Volumes, with who uses them.

import { errorKind, errorMessage } from "../util/errors.ts";
import { newId } from "../util/ids.ts";
import type { Volume } from "../volume/index.ts";
import { matchesPrune, matchesVolume } from "./filters.ts";
import { folderSize } from "./folder-size.ts";
import type { EngineContext } from "./parts.ts";
import type { Filters, VolumeOperations, VolumeView } from "./types.ts";
import { createVolume, removeVolume, volumeUsers } from "./volume-use.ts";

export function volumeOperations(context: EngineContext): VolumeOperations {
  const { volumes, events } = context;
  return {
    list: async (filters) => viewVolumes(context).filter((view) => matchesVolume(view, filters)),
    inspect: async (name) => viewVolume(context, volumes.get(name)),
    async create({ name, driver, driverOptions, labels }) {
      const { volume, isNew } = await createVolume(context, {
        name: name ?? newId(),
        isAnonymous: name === undefined,
        driver,
        options: driverOptions,
        labels,
      });
      if (isNew) events.publish("volume", "create", volume.name, { driver: volume.driver });
      return viewVolume(context, volume);
    },
    async remove(name, { force }) {
      const driver = volumes.has(name) ? volumes.get(name).driver : "local";
      await removeVolume(context, name).catch((error) => {
        if (!force || errorKind(error) !== "not-found") throw error;
      });
      events.publish("volume", "destroy", name, { driver });
    },
    prune: (filters) => pruneVolumes(context, filters),
  };
}

export function viewVolumes(context: EngineContext): VolumeView[] {
  return context.volumes.list().map((volume) => viewVolume(context, volume));
}

function viewVolume(context: EngineContext, volume: Volume): VolumeView {
  const { name, driver, mountpoint, createdAt, labels, options } = volume;
  return {
    name,
    driver,
    mountpoint,
    createdAt,
    labels,
    options,
    scope: "local",
    usedBy: volumeUsers(context, name),
  };
}

async function pruneVolumes(
  context: EngineContext,
  filters: Filters,
): Promise<{ deleted: string[]; reclaimedBytes: number }> {
  const all = (filters.get("all") ?? []).some((value) => value === "true" || value === "1");
  const deleted: string[] = [];
  let reclaimedBytes = 0;
  for (const volume of context.volumes.list()) {
    if (!all && !volume.anonymous) continue;
    if (volumeUsers(context, volume.name).length > 0 || !matchesPrune(volume, filters)) continue;
    try {
      const bytes = await folderSize(volume.mountpoint);
      await removeVolume(context, volume.name);
      deleted.push(volume.name);
      reclaimedBytes += bytes;
    } catch (error) {
      context.log.warn({ volume: volume.name, reason: errorMessage(error) }, "cannot prune a volume");
    }
  }
  context.events.publish("volume", "prune", "", { reclaimed: String(reclaimedBytes) });
  return { deleted, reclaimedBytes };
}
