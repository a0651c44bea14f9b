// Shims that nobody knows any more, and others that write where one is being cleared away. The shims are scripts that bear
// a shim's command line: what matters is that they fork and write while they are ended.

import { type ChildProcess, spawn } from "node:child_process";
import { access, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clearShim, findShims, type ShimPlace } from "../../../src/runtime/lost-shims.ts";
import { eventually } from "./fixture.ts";

let folder: string;
let bundle: string;
let place: ShimPlace;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsd-lost-"));
  bundle = join(folder, "c1");
  await mkdir(join(bundle, "rootfs"), { recursive: true });
  place = {
    address: join(folder, "containerd.sock"),
    namespace: "n1",
    runcRoot: join(folder, "runc"),
    unmount: async () => undefined,
  };
});

afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Children that outlive their parents write a file each, for at most ten seconds. */
const restless = `
end=$((SECONDS + 10))
while [ $SECONDS -lt $end ]; do
  ( ( : > "note-$BASHPID" ) & : > "note-$BASHPID" ) &
  wait -n
done`;

async function startShim(script: string): Promise<ChildProcess> {
  const path = join(folder, "shim.sh");
  await writeFile(path, script);
  const words = ["-namespace", place.namespace, "-address", place.address, "-id", "c1"];
  const child = spawn("bash", [path, ...words], {
    argv0: "containerd-shim-of-a-test",
    cwd: bundle,
    stdio: "ignore",
  });
  await eventually(async () => (await findShims(place)).length > 0, "the shim runs");
  return child;
}

test("all that a shim has forked ends with it, and writes nothing any more", async () => {
  for (let round = 0; round < 8; round++) {
    await mkdir(join(bundle, "rootfs"), { recursive: true });
    const child = await startShim(restless);
    await eventually(async () => (await readdir(bundle)).length > 3, "it writes");
    const shim = { containerId: "c1", pid: child.pid ?? 0 };
    // what it has just forked bears its command line too
    expect(await findShims(place)).toContainEqual(shim);
    await clearShim(shim, place);
    expect(await readdir(folder)).not.toContain("c1");
    expect(await findShims(place)).toEqual([]);
  }
});

test("what containerd notes in the bundle, for as long as it does, goes too", async () => {
  await startShim("sleep 10");
  let isOver = false;
  const notes = (async () => {
    for (let at = 0; at < 400 && !isOver; at++) {
      await writeFile(join(bundle, "rootfs", `${at}`), "").catch(() => undefined);
      await writeFile(join(bundle, `log-${at}`), "").catch(() => undefined);
    }
  })();
  const [shim] = await findShims(place);
  if (!shim) throw new Error("there is a shim");
  setTimeout(() => {
    isOver = true;
  }, 150);
  await clearShim(shim, place);
  await notes;
  await expect(access(bundle)).rejects.toThrow("ENOENT");
});

test("a stopped shim ends as well", async () => {
  const child = await startShim("sleep 10");
  child.kill("SIGSTOP");
  await sleep(20);
  const [shim] = await findShims(place);
  if (shim) await clearShim(shim, place);
  expect(await findShims(place)).toEqual([]);
  expect(await readdir(folder)).not.toContain("c1");
});
