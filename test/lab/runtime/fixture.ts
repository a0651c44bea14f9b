// A containerd of the test's own, in a netns and folders of its own, with a busybox snapshot made by hand.

import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { pack } from "tar-stream";
import {
  buildSpec,
  type Containerd,
  connectContainerd,
  createRuntime,
  type ExitStatus,
  type HostFacts,
  type Mount,
  type OciUser,
  type ProcessInput,
  type Runtime,
  readHostFacts,
  type SpecInput,
  type StreamOptions,
  type Supervised,
  superviseContainerd,
  type Task,
} from "../../../src/runtime/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { Undo } from "../../../src/util/undo.ts";
import { everyStep } from "../steps.ts";

const run = promisify(execFile);

const applets =
  "cat echo env false grep head hostname id ip kill ls mkdir mount printf readlink sh sleep stty touch true unshare wc yes";

const files: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001:Alice:/home/alice:/bin/sh\n",
  "etc/group": "root:x:0:\nwheel:x:10:root\nalice:x:1001:\nstaff:x:50:alice\n",
};

export interface Started {
  readonly id: string;
  readonly task: Task;
  readonly out: Promise<string>;
  readonly err: Promise<string>;
}

export type ContainerWish = Partial<Omit<SpecInput, "process">> & {
  readonly process?: Partial<ProcessInput>;
  readonly streams?: Partial<StreamOptions>;
};

export const root: OciUser = { uid: 0, gid: 0 };

/** A containerd with a snapshot of busybox; disposing it ends every container and removes every trace. */
export class RuntimeLab implements AsyncDisposable {
  readonly folder: string;
  readonly supervised: Supervised;
  readonly containerd: Containerd;
  readonly runtime: Runtime;
  readonly host: HostFacts;
  readonly #undo: Undo;

  private constructor(parts: {
    folder: string;
    supervised: Supervised;
    containerd: Containerd;
    runtime: Runtime;
    host: HostFacts;
    undo: Undo;
  }) {
    this.folder = parts.folder;
    this.supervised = parts.supervised;
    this.containerd = parts.containerd;
    this.runtime = parts.runtime;
    this.host = parts.host;
    this.#undo = parts.undo;
  }

  static async create(): Promise<RuntimeLab> {
    await using undo = new Undo();
    const folder = await mkdtemp(`/tmp/tsdocker-rt-${process.pid}-`);
    undo.defer("remove folder", () => rm(folder, { recursive: true, force: true }));
    const supervised = await startContainerd(folder);
    undo.defer("stop containerd", () => supervised.stop());
    const containerd = await connectContainerd({ address: supervised.address, namespace: "lab" });
    undo.defer("close connection", () => containerd.close());
    await importBusybox(containerd);
    const runtime = createRuntime(containerd, runtimeOptions(folder));
    const host = await readHostFacts();
    return new RuntimeLab({ folder, supervised, containerd, runtime, host, undo: undo.move() });
  }

  /** The specification of a container that needs nothing, changed by `wish`. */
  spec(id: string, wish: ContainerWish = {}): SpecInput {
    const { process: processWish, streams, ...rest } = wish;
    return {
      id,
      hostname: id.slice(0, 12),
      rootfs: { readonly: false },
      privileged: false,
      capAdd: [],
      capDrop: [],
      namespaces: {
        network: { kind: "private" },
        pid: { kind: "private" },
        ipc: { kind: "private" },
        uts: { kind: "private" },
        cgroup: { kind: "host" },
      },
      mounts: [],
      files: [],
      shm: { kind: "private", sizeBytes: 1 << 20 },
      devices: [],
      deviceCgroupRules: [],
      resources: {},
      ulimits: [],
      sysctls: {},
      cgroup: { driver: "cgroupfs", parent: `/tsdocker-rt-${process.pid}` },
      host: this.host,
      ...rest,
      process: {
        args: ["true"],
        env: [],
        terminal: streams?.terminal ?? false,
        user: root,
        noNewPrivileges: false,
        ...processWish,
      },
    };
  }

  async prepare(id: string): Promise<readonly Mount[]> {
    return await this.containerd.snapshots.prepare(id, "busybox", { "containerd.io/gc.root": "lab" });
  }

  /** Makes a container and its task and collects what it writes; does not start it. */
  async create(wish: ContainerWish = {}): Promise<Started> {
    const id = randomBytes(32).toString("hex");
    const rootfs = await this.prepare(id);
    const spec = buildSpec(this.spec(id, wish));
    await this.runtime.create({ id, image: "busybox", snapshotKey: id, spec });
    const streams = { terminal: false, stdin: false, ...wish.streams };
    const task = await this.runtime.createTask(id, { ...streams, rootfs });
    return { id, task, out: collect(task.stdio.stdout), err: collect(task.stdio.stderr) };
  }

  /** Runs a command to its end and takes everything away. */
  async run(
    args: readonly string[],
    wish: ContainerWish = {},
  ): Promise<ExitStatus & { out: string; err: string }> {
    const started = await this.create({ ...wish, process: { ...wish.process, args } });
    await started.task.start();
    const status = await started.task.wait();
    const [out, err] = await Promise.all([started.out, started.err]);
    await this.remove(started.id, started.task);
    return { ...status, out, err };
  }

  async remove(id: string, task?: Task): Promise<void> {
    await task?.kill(9, { all: true }).catch(() => undefined);
    if (task) await task.wait().catch(() => undefined);
    await task?.delete();
    await task?.stdio.close();
    await this.runtime.forgetStreams(id);
    await this.runtime.delete(id);
    await this.containerd.snapshots.remove(id);
  }

  /** Ends and removes all containers. */
  async clear(): Promise<void> {
    for (const { id } of await this.runtime.list())
      await this.remove(id, (await this.runtime.load(id))?.task);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await everyStep(
      () => this.clear(),
      () => this.#undo.dispose(),
      () => removeCgroups(),
    );
  }
}

export function runtimeOptions(folder: string) {
  return {
    runcRoot: join(folder, "runc"),
    streamsRoot: join(folder, "streams"),
    makeFifo: async (path: string, mode: number) => {
      await run("mkfifo", ["-m", mode.toString(8), path]);
    },
  };
}

/** Supervises a containerd that lives in a netns of its own. */
export async function startContainerd(folder: string): Promise<Supervised> {
  const binary = join(folder, "containerd-alone");
  await writeFile(binary, '#!/bin/sh\nexec unshare --net containerd "$@"\n', { mode: 0o755 });
  return await superviseContainerd({
    root: join(folder, "root"),
    state: join(folder, "state"),
    logFile: join(folder, "containerd.log"),
    log: silentLog,
    binary,
  });
}

/** Waits until `isTrue` holds; throws after half a minute. */
export async function eventually(isTrue: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(20);
  }
}

async function importBusybox(containerd: Containerd): Promise<void> {
  const layer = await busyboxLayer();
  const digest = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
  await containerd.leases.create("import", { expiresInMs: 600_000 });
  const leased = containerd.withLease("import");
  await leased.content.write(`layer-${digest}`, [layer], { expected: digest, total: layer.length });
  const mounts = await leased.snapshots.prepare("import", "");
  const descriptor = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: layer.length };
  const applied = await leased.diff.apply(descriptor, mounts);
  if (applied.digest !== digest) throw new Error("the layer was unpacked otherwise than it was packed");
  await leased.snapshots.commit("busybox", "import", { "containerd.io/gc.root": "lab" });
  await containerd.leases.delete("import");
}

async function busyboxLayer(): Promise<Buffer> {
  const tar = pack();
  for (const folder of ["bin", "etc", "proc", "sys", "dev", "tmp", "root", "home/alice"])
    tar.entry({ name: folder, type: "directory", mode: folder === "tmp" ? 0o1777 : 0o755 });
  tar.entry({ name: "bin/busybox", mode: 0o755 }, await readFile("/bin/busybox"));
  for (const applet of applets.split(" "))
    tar.entry({ name: `bin/${applet}`, type: "symlink", linkname: "busybox" });
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o644 }, content);
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Everything that a stream brings. */
export async function collect(stream: Readable | undefined): Promise<string> {
  return stream ? await text(stream) : "";
}

/** runc removes a container's cgroups and leaves the parent that we named. */
async function removeCgroups(): Promise<void> {
  const { stdout } = await run("find", [
    "/sys/fs/cgroup",
    "-type",
    "d",
    "-name",
    `tsdocker-rt-${process.pid}`,
  ]);
  for (const folder of stdout.split("\n").filter(Boolean))
    await run("rmdir", [folder]).catch(() => undefined);
}
