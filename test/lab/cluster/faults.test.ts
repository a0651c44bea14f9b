// What goes wrong between a host and etcd, with the real thing.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { ConnectOptions } from "../../../src/cluster/connect.ts";
import { CompactedError, openWatch } from "../../../src/cluster/etcd/index.ts";
import type { StoreCluster } from "../../../src/cluster/index.ts";
import { everyStep } from "../steps.ts";
import { ClusterLab, type LabCluster, until } from "./etcd-cluster.ts";

let lab: ClusterLab;
let cluster: LabCluster;
let one: StoreCluster;
let two: StoreCluster;

beforeAll(async () => {
  lab = await ClusterLab.create(["one", "two"]);
});
afterAll(async () => await lab?.[Symbol.asyncDispose]());
beforeEach(() => join());
afterEach(() =>
  everyStep(
    () => cluster[Symbol.asyncDispose](),
    ...lab.etcd.members.map((each) => () => each.start()),
    () => lab.etcd.leader(),
  ),
);

async function join(options: Partial<ConnectOptions> = {}): Promise<void> {
  cluster = lab.cluster(options);
  one = await cluster.add("one");
  two = await cluster.add("two");
}

const member = (index: number) => {
  const found = lab.etcd.members[index];
  if (!found) throw new Error(`no member ${index}`);
  return found;
};

/** Writes a number each time it is allowed to; what was promised must be there in the end. */
async function writeWhile(
  work: (promised: readonly number[]) => Promise<void>,
): Promise<{ promised: number[]; refused: number }> {
  const table = await one.table<number>("numbers");
  const promised: number[] = [];
  let refused = 0;
  let isOver = false;
  const writing = (async () => {
    for (let number = 0; !isOver; number++) {
      const isDone = await table.create(`n${number}`, number).then(
        () => true,
        (error) => {
          expect(error).toMatchObject({ kind: "unavailable" });
          return false;
        },
      );
      if (isDone) promised.push(number);
      else refused++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  try {
    await work(promised);
  } finally {
    isOver = true;
    await writing;
  }
  return { promised, refused };
}

async function expectSameOnBoth(promised: readonly number[]): Promise<void> {
  const last = await one.table("last");
  await until(
    () =>
      last.put("word", "done").then(
        () => true,
        () => false,
      ),
    "one writes",
  );
  const [mine, theirs] = [await one.table<number>("numbers"), await two.table<number>("numbers")];
  await until(async () => (await two.table("last")).get("word") !== undefined, "two has everything");
  expect([...theirs.entries()]).toEqual([...mine.entries()]);
  const known = new Set([...mine.entries()].map(({ value }) => value));
  expect(promised.filter((number) => !known.has(number))).toEqual([]);
}

test("the leader is killed: what was promised is kept, and both hosts go on", async () => {
  const { promised } = await writeWhile(async (written) => {
    await until(() => written.length > 0, "one writes");
    await member(await lab.etcd.leader()).kill();
    await lab.etcd.leader();
    await until(() => one.state === "connected" && two.state === "connected", "both are connected");
    const before = written.length;
    await until(() => written.length > before, "one writes again");
    await (await two.table("last")).put("first", "word");
  });
  await expectSameOnBoth(promised);
  await until(() => one.isAlive("two") && two.isAlive("one"), "both are alive");
});

test("a member is killed that a host follows: it follows another, and nobody takes it for dead", async () => {
  // a machine that stands still for two seconds is no death
  await cluster[Symbol.asyncDispose]();
  await join({ ttlSeconds: 5 });
  const deaths: string[] = [];
  for (const host of [one, two])
    host.followLife(() => {
      for (const id of ["one", "two"]) if (!host.isAlive(id)) deaths.push(id);
      if (host.state === "frozen") deaths.push(`${host.self.id} is frozen`);
    });
  const { promised } = await writeWhile(async () => {
    for (const index of [0, 1, 2]) {
      await member(index).kill();
      await lab.etcd.leader();
      await (async () => until(() => one.state === "connected", "one is connected"))();
      await member(index).start();
      await lab.etcd.leader();
    }
  });
  await expectSameOnBoth(promised);
  expect(deaths.filter((death) => !death.endsWith("frozen"))).toEqual([]);
});

test("a member hangs: its hosts go on at another", async () => {
  const { promised } = await writeWhile(async () => {
    member(0).pause();
    member(0).resume();
    const leader = await lab.etcd.leader();
    const follower = member((leader + 1) % 3);
    follower.pause();
    try {
      await until(async () => {
        const table = await two.table<number>("tries");
        return await table.put("a", 1).then(
          () => one.state === "connected",
          () => false,
        );
      }, "both write");
    } finally {
      follower.resume();
    }
  });
  await expectSameOnBoth(promised);
});

test("the store is gone and back: everything stays known meanwhile, and goes on after", async () => {
  const table = await one.table<string>("socks");
  await table.put("left", "red");
  await until(async () => (await two.table("socks")).get("left") !== undefined, "two knows");
  await Promise.all(lab.etcd.members.map((each) => each.kill()));
  await until(() => one.state === "frozen" && two.state === "frozen", "both are frozen");
  expect(one.trouble).toMatch(/etcd at 192\.0\.2\.\d:2379/);
  expect((await two.table("socks")).get("left")?.value).toBe("red");
  expect(one.isAlive("two")).toBe(true);
  await expect(table.put("left", "blue")).rejects.toMatchObject({ kind: "unavailable" });
  for (const each of lab.etcd.members) await each.start();
  await until(() => one.state === "connected" && two.state === "connected", "both are connected");
  await table.put("left", "blue");
  await until(async () => (await two.table("socks")).get("left")?.value === "blue", "two follows again");
});

test("the store compacts while hosts follow: they do not notice", async () => {
  const heard: string[] = [];
  (await two.table<string>("socks")).follow((changes) => heard.push(...changes.map(({ kind }) => kind)));
  const table = await one.table<string>("socks");
  for (let round = 0; round < 5; round++) {
    await table.put(`sock${round}`, "red");
    await cluster.compact();
  }
  await until(() => heard.length === 5, "two heard all");
  expect([one.state, two.state]).toEqual(["connected", "connected"]);
});

test("what happened before a compaction cannot be followed", async () => {
  const table = await one.table<string>("socks");
  const { revision } = await table.put("left", "red");
  await table.put("left", "green");
  await cluster.compact();
  const [at] = one.client.connections();
  if (!at) throw new Error("no member");
  const watch = await openWatch(one.client, at, {
    prefix: `/tsdocker/${cluster.id}/`,
    fromRevision: revision,
    onRevision: () => undefined,
    timeoutMs: 20_000,
  });
  await expect(watch.ended).rejects.toBeInstanceOf(CompactedError);
});

test("a host that is cut off is dead to the others when its lease is over, and alive when it is back", async () => {
  await until(() => one.isAlive("two"), "two is alive");
  const dead = new Promise<void>((resolve) => {
    one.followLife(() => {
      if (!one.isAlive("two")) resolve();
    });
  });
  await cluster.partition("two");
  await dead;
  expect(one.nodes.get("two")).toBeDefined();
  await cluster.heal("two");
  await until(() => one.isAlive("two"), "two is alive again");
});

test.each([
  ["hears the store no more", "input"],
  ["is not heard by the store", "output"],
] as const)(
  "a host that %s is dead to the others, and catches up over a compaction when that is over",
  async (_, way) => {
    const [mine, theirs] = [await one.table<number>("numbers"), await two.table<number>("numbers")];
    await until(() => one.isAlive("two"), "two is alive");
    await mine.put("old", 0);
    await cluster.partition("two", [way]);
    await until(() => !one.isAlive("two"), "two is dead to one");
    await expect(theirs.put("mine", 1)).rejects.toMatchObject({ kind: "unavailable" });
    await mine.delete("old");
    for (let number = 0; number < 5; number++) await mine.put(`n${number}`, number);
    await cluster.compact();
    await cluster.heal("two");
    await until(() => one.isAlive("two"), "two is alive again");
    await expectSameOnBoth([0, 1, 2, 3, 4]);
    expect(theirs.get("old")).toBeUndefined();
  },
);

test("a lease that was revoked by someone is replaced", async () => {
  await until(() => one.isAlive("two"), "two is alive");
  const { Lease } = await import("../../../src/cluster/gen/rpc_pb.ts");
  const { readKey } = await import("../../../src/cluster/etcd/index.ts");
  const key = await readKey(lab.admin, `/tsdocker/${cluster.id}/alive/two`, { doing: "look" });
  const life = vi.fn();
  one.followLife(() => life(one.isAlive("two")));
  await lab.admin.call(Lease.method.leaseRevoke, { ID: key?.lease ?? 0n }, { doing: "revoke" });
  await until(() => life.mock.calls.length >= 2, "two died and lives");
  expect(life.mock.calls.flat().slice(0, 2)).toEqual([false, true]);
});

test("a host's record that someone deleted is written again when it announces itself", async () => {
  await until(() => one.nodes.get("two") !== undefined, "two is on record");
  await cluster.partition("two");
  await one.nodes.delete("two");
  await cluster.heal("two");
  await until(() => one.nodes.get("two") !== undefined, "two is on record again");
});

test("a host whose members are exchanged follows the new ones without a gap", async () => {
  const heard: number[] = [];
  (await two.table<number>("numbers")).follow((changes) => {
    for (const change of changes) if (change.kind === "put") heard.push(change.entry.value);
  });
  const { endpoints } = lab.host("two").reach;
  const { promised } = await writeWhile(async () => {
    for (const endpoint of endpoints) {
      two.use({ endpoints: [endpoint] });
      await (await two.table("last")).put("member", endpoint.name);
      await until(() => two.client.connections()[0]?.name === endpoint.name, "two uses it");
      await until(() => two.state === "connected", "two is connected");
    }
  });
  await expectSameOnBoth(promised);
  expect(heard).toEqual([...new Set(heard)].sort((a, b) => a - b));
  two.use({ endpoints });
});
