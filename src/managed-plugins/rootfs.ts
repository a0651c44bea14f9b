// A plugin's root file system: a layer in the content store, and a snapshot of its own, unpacked from it. Both are held
// by a lease that bears the plugin's id: whoever has no record owns nothing.

import { randomBytes } from "node:crypto";
import type { Containerd } from "../runtime/index.ts";
import type { Log } from "../util/log.ts";
import { Undo } from "../util/undo.ts";
import type { PluginRecord } from "./record.ts";

export type Layer = PluginRecord["layer"];

export interface MadeRootfs {
  readonly layer: Layer;
  /** Of the plain archive. */
  readonly diffId: string;
  /** Takes it away again; forgotten when the plugin is on record. */
  readonly undo: Undo;
}

export interface LayerSource {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly mediaType: string;
  /** Of a layer that somebody vouches for. */
  readonly digest?: string;
}

/** Brings a layer in and unpacks it. The lease is the caller's to end; `undo` does. */
export async function makeRootfs(
  containerd: Containerd,
  id: string,
  source: LayerSource,
  log: Log,
): Promise<MadeRootfs> {
  await using undo = new Undo(log);
  await containerd.leases.create(id);
  undo.defer("remove root file system", () => removeRootfs(containerd, id));
  const { content, snapshots, diff } = containerd.withLease(id);
  const digest = await content.write(`plugin-${id}-${randomBytes(4).toString("hex")}`, source.bytes, {
    ...(source.digest && { expected: source.digest }),
    hold: (made) => containerd.leases.addResource(id, { id: made, type: "content" }),
  });
  const size = (await content.info(digest))?.size ?? 0;
  const layer = { digest, size, mediaType: source.mediaType };
  const mounts = await snapshots.prepare(id, "");
  const { digest: diffId } = await diff.apply(layer, mounts);
  return { layer, diffId, undo: undo.move() };
}

/** What is gone already is success. */
export async function removeRootfs(containerd: Containerd, id: string): Promise<void> {
  await containerd.snapshots.remove(id);
  await containerd.leases.delete(id, { sync: true });
}

/** Takes away what plugins had that are not on record. */
export async function sweepRootfs(containerd: Containerd, isKnown: (id: string) => boolean): Promise<void> {
  for (const { id } of await containerd.leases.list()) if (!isKnown(id)) await removeRootfs(containerd, id);
}
