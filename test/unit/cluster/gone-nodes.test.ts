import { beforeEach, expect, test, vi } from "vitest";
import { FakeCluster, type FakeHost, GoneNodes, type NodeRecord } from "../../../src/cluster/index.ts";

const graceMs = 60_000;
let cluster: FakeCluster;
let one: FakeHost;
let two: FakeHost;
let now: number;

beforeEach(async () => {
  cluster = new FakeCluster();
  one = await cluster.addNode("one");
  two = await cluster.addNode("two");
  await cluster.addNode("lost");
  now = 1_000;
});

/** A record per sock, keyed by its host. */
async function recordsOn(host: FakeHost) {
  const table = await host.table<string>("socks");
  return (id: string): NodeRecord[] => [...table.entries(`${id}/`)].map((entry) => ({ table, entry }));
}

async function watchOn(host: FakeHost) {
  return await GoneNodes.watch(host, {
    graceMs: () => graceMs,
    recordsOf: await recordsOn(host),
    now: () => now,
  });
}

async function lose(id: string) {
  cluster.partition(id);
  cluster.endLease(id);
  await cluster.settled();
}

test("a host is taken off the record with its records when its grace time is over, and not before", async () => {
  const table = await one.table<string>("socks");
  await table.put("lost/left", "red");
  await table.put("two/left", "red");
  const gone = await watchOn(one);
  await lose("lost");
  now += graceMs - 1;
  expect(await gone.sweep()).toEqual([]);
  now += 1;
  expect(await gone.sweep()).toEqual(["lost"]);
  expect([...one.nodes.entries()].map(({ key }) => key)).toEqual(["one", "two"]);
  expect([...table.entries()].map(({ key }) => key)).toEqual(["two/left"]);
  gone.close();
});

test("two hosts that find it at the same time do it once", async () => {
  const watches = [await watchOn(one), await watchOn(two)];
  await lose("lost");
  now += graceMs;
  const removed = await Promise.all(watches.map((gone) => gone.sweep()));
  expect(removed.flat()).toEqual(["lost"]);
  for (const gone of watches) gone.close();
});

test("a host that is back in time stays, and its time begins anew", async () => {
  const gone = await watchOn(one);
  await lose("lost");
  now += graceMs - 1;
  await cluster.heal("lost");
  now += 1;
  expect(await gone.sweep()).toEqual([]);
  await lose("lost");
  now += graceMs - 1;
  expect(await gone.sweep()).toEqual([]);
  expect(one.nodes.get("lost")).toBeDefined();
  gone.close();
});

test("a host that comes back while it is being removed keeps what it has", async () => {
  const table = await one.table<string>("socks");
  await table.put("lost/left", "red");
  const gone = await watchOn(one);
  await lose("lost");
  now += graceMs;
  cluster.hold("one");
  await cluster.heal("lost");
  const sweep = gone.sweep();
  await cluster.settled();
  cluster.release("one");
  expect(await sweep).toEqual([]);
  expect(one.nodes.get("lost")).toBeDefined();
  expect(table.get("lost/left")).toBeDefined();
  gone.close();
});

test("time in which the store was away does not count", async () => {
  const gone = await watchOn(one);
  await lose("lost");
  cluster.partition("one");
  now += graceMs;
  await cluster.heal("one");
  expect(await gone.sweep()).toEqual([]);
  now += graceMs;
  expect(await gone.sweep()).toEqual(["lost"]);
  gone.close();
});

test("more records than fit into a transaction go in several, the host's own last", async () => {
  const table = await one.table<string>("socks");
  for (let sock = 0; sock < 300; sock++) await table.put(`lost/${sock}`, "red");
  const gone = await watchOn(one);
  await lose("lost");
  now += graceMs;
  const left: number[] = [];
  one.nodes.follow(() => left.push([...table.entries("lost/")].length));
  expect(await gone.sweep()).toEqual(["lost"]);
  expect(left).toEqual([0]);
  gone.close();
});

test("records that change meanwhile are read again", async () => {
  const table = await one.table<string>("socks");
  await table.put("lost/left", "red");
  const records = await recordsOn(one);
  const recordsOf = vi.fn((id: string) => records(id));
  const gone = await GoneNodes.watch(one, { graceMs: () => graceMs, recordsOf, now: () => now });
  await lose("lost");
  now += graceMs;
  cluster.hold("one");
  void (await two.table<string>("socks")).put("lost/left", "green");
  await cluster.settled();
  const sweep = gone.sweep();
  await cluster.settled();
  cluster.release("one");
  expect(await sweep).toEqual(["lost"]);
  expect(recordsOf).toHaveBeenCalledTimes(2);
  expect([...table.entries()]).toEqual([]);
  gone.close();
});

test("a host that was taken off the record and is back after all is on record again", async () => {
  const gone = await watchOn(one);
  await lose("lost");
  now += graceMs;
  await gone.sweep();
  await cluster.heal("lost");
  expect(one.nodes.get("lost")).toBeDefined();
  expect(one.isAlive("lost")).toBe(true);
  gone.close();
});

test("what a host left behind that is none any more goes too, and what it shares stays for the others", async () => {
  const table = await one.table<string>("socks");
  await table.put("former/left", "red");
  await table.put("former/shared", "former and two");
  const gone = await GoneNodes.watch(one, {
    graceMs: () => graceMs,
    recordsOf: (id) =>
      [...table.entries(`${id}/`)].map((entry) =>
        entry.value.endsWith("and two") ? { table, entry, rest: "two" } : { table, entry },
      ),
    hostsOnRecord: () => [...table.entries()].map(({ key }) => key.slice(0, key.indexOf("/"))),
    now: () => now,
  });
  expect(await gone.sweep()).toEqual([]);
  now += graceMs;
  expect(await gone.sweep()).toEqual(["former"]);
  expect([...table.entries()].map(({ key, value }) => [key, value])).toEqual([["former/shared", "two"]]);
  gone.close();
});

test("a watch that stood still judges nobody by what it knew before", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    const gone = await watchOn(one);
    await lose("lost");
    // stopped by a signal, or a debugger: the clock went on
    now += 10 * graceMs;
    vi.advanceTimersByTime(graceMs / 10);
    await cluster.settled();
    expect(one.nodes.get("lost")).toBeDefined();
    for (let look = 0; look <= 10; look++) {
      now += graceMs / 10;
      vi.advanceTimersByTime(graceMs / 10);
      await cluster.settled();
    }
    expect(one.nodes.get("lost")).toBeUndefined();
    gone.close();
  } finally {
    vi.useRealTimers();
  }
});

test("a host that leaves takes its records with it, and is not announced again", async () => {
  const table = await one.table<string>("socks");
  const left = await table.put("two/left", "red");
  await two.leave((transaction) => transaction.remove(table, left));
  await cluster.heal("two");
  await cluster.settled();
  expect([one.nodes.get("two"), one.isAlive("two"), table.get("two/left")]).toEqual([
    undefined,
    false,
    undefined,
  ]);
  // what it has to say besides is heard until it closes
  await (await two.table<string>("socks")).put("two/right", "blue");
  await two.close({ leave: true });
  await cluster.settled();
  expect(table.get("two/right")?.value).toBe("blue");
});

test("a jump of the time of day makes nobody gone", async () => {
  const gone = await watchOn(one);
  await lose("lost");
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    for (const day of ["2001-01-01", "2099-12-31"]) {
      vi.setSystemTime(new Date(day));
      expect(await gone.sweep()).toEqual([]);
    }
    now += graceMs;
    expect(await gone.sweep()).toEqual(["lost"]);
  } finally {
    vi.useRealTimers();
    gone.close();
  }
});
