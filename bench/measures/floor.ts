// What a container costs without a daemon: `true` by runc alone, and by containerd with its shim.

import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { addon } from "../../native/index.ts";
import { connectContainerd, createRuntime, type Runtime } from "../../src/runtime/index.ts";
import { startContainerd } from "../daemons.ts";
import { type Bench, type Measure, timed } from "../measure.ts";
import { Place } from "../place.ts";

const run = promisify(execFile);

type OciSpec = Parameters<Runtime["create"]>[0]["spec"];

export const floorMeasure: Measure = {
  name: "floor",
  needsDaemons: false,
  async run(bench) {
    await using place = await Place.create("floor");
    const bundle = await makeBundle(place.path("bundle"));
    await runcAlone(bench, place, bundle);
    await throughContainerd(bench, place, bundle);
  },
};

/** A bundle of busybox as `runc spec` describes it: namespaces of its own, no seccomp filter. */
async function makeBundle(folder: string): Promise<string> {
  const bin = join(folder, "rootfs/bin");
  await mkdir(bin, { recursive: true });
  await copyFile("/bin/busybox", join(bin, "busybox"));
  await symlink("busybox", join(bin, "true"));
  await run("runc", ["spec", "--bundle", folder]);
  const spec = await specOf(folder);
  const process = { ...spec.process, args: ["true"], terminal: false };
  const root = { path: join(folder, "rootfs") };
  await writeFile(join(folder, "config.json"), JSON.stringify({ ...spec, process, root }));
  return folder;
}

async function specOf(bundle: string): Promise<OciSpec> {
  return JSON.parse(await readFile(join(bundle, "config.json"), "utf8")) as OciSpec;
}

async function runcAlone({ report, sizes }: Bench, place: Place, bundle: string): Promise<void> {
  for (let at = 0; at <= sizes.rounds; at++) {
    const argv = ["--root", place.path("runc"), "run", "--bundle", bundle, `bench${process.pid}-${at}`];
    const { ms } = await timed(() => run("runc", argv));
    if (at > 0) report.add("runc run true", "floor", ms);
  }
}

async function throughContainerd({ report, sizes }: Bench, place: Place, bundle: string): Promise<void> {
  const { address } = await startContainerd(place);
  const containerd = await connectContainerd({ address, namespace: "floor" });
  const runtime = createRuntime(containerd, {
    runcRoot: place.path("containerd-runc"),
    streamsRoot: place.path("streams"),
    makeFifo: (path, mode) => addon().makeFifo(path, mode),
  });
  const spec = await specOf(bundle);
  for (let at = 0; at <= sizes.rounds; at++) {
    const { ms } = await timed(() => runTask(runtime, `bench${process.pid}-${at}`, spec));
    if (at > 0) report.add("containerd: create, start, wait, delete", "floor", ms);
  }
  containerd.close();
}

async function runTask(runtime: Runtime, id: string, spec: OciSpec): Promise<void> {
  await runtime.create({ id, image: "", snapshotKey: "", spec });
  const task = await runtime.createTask(id, { terminal: false, stdin: false, rootfs: [], discard: true });
  await task.start();
  await task.wait();
  await task.delete();
  await runtime.delete(id);
}
