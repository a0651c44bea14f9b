// The fake cluster keeps the contract, and does on demand what goes wrong between hosts.

import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/fake-cluster.ts";
import { type ClusterUnderTest, describeSharedTables } from "./shared-tables.ts";

describeSharedTables("the fake cluster", async (): Promise<ClusterUnderTest> => {
  const cluster = new FakeCluster();
  return {
    add: (id) => cluster.addNode(id),
    partition: async (id) => cluster.partition(id),
    heal: (id) => cluster.heal(id),
    kill: async (id) => {
      cluster.partition(id);
      cluster.endLease(id);
    },
    compact: async () => cluster.compact(),
    [Symbol.asyncDispose]: async () => undefined,
  };
});

describe("a fake cluster", () => {
  test("brings a change to another host later, never within the call", async () => {
    const cluster = new FakeCluster();
    const [one, two] = [await cluster.addNode("one"), await cluster.addNode("two")];
    cluster.hold("two");
    await (await one.table("socks")).put("left", "red");
    expect((await two.table("socks")).get("left")).toBeUndefined();
    cluster.release("two");
    expect((await two.table("socks")).get("left")).toBeUndefined();
    await cluster.settled();
    expect((await two.table("socks")).get("left")?.value).toBe("red");
  });

  test("a host that is held writes, and hears of it when it is let go", async () => {
    const cluster = new FakeCluster();
    const [one, two] = [await cluster.addNode("one"), await cluster.addNode("two")];
    cluster.hold("two");
    const written = (await two.table("socks")).put("left", "red");
    await cluster.settled();
    expect((await one.table("socks")).get("left")?.value).toBe("red");
    cluster.release("two");
    expect((await written).value).toBe("red");
  });

  test("a lost answer leaves the write on record", async () => {
    const cluster = new FakeCluster();
    const one = await cluster.addNode("one");
    const table = await one.table("socks");
    cluster.loseNextAnswer("one");
    await expect(table.put("left", "red")).rejects.toMatchObject({ kind: "unavailable" });
    await cluster.settled();
    expect(table.get("left")?.value).toBe("red");
    await table.put("left", "green");
  });

  test("a host whose lease ended while it was away is alive again when it is back", async () => {
    const cluster = new FakeCluster();
    const [one, two] = [await cluster.addNode("one"), await cluster.addNode("two")];
    cluster.partition("two");
    cluster.endLease("two");
    await cluster.settled();
    expect(one.isAlive("two")).toBe(false);
    expect(two.isAlive("two")).toBe(true);
    await cluster.heal("two");
    expect([one.isAlive("two"), two.isAlive("two")]).toEqual([true, true]);
  });

  test("records are values: what a host changes in one does not show elsewhere", async () => {
    const cluster = new FakeCluster();
    const [one, two] = [await cluster.addNode("one"), await cluster.addNode("two")];
    const value = { colours: ["red"] };
    await (await one.table("socks")).put("left", value);
    value.colours.push("green");
    await cluster.settled();
    expect((await two.table("socks")).get("left")?.value).toEqual({ colours: ["red"] });
  });

  test("hosts have addresses of their own", async () => {
    const cluster = new FakeCluster();
    const [one, two] = [await cluster.addNode("one"), await cluster.addNode("two")];
    expect(one.self.address.value + 1n).toBe(two.self.address.value);
  });
});
