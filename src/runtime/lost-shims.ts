// Shims that containerd does not know: it was killed, or its client was, while it made a task. Each is found by its
// command line, and ended with all that hangs on it: its processes, runc's state, its mount, its bundle.

import { execFile } from "node:child_process";
import { readdir, readFile, readlink, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endTree, processIds } from "./process-tree.ts";

export interface ShimPlace {
  /** Of the containerd that started the shims. */
  readonly address: string;
  readonly namespace: string;
  /** Where runc keeps its state, without the namespace. */
  readonly runcRoot: string;
  readonly unmount: (path: string) => Promise<void>;
}

export interface Shim {
  readonly containerId: string;
  readonly pid: number;
}

/** The shims that run for a namespace of a containerd. */
export async function findShims({ address, namespace }: ShimPlace): Promise<Shim[]> {
  const shims = await Promise.all(
    (await processIds()).map(async (pid) => {
      const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
      const after = (flag: string) => words[words.indexOf(flag) + 1];
      const isOurs =
        words[0]?.includes("containerd-shim") &&
        after("-namespace") === namespace &&
        after("-address") === address;
      return isOurs ? { containerId: after("-id") ?? "", pid } : undefined;
    }),
  );
  return shims.filter((shim) => shim !== undefined);
}

/** containerd that runs, and sees a shim end, begins to delete the bundle too, with notes of its own in there meanwhile. */
const bundleTries = { maxRetries: 10, retryDelay: 20 };

/** Ends a shim that containerd has lost, and what it made. */
export async function clearShim({ containerId, pid }: Shim, place: ShimPlace): Promise<void> {
  const bundle = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  await endTree(pid);
  await runcDelete(join(place.runcRoot, place.namespace), containerId);
  if (!bundle?.endsWith(containerId)) return;
  await removeCgroups(await cgroupOf(bundle));
  await place.unmount(join(bundle, "rootfs")).catch(() => undefined);
  await rm(bundle, { recursive: true, force: true, ...bundleTries });
}

// a container that runc does not know is as good as deleted
function runcDelete(root: string, containerId: string): Promise<void> {
  return new Promise((resolve) => {
    execFile("runc", ["--root", root, "delete", "--force", containerId], () => resolve());
  });
}

/** The path below each hierarchy's root; undefined when systemd keeps it. */
async function cgroupOf(bundle: string): Promise<string | undefined> {
  const text = await readFile(join(bundle, "config.json"), "utf8").catch(() => "{}");
  const { linux } = JSON.parse(text) as { linux?: { cgroupsPath?: string } };
  return linux?.cgroupsPath?.startsWith("/") ? linux.cgroupsPath : undefined;
}

const cgroupRoot = "/sys/fs/cgroup";

// runc that was killed between the cgroup's making and its own first note of it
async function removeCgroups(path: string | undefined): Promise<void> {
  if (!path) return;
  const roots = await hierarchies();
  await Promise.all(roots.map((root) => removeCgroup(join(root, path))));
}

/** The one of cgroup v2, and each of v1. */
async function hierarchies(): Promise<string[]> {
  const names = await readdir(cgroupRoot).catch(() => []);
  return [cgroupRoot, ...names.map((name) => join(cgroupRoot, name))];
}

/**
 * Removes what is left of containers' cgroups in Docker's folder of each hierarchy, for the ids that `isOurs` knows and
 * that no process is in. containerd forgets them when its client goes away while runc makes them.
 */
export async function sweepCgroups(isOurs: (containerId: string) => boolean): Promise<void> {
  await Promise.all(
    (await hierarchies()).map(async (root) => {
      const names = await readdir(join(root, "docker")).catch(() => []);
      await Promise.all(names.filter(isOurs).map((name) => removeCgroup(join(root, "docker", name))));
    }),
  );
}

/** The same for one container, which nobody runs any more. */
export async function forgetCgroups(containerId: string): Promise<void> {
  await removeCgroups(join("/docker", containerId));
}

/** Killed processes leave their cgroup a moment later. */
async function removeCgroup(folder: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const isGone = await rmdir(folder).then(
      () => true,
      (error) => error.code !== "EBUSY",
    );
    if (isGone) return;
    await sleep(20);
  }
}
