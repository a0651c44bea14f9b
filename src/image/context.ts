// What every use case of the image store works with.

import { randomBytes } from "node:crypto";
import type { Containerd } from "../runtime/index.ts";
import type { Log } from "../util/log.ts";
import { Undo } from "../util/undo.ts";
import type { Catalogue } from "./catalogue.ts";
import type { RegistryOptions } from "./registry/connect.ts";
import type { SharedWork, Slots } from "./shared-work.ts";
import type { Sizes } from "./sizes.ts";
import type { Unpacker } from "./unpack.ts";

/** Something that happened to an image, in the words of Docker's events. */
export interface ImageEvent {
  readonly action: "pull" | "push" | "load" | "save" | "import" | "tag" | "untag" | "delete";
  /** The image's id, for pull and push its name. */
  readonly id: string;
  /** The familiar name. */
  readonly name: string;
}

/** A container that uses an image. */
export interface ImageUser {
  readonly containerId: string;
  readonly isRunning: boolean;
}

/** Tells who uses an image, by its full id. */
export type UsersOf = (imageId: string) => readonly ImageUser[];

export interface ImageContext {
  readonly containerd: Containerd;
  readonly log: Log;
  readonly catalogue: Catalogue;
  readonly unpacker: Unpacker;
  readonly sizes: Sizes;
  readonly registry: RegistryOptions;
  readonly downloads: SharedWork<boolean>;
  readonly downloadSlots: Slots;
  readonly uploadSlots: Slots;
  readonly downloadAttempts: number;
  readonly retryDelayMs: number;
  readonly usersOf: UsersOf;
  readonly emit: (event: ImageEvent) => void;
}

/** A lease that holds blobs and snapshots, there or still to come, while an image is put together. */
export interface ImageLease {
  readonly id: string;
  readonly containerd: Containerd;
  holdBlobs(digests: readonly string[]): Promise<void>;
  holdSnapshots(chainIds: readonly string[]): Promise<void>;
}

const leaseMs = 24 * 60 * 60 * 1000;

/** Runs `work` under a lease. When it fails, what only it held is freed before the failure is passed on. */
export async function withLease<T>(
  { containerd, log }: Pick<ImageContext, "containerd" | "log">,
  work: (lease: ImageLease) => Promise<T>,
): Promise<T> {
  const { leases } = containerd;
  const lease = await leases.create(`image-${randomBytes(8).toString("hex")}`, { expiresInMs: leaseMs });
  await using failed = new Undo(log);
  failed.defer("delete lease", () => leases.delete(lease.id, { sync: true }));
  const hold = (type: string) => async (ids: readonly string[]) => {
    await Promise.all(ids.map((id) => leases.addResource(lease.id, { id, type })));
  };
  const result = await work({
    id: lease.id,
    containerd: containerd.withLease(lease.id),
    holdBlobs: hold("content"),
    holdSnapshots: hold(`snapshots/${containerd.snapshots.snapshotter}`),
  });
  failed.forget();
  await leases.delete(lease.id);
  return result;
}
