// Volumes that are made, used and removed side by side.

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { resolveMounts } from "../../../src/engine/mounts.ts";
import { volumeOperations } from "../../../src/engine/volumes.ts";
import type { Store } from "../../../src/store/index.ts";
import { Undo } from "../../../src/util/undo.ts";
import { Volumes } from "../../../src/volume/index.ts";
import { containerSpec } from "../api/fake-engine.ts";
import { contextWith, memoryCollection } from "./fake-context.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "volumes-"));
});

afterEach(() => rm(folder, { recursive: true }));

async function contextWithVolumes() {
  const records = memoryCollection("volumes");
  const volumes = new Volumes({ collection: () => records } as unknown as Store, folder);
  return (await contextWith([], { volumes })).context;
}

const wish = { name: "vol", driver: "local", driverOptions: {}, labels: {} };

test("one that is made while its namesake is removed has its folder, empty", async () => {
  const { create, remove } = volumeOperations(await contextWithVolumes());
  const { mountpoint } = await create(wish);
  for (let at = 0; at < 100; at++) await writeFile(join(mountpoint, `${at}`), "old");
  const [, made] = await Promise.all([remove("vol", { force: false }), create(wish)]);
  expect(await readdir(made.mountpoint)).toEqual([]);
});

test("one that is made twice side by side is made once", async () => {
  const context = await contextWithVolumes();
  const ended = new AbortController();
  const heard = context.events.subscribe({ filters: new Map() }, ended.signal);
  const { create } = volumeOperations(context);
  const [first, second] = await Promise.all([create(wish), create({ ...wish, labels: { late: "yes" } })]);
  expect(second).toEqual(first);
  ended.abort();
  const actions: string[] = [];
  for await (const { action } of heard) actions.push(action);
  expect(actions).toEqual(["create"]);
});

test("those of a container that is being created are neither removed nor pruned", async () => {
  const context = await contextWithVolumes();
  const { create, list, prune, remove } = volumeOperations(context);
  await create(wish);
  const volume = { kind: "volume", driverOptions: {}, labels: {}, readOnly: false, noCopy: false } as const;
  const spec = containerSpec({
    mounts: [
      { ...volume, name: "vol", target: "/named" },
      { ...volume, target: "/anonymous" },
    ],
  });
  const all = new Map([["all", ["true"]]]);
  {
    using hold = context.volumeHolds.open("c1");
    const resolving = resolveMounts(context, spec, { hold, undo: new Undo() });
    await expect(remove("vol", { force: true })).rejects.toThrow("remove vol: volume is in use - [c1]");
    await resolving;
    expect((await prune(all)).deleted).toEqual([]);
    expect((await list(new Map())).map(({ usedBy }) => usedBy)).toEqual([["c1"], ["c1"]]);
  }
  expect((await prune(all)).deleted).toHaveLength(2);
});
