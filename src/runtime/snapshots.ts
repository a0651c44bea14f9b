// Snapshots: root file systems as chains of layers. Makes no mount itself: it says which mounts give the tree.

import { type Info, Snapshots as SnapshotsService } from "./gen/snapshots_pb.ts";
import type { Channel } from "./grpc.ts";
import { isAlreadyExists, orAbsent } from "./grpc-error.ts";
import { fromWireMount, type LabelChanges, type Labels, labelMask, type Mount, toDate } from "./values.ts";

export type SnapshotKind = "view" | "active" | "committed";

export interface SnapshotInfo {
  readonly name: string;
  readonly parent: string;
  readonly kind: SnapshotKind;
  readonly createdAt: Date;
  readonly labels: Labels;
}

export interface Snapshots {
  /** The snapshotter in use, e.g. `overlayfs`. */
  readonly snapshotter: string;
  /** A writable snapshot on top of `parent` ("" = empty); throws conflict when the key exists. */
  prepare(key: string, parent: string, labels?: Labels): Promise<readonly Mount[]>;
  /** A read-only snapshot of `parent`. */
  view(key: string, parent: string, labels?: Labels): Promise<readonly Mount[]>;
  mounts(key: string): Promise<readonly Mount[]>;
  /** Freezes the active snapshot `key` under `name`; false when `name` exists already (`key` is then left). */
  commit(name: string, key: string, labels?: Labels): Promise<boolean>;
  /** Removes a snapshot; one that is gone is success. */
  remove(key: string): Promise<void>;
  stat(key: string): Promise<SnapshotInfo | undefined>;
  updateLabels(key: string, changes: LabelChanges): Promise<void>;
  list(filters?: readonly string[]): AsyncIterable<SnapshotInfo>;
  /** What the snapshot itself holds, parents aside, in bytes. */
  usage(key: string): Promise<{ readonly size: number; readonly inodes: number }>;
}

/** The snapshots of one namespace under one snapshotter. */
export function snapshotsClient(
  channel: Channel,
  headers: Readonly<Record<string, string>>,
  snapshotter: string,
): Snapshots {
  const api = channel.service(SnapshotsService, headers);
  const at = (key: string) => ({ snapshotter, key });
  return {
    snapshotter,
    async prepare(key, parent, labels = {}) {
      return (await api.prepare({ ...at(key), parent, labels: { ...labels } })).mounts.map(fromWireMount);
    },
    async view(key, parent, labels = {}) {
      return (await api.view({ ...at(key), parent, labels: { ...labels } })).mounts.map(fromWireMount);
    },
    async mounts(key) {
      return (await api.mounts(at(key))).mounts.map(fromWireMount);
    },
    async commit(name, key, labels = {}) {
      try {
        await api.commit({ ...at(key), name, labels: { ...labels } });
        return true;
      } catch (error) {
        if (isAlreadyExists(error)) return false;
        throw error;
      }
    },
    async remove(key) {
      await orAbsent(api.remove(at(key)));
    },
    async stat(key) {
      const response = await orAbsent(api.stat(at(key)));
      return response?.info && toSnapshotInfo(response.info);
    },
    async updateLabels(key, changes) {
      await api.update({
        snapshotter,
        info: { name: key, labels: { ...changes } },
        updateMask: labelMask(changes),
      });
    },
    async *list(filters = []) {
      for await (const page of api.list({ snapshotter, filters: [...filters] }))
        yield* page.info.map(toSnapshotInfo);
    },
    async usage(key) {
      const { size, inodes } = await api.usage(at(key));
      return { size: Number(size), inodes: Number(inodes) };
    },
  };
}

const kinds: readonly SnapshotKind[] = ["view", "view", "active", "committed"];

function toSnapshotInfo(info: Info): SnapshotInfo {
  return {
    name: info.name,
    parent: info.parent,
    kind: kinds[info.kind] ?? "view",
    createdAt: toDate(info.createdAt),
    labels: info.labels,
  };
}
