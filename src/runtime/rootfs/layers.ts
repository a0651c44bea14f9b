// The layers behind a snapshot's mounts, for reading a root file system that is not mounted anywhere.

import type { Mount } from "../values.ts";
import { type IsOpaque, LayeredTree, type RootfsTree } from "./tree.ts";

/**
 * The tree that `mounts` would give: an overlay's layers, or the one folder of a bind mount. Undefined for other kinds of
 * mounts; those have to be mounted to be read.
 */
export function treeOfMounts(mounts: readonly Mount[], isOpaque: IsOpaque): RootfsTree | undefined {
  const [mount, ...more] = mounts;
  if (!mount || more.length > 0) return undefined;
  if (mount.type === "bind" || mount.options.includes("rbind"))
    return new LayeredTree([mount.source], isOpaque);
  const layers = overlayLayers(mount);
  return layers.length > 0 ? new LayeredTree(layers, isOpaque) : undefined;
}

/** An overlay's layers from its mount options, uppermost first; none for other mounts. */
export function overlayLayers(mount: Mount): readonly string[] {
  if (mount.type !== "overlay") return [];
  const value = (name: string) =>
    mount.options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  const upper = value("upperdir");
  const lower = value("lowerdir")?.split(":") ?? [];
  return upper === undefined ? lower : [upper, ...lower];
}
