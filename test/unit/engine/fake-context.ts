// An engine's context for tests: real containers, locks and events over a store in memory; the rest is the test's.

import { Container, neverStarted } from "../../../src/engine/container.ts";
import { Events } from "../../../src/engine/events.ts";
import type { EngineContext } from "../../../src/engine/parts.ts";
import { Registry } from "../../../src/engine/registry.ts";
import { Streams } from "../../../src/engine/streams.ts";
import { VolumeHolds } from "../../../src/engine/volume-holds.ts";
import type { Collection } from "../../../src/store/index.ts";
import { KeyedLock } from "../../../src/util/keyed-lock.ts";
import { silentLog } from "../../../src/util/log.ts";
import { containerSpec, imageId } from "../api/fake-engine.ts";

/** A context with these containers, by name; their ids are their names too. */
export async function contextWith(
  names: readonly string[],
  parts: object = {},
): Promise<{ context: EngineContext; containers: readonly Container[] }> {
  const registry = new Registry(memoryCollection("containers"));
  const context = {
    registry,
    volumeHolds: new VolumeHolds(),
    locks: new KeyedLock(),
    events: new Events(),
    execRecords: memoryCollection("execs"),
    settings: { execRoot: "/run/none", dataRoot: "/var/none", log: { driver: "json-file", options: {} } },
    controller: { networks: () => [], forgetContainer: async () => undefined },
    runtime: { forgetStreams: async () => undefined },
    containerd: { snapshots: { snapshotter: "overlayfs", remove: async () => undefined } },
    isShuttingDown: () => false,
    hasLetGo: () => false,
    log: silentLog,
    ...parts,
  } as unknown as EngineContext;
  const containers = names.map(containerOf);
  for (const container of containers) {
    registry.claimName(container.name, container.id);
    await registry.add(container);
  }
  return { context, containers };
}

function containerOf(name: string): Container {
  const record = {
    ...{ id: name, name, imageId, createdAt: new Date(0), path: "sleep", args: [] },
    spec: containerSpec({ name }),
    ...{ mounts: [], anonymousVolumes: [], state: neverStarted, restartCount: 0, stoppedByHand: false },
  };
  return new Container(record, new Streams(false), undefined);
}

export function memoryCollection<T>(name: string): Collection<T> {
  const records = new Map<string, T>();
  return {
    name,
    get: (key) => records.get(key),
    has: (key) => records.has(key),
    values: () => records.values(),
    entries: () => records.entries(),
    get size() {
      return records.size;
    },
    put: async (key, record) => void records.set(key, record),
    delete: async (key) => void records.delete(key),
  };
}
