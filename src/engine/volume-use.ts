// Volumes and the containers that use them: one that a container has, or is being created with, is not removed. A volume
// is made and removed under a lock of its own: its folder may still be going when somebody wants the name again.

import type { Volume, VolumeRequest } from "../volume/index.ts";
import type { EngineContext } from "./parts.ts";

type UseContext = Pick<EngineContext, "volumes" | "registry" | "volumeHolds" | "locks">;

/** Ids of the containers that mount a volume, or will. */
export function volumeUsers({ registry, volumeHolds }: UseContext, name: string): string[] {
  const having = registry.all().filter(({ record }) => record.mounts.some((mount) => mount.name === name));
  return [...new Set([...having.map(({ id }) => id), ...volumeHolds.holders(name)])];
}

/** Makes a volume, or finds the one that has this name already. */
export function createVolume(
  { volumes, locks }: UseContext,
  request: VolumeRequest & { readonly name: string },
): Promise<{ readonly volume: Volume; readonly isNew: boolean }> {
  return locks.run(`volume ${request.name}`, async () => {
    const isNew = !volumes.has(request.name);
    return { volume: await volumes.create(request), isNew };
  });
}

/** Removes a volume. @throws not-found, or conflict when a container uses it */
export function removeVolume(context: UseContext, name: string): Promise<void> {
  return context.locks.run(`volume ${name}`, () => context.volumes.remove(name, volumeUsers(context, name)));
}
