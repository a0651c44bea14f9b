// Hosts whose disk was copied after the first start, and so are twins: of two daemons with one id one is let in.

import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { StoreCluster } from "../../../src/cluster/index.ts";
import { openStore, type Store } from "../../../src/store/index.ts";
import { everyStep } from "../steps.ts";
import { ClusterLab, type LabCluster, until } from "./etcd-cluster.ts";

let lab: ClusterLab;
let cluster: LabCluster;
let folder: string;
let stores: Store[];

beforeAll(async () => {
  lab = await ClusterLab.create(["one"], { members: 1 });
});
afterAll(async () => await lab?.[Symbol.asyncDispose]());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsdocker-twins-"));
  stores = [];
  // a machine that stands still for two seconds is no death, after which the second one would be let in
  cluster = lab.cluster({ ttlSeconds: 5 });
});
afterEach(() =>
  everyStep(
    () => cluster[Symbol.asyncDispose](),
    ...stores.map((store) => () => store.close()),
    () => rm(folder, { recursive: true, force: true }),
  ),
);

function open(name: string): Store {
  const store = openStore(join(folder, name));
  stores.push(store);
  return store;
}

/** A daemon with the disk of this name. */
const start = (name: string) => cluster.add("one", { store: open(name) });
const copy = (from: string, to: string) => cp(join(folder, from), join(folder, to), { recursive: true });
const isRefused = ({ trouble }: StoreCluster) => trouble?.includes("is a copy of that one's") ?? false;

/** A host that was started once, and its disk is copied while it is off. */
async function twins(): Promise<void> {
  const store = open("first");
  await (await cluster.add("one", { store })).close();
  await store.close();
  stores.pop();
  await copy("first", "second");
}

test("the second one is refused, told what to do, and changes nothing of the first", async () => {
  await twins();
  const first = await start("first");
  await until(() => first.state === "connected", "the first is in");
  const second = await start("second");
  await until(() => isRefused(second), "the second is refused");
  expect(second.trouble).toMatch(
    /another daemon lives under its id one \(last seen as one, 192\.0\.2\.\d+\)/,
  );
  expect(second.trouble).toContain("Stop this daemon, remove the folder cluster of its data root");
  await expect((await second.table("socks")).put("left", "red")).rejects.toMatchObject({
    kind: "unavailable",
  });
  expect(first.state).toBe("connected");
  await (await first.table("socks")).put("left", "red");
});

test("of twins whose disk was copied under the first one's feet the first one stays too", async () => {
  const first = await start("first");
  await (await first.table("socks")).put("left", "red");
  await copy("first", "second");
  const second = await start("second");
  await until(() => isRefused(second), "the second is refused");
  expect(first.state).toBe("connected");
  expect(first.isAlive("one")).toBe(true);
});

test("when the first one is gone, the other is let in", async () => {
  await twins();
  const first = await start("first");
  await until(() => first.state === "connected", "the first is in");
  const second = await start("second");
  await until(() => isRefused(second), "the second is refused");
  await first.close();
  await until(() => second.state === "connected", "the second is in");
});

test("a daemon that died and is started again is no twin of itself", async () => {
  const store = open("first");
  await (await cluster.add("one", { store })).close({ leave: false, keepLease: true });
  for (let again = 0; again < 3; again++) {
    const life = await cluster.add("one", { store });
    await until(() => life.state === "connected", "it is in");
    await life.close({ leave: false, keepLease: true });
  }
});
