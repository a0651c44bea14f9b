// What a container costs without a daemon: `runc run` of `true` in namespaces of its own.

import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Measure, timed } from "../measure.ts";
import { Place } from "../place.ts";

const run = promisify(execFile);

export const floorMeasure: Measure = {
  name: "floor",
  needsDaemons: false,
  async run({ report, sizes }) {
    await using place = await Place.create("runc");
    const bundle = await makeBundle(place.path("bundle"));
    for (let at = -1; at < sizes.rounds; at++) {
      const argv = ["--root", place.path("runc"), "run", "--bundle", bundle, `bench${process.pid}-${at}`];
      const { ms } = await timed(() => run("runc", argv));
      if (at >= 0) report.add("runc run true", "floor", ms);
    }
  },
};

async function makeBundle(folder: string): Promise<string> {
  const bin = join(folder, "rootfs/bin");
  await mkdir(bin, { recursive: true });
  await copyFile("/bin/busybox", join(bin, "busybox"));
  await symlink("busybox", join(bin, "true"));
  await run("runc", ["spec", "--bundle", folder]);
  const path = join(folder, "config.json");
  const spec = JSON.parse(await readFile(path, "utf8")) as { process: object };
  const process = { ...spec.process, args: ["true"], terminal: false };
  await writeFile(path, JSON.stringify({ ...spec, process }));
  return folder;
}
