// A container's root file system: where its layers are, who its user is in there, what an empty volume gets copied.

import { cp, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Mount, type ResolvedUser, resolveUser, treeOfMounts } from "../runtime/index.ts";
import { internal } from "../util/errors.ts";
import type { Container } from "./container.ts";
import type { EngineContext } from "./parts.ts";

export interface PreparedRootfs {
  readonly mounts: readonly Mount[];
  readonly user: ResolvedUser;
}

/** Looks everything up that a start needs, and fills new volumes. Nothing stays mounted. */
export async function prepareRootfs(context: EngineContext, container: Container): Promise<PreparedRootfs> {
  container.mounts ??= await context.containerd.snapshots.mounts(container.id);
  const { mounts } = container;
  const { spec } = container.record;
  const [user] = await Promise.all([
    userIn(mounts, spec.user ?? "", spec.groupAdd),
    fillVolumes(context, container, mounts),
  ]);
  return { mounts, user };
}

/** `user[:group]` as ids, from the passwd and group files in the layers. */
export function userIn(
  mounts: readonly Mount[],
  user: string,
  groupAdd: readonly string[],
): Promise<ResolvedUser> {
  // a folder that hides all of a lower layer's /etc brings files of its own, which are found first
  const tree = treeOfMounts(mounts, () => false);
  if (!tree) throw internal(`look user up: the root file system is a ${mounts[0]?.type ?? "missing"} mount`);
  return resolveUser(tree, user, groupAdd);
}

/** An empty volume gets what the image has at its target, unless the mount says no. */
async function fillVolumes(
  context: EngineContext,
  container: Container,
  mounts: readonly Mount[],
): Promise<void> {
  if (container.record.state.phase !== "created") return;
  const candidates = container.record.mounts.filter(
    ({ kind, mode }) => kind === "volume" && mode !== "nocopy",
  );
  const emptiness = await Promise.all(candidates.map(({ source }) => isEmptyFolder(source)));
  const empty = candidates.filter((_, at) => emptiness[at]);
  if (empty.length === 0) return;
  await context.rootfs.with(mounts, async (root) => {
    for (const { source, target } of empty) {
      const from = join(root, target);
      if (!(await isFolder(from))) continue;
      await cp(from, source, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    }
  });
}

async function isEmptyFolder(path: string): Promise<boolean> {
  return (await readdir(path).catch(() => [""])).length === 0;
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
