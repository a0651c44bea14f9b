// Volumes as the API shows them.

import type { VolumeView } from "../../engine/types.ts";
import type { Volume } from "../schemas/volume.ts";
import { formatTime } from "../time.ts";

export function volumeWire(view: VolumeView): Volume {
  return {
    CreatedAt: formatTime(view.createdAt),
    Driver: view.driver,
    Labels: nullWhenEmpty(view.labels),
    Mountpoint: view.mountpoint,
    Name: view.name,
    Options: nullWhenEmpty(view.options),
    Scope: view.scope,
    ...(view.status && { Status: view.status }),
    ...(view.sizeBytes !== undefined && {
      UsageData: { Size: view.sizeBytes, RefCount: view.usedBy.length },
    }),
  };
}

function nullWhenEmpty(record: Readonly<Record<string, string>>): Readonly<Record<string, string>> | null {
  return Object.keys(record).length > 0 ? record : null;
}
