// A container's mounts: Docker's defaults, the engine's files, what the user asked for.

import type { OciMount } from "./schema.ts";
import type { SpecInput } from "./spec-input.ts";

const defaults: readonly OciMount[] = [
  { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
  {
    destination: "/dev",
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
  },
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
  {
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: ["ro", "nosuid", "noexec", "nodev"],
  },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
];

// Stay writable when the root file system is not: they are the kernel's or the container's own memory.
const writableAlways = new Set(["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"]);

/** All mounts, parents before what lies in them. */
export function chooseMounts(input: SpecInput): readonly OciMount[] {
  const wanted = new Set(input.mounts.map(({ destination }) => cleanPath(destination)));
  const given = [...defaults, ...shm(input), ...files(input), ...init(input)];
  const kept = given.filter(({ destination }) => !wanted.has(destination));
  return [...kept.map((mount) => withAccess(mount, input)), ...byDepth(input.mounts)];
}

/** A folder or file of the host's; `propagation` as Docker names it (default rprivate). */
export function bindMount(bind: {
  source: string;
  target: string;
  readonly?: boolean;
  propagation?: string;
  recursive?: boolean;
}): OciMount {
  const { source, target, readonly = false, propagation = "rprivate", recursive = true } = bind;
  return {
    destination: target,
    type: "bind",
    source,
    options: [recursive ? "rbind" : "bind", propagation, readonly ? "ro" : "rw"],
  };
}

/** Memory as a file system. `options` in mount's words; they replace Docker's defaults where they contradict them. */
export function tmpfsMount(target: string, options: readonly string[] = []): OciMount {
  const opposite: Readonly<Record<string, string>> = { exec: "noexec", suid: "nosuid", dev: "nodev" };
  const dropped = new Set(options.map((option) => opposite[option]));
  const base = ["noexec", "nosuid", "nodev"].filter((option) => !dropped.has(option));
  return {
    destination: target,
    type: "tmpfs",
    source: "tmpfs",
    options: [...new Set([...base, ...options])],
  };
}

/** The propagation that the root needs so that a mount asked to be shared or a slave can be one. */
export function rootPropagation(mounts: readonly OciMount[]): "shared" | "rslave" | undefined {
  const options = mounts.flatMap((mount) => mount.options ?? []);
  if (options.includes("shared") || options.includes("rshared")) return "shared";
  return options.includes("slave") || options.includes("rslave") ? "rslave" : undefined;
}

function shm({ shm }: SpecInput): readonly OciMount[] {
  if (shm.kind === "none") return [];
  if (shm.kind === "bind")
    return [{ destination: "/dev/shm", type: "bind", source: shm.source, options: ["rbind", "rprivate"] }];
  const options = ["nosuid", "noexec", "nodev", "mode=1777", `size=${shm.sizeBytes}`];
  return [{ destination: "/dev/shm", type: "tmpfs", source: "shm", options }];
}

function files({ files }: SpecInput): readonly OciMount[] {
  return files.map(({ source, target }) => ({
    destination: target,
    type: "bind",
    source,
    options: ["rbind", "rprivate"],
  }));
}

function init({ initPath, namespaces }: SpecInput): readonly OciMount[] {
  if (initPath === undefined || namespaces.pid.kind !== "private") return [];
  return [
    { destination: "/sbin/docker-init", type: "bind", source: initPath, options: ["bind", "rprivate", "ro"] },
  ];
}

function withAccess(mount: OciMount, { privileged, rootfs, namespaces }: SpecInput): OciMount {
  const options = mount.options ?? [];
  const { destination } = mount;
  const isOpen =
    (destination === "/sys" && privileged && !rootfs.readonly) ||
    (destination === "/sys/fs/cgroup" && (privileged || namespaces.user !== undefined));
  if (isOpen) return { ...mount, options: options.filter((option) => option !== "ro") };
  if (!rootfs.readonly || writableAlways.has(destination) || options.includes("ro")) return mount;
  return { ...mount, options: [...options, "ro"] };
}

function byDepth(mounts: readonly OciMount[]): readonly OciMount[] {
  const depth = ({ destination }: OciMount) => cleanPath(destination).split("/").length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

const cleanPath = (path: string) => (path.length > 1 ? path.replace(/\/+$/, "") : path);
