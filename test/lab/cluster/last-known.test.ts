// A daemon that starts without the cluster's store knows what it last knew.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openStore, type Store } from "../../../src/store/index.ts";
import { everyStep } from "../steps.ts";
import { ClusterLab, type LabCluster, until } from "./etcd-cluster.ts";

let lab: ClusterLab;
let cluster: LabCluster;
let folder: string;
let store: Store;

beforeAll(async () => {
  lab = await ClusterLab.create(["one", "two"], { members: 1 });
});
afterAll(async () => await lab?.[Symbol.asyncDispose]());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsdocker-last-known-"));
  store = openStore(join(folder, "store"));
  // a machine that stands still for two seconds is no death
  cluster = lab.cluster({ ttlSeconds: 5 });
});
afterEach(() =>
  everyStep(
    () => cluster[Symbol.asyncDispose](),
    () => store.close(),
    () => rm(folder, { recursive: true, force: true }),
    async () => await lab.etcd.members[0]?.start(),
    () => lab.etcd.leader(),
  ),
);

const killStore = async () => await lab.etcd.members[0]?.kill();

test("a host starts frozen with the networks it knew, and goes on when the store is back", async () => {
  const two = await cluster.add("two");
  const before = await cluster.add("one", { store });
  await (await before.table("networks")).put("blue", { vni: 4096n });
  await until(() => before.isAlive("two"), "two is alive");
  await before.close();
  await killStore();
  const after = await cluster.add("one", { store });
  expect(after.state).toBe("frozen");
  // it may have given up before the store's refusal was heard
  await until(() => after.trouble?.includes("etcd at 192.0.2.1:2379") ?? false, "it says where it looked");
  const networks = await after.table("networks");
  expect(networks.get("blue")?.value).toEqual({ vni: 4096n });
  expect(after.nodes.get("two")?.value).toEqual(two.self);
  expect(after.isAlive("two")).toBe(true);
  await expect(networks.put("green", {})).rejects.toMatchObject({ kind: "unavailable" });
  const heard: string[] = [];
  networks.follow((changes) => heard.push(...changes.map(({ kind }) => kind)));
  await lab.etcd.members[0]?.start();
  await until(() => after.state === "connected", "one is connected");
  expect(after.trouble).toBeUndefined();
  // nothing changed meanwhile, so nothing is told
  expect(heard).toEqual([]);
  await networks.put("green", {});
});

test("a host hears what changed while its daemon was away", async () => {
  const two = await cluster.add("two");
  const before = await cluster.add("one", { store });
  const table = await two.table<string>("socks");
  for (const key of ["same", "changed", "gone"]) await table.put(key, "red");
  await until(async () => (await before.table("socks")).get("gone") !== undefined, "one knows");
  await before.close();
  await table.put("changed", "blue");
  await table.delete("gone");
  await table.put("new", "red");
  await two.close();
  await killStore();
  const after = await cluster.add("one", { store });
  const heard: string[] = [];
  (await after.table("socks")).follow((changes) => {
    for (const change of changes)
      heard.push(change.kind === "put" ? `+${change.entry.key}` : `-${change.before.key}`);
  });
  await lab.etcd.members[0]?.start();
  await until(() => after.state === "connected", "one is connected");
  expect(heard).toEqual(["-gone", "+changed", "+new"]);
});

test("what is on disk follows, without a goodbye too", async () => {
  const before = await cluster.add("one", { store });
  await (await before.table<string>("socks")).put("left", "red");
  const kept = store.collection<{ value: unknown }>("cluster-copy");
  await until(() => kept.get("socks/left")?.value === "red", "the disk has it");
  await (await before.table<string>("socks")).delete("left");
  await until(() => kept.get("socks/left") === undefined, "the disk has it no more");
});

test("a host that knows nothing does not start without the store, and says what was tried", async () => {
  await killStore();
  const work = cluster.add("one", { store, firstConnectMs: 3_000 });
  await expect(work).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining("etcd at 192.0.2.1:2379"),
  });
});

test("what is known of another cluster is not taken for this one's", async () => {
  const before = await cluster.add("one", { store });
  await (await before.table<string>("socks")).put("left", "red");
  await before.close();
  await using other = lab.cluster();
  const after = await other.add("one", { store });
  expect((await after.table("socks")).get("left")).toBeUndefined();
  expect([...after.nodes.entries()].map(({ key }) => key)).toEqual(["one"]);
});

test("a host that leaves forgets, and the others forget it", async () => {
  const two = await cluster.add("two");
  const before = await cluster.add("one", { store });
  await before.close({ leave: true });
  await until(() => two.nodes.get("one") === undefined, "two forgot");
  await killStore();
  await expect(cluster.add("one", { store, firstConnectMs: 500 })).rejects.toMatchObject({
    kind: "unavailable",
  });
});

test("a lease that is kept over a restart is not seen to end", async () => {
  const two = await cluster.add("two");
  const before = await cluster.add("one", { store });
  await until(() => two.isAlive("one"), "one is alive");
  const deaths: boolean[] = [];
  two.followLife(() => deaths.push(two.isAlive("one")));
  await before.close({ leave: false, keepLease: true });
  const after = await cluster.add("one", { store });
  await until(() => after.state === "connected" && two.isAlive("one"), "one is back");
  expect(deaths.filter((isAlive) => !isAlive)).toEqual([]);
});

test("a store that was wiped is not believed", async () => {
  const before = await cluster.add("one", { store });
  await (await before.table<string>("socks")).put("left", "red");
  await lab.etcd.members[0]?.wipe();
  await lab.etcd.members[0]?.start();
  await until(() => before.state === "frozen", "one is frozen");
  await until(() => /another one|lost what it had/.test(before.trouble ?? ""), "one says why");
  expect((await before.table("socks")).get("left")?.value).toBe("red");
});

test("a host that was never told anything is no worse for it: neither at first, nor when it starts frozen twice", async () => {
  await killStore();
  await expect(cluster.add("one", { store, firstConnectMs: 500 })).rejects.toMatchObject({
    kind: "unavailable",
  });
  await lab.etcd.members[0]?.start();
  await lab.etcd.leader();
  const first = await cluster.add("one", { store });
  await (await first.table("networks")).put("blue", {});
  await first.close();
  await killStore();
  for (let start = 0; start < 2; start++) {
    const frozen = await cluster.add("one", { store });
    expect((await frozen.table("networks")).get("blue")).toBeDefined();
    await frozen.close();
  }
  await lab.etcd.members[0]?.start();
  await lab.etcd.leader();
  const last = await cluster.add("one", { store });
  await until(() => last.state === "connected", "it is back");
});
