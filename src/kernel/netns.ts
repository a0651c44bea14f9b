// Network namespaces, pinned as files: a bind mount that keeps the namespace alive without a process in it.

import { mkdir, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { addon } from "../../native/index.ts";
import { saying } from "./errors.ts";

/**
 * `ip netns add`: a new namespace, pinned at `path`; its folder is made (0755) and becomes a shared mount, so that
 * containerd sees the namespace in another mount namespace too. Rejects with EEXIST when one is pinned there already.
 * Its `lo` is down.
 */
export async function createNetns(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await saying(`ip netns add ${path}`, addon().netnsCreate(path));
}

// mount(2)
const bind = 4096;

/** `ip netns attach`: pins the namespace that a process is in at `path`. Rejects when the process is gone. */
export async function pinNetns(path: string, pid: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // what a mount was taken off is an empty file
  await writeFile(path, "", { flag: "a" });
  const words = `ip netns attach ${path} ${pid}`;
  await saying(words, addon().mount(`/proc/${pid}/ns/net`, path, "none", bind, ""));
}

/**
 * `ip netns delete`: unpins; the kernel takes the namespace and its links away when nobody is left in it, some
 * milliseconds later. Idempotent.
 */
export async function deleteNetns(path: string): Promise<void> {
  await saying(`ip netns delete ${path}`, addon().netnsRemove(path));
}

/** Takes the shared mount off a folder that `createNetns` made, and the empty folder. Idempotent; ENOTEMPTY when pins are left. */
export async function deleteNetnsFolder(folder: string): Promise<void> {
  await saying(`umount ${folder}`, addon().netnsFolderRemove(folder));
}

/** Whether a namespace (and not a left-over file) is at `path`. */
export async function netnsExists(path: string): Promise<boolean> {
  return (await netnsIdentity(path)) !== undefined;
}

/** Device and inode, the same for every path of one namespace (/proc/…/ns/net too); undefined when there is none. */
export async function netnsIdentity(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (!found) return undefined;
  // namespace files live on nsfs, whose device is that of our own namespace's file
  const own = await stat("/proc/self/ns/net", { bigint: true });
  return found.dev === own.dev ? `${found.dev}:${found.ino}` : undefined;
}
