// Writes of one host that go together.

import { describe, expect, test } from "vitest";
import type { Outcome, Write } from "../../../src/cluster/changeset.ts";
import { Gathering } from "../../../src/cluster/gathering.ts";
import { FakeCluster } from "../../../src/cluster/index.ts";

interface Told {
  readonly node: string;
  readonly text: string;
}

const isSame = (a: Told, b: Told) => a.text === b.text;
const writesOf = (name: string, count: number): readonly Write[] =>
  Array.from({ length: count }, (_, at) => ({ table: name, key: `${at}`, text: "{}" }));

function storeWith(answer: (writes: readonly Write[]) => Promise<Outcome>) {
  const transactions: (readonly Write[])[] = [];
  const agree = (writes: readonly Write[]) => {
    transactions.push(writes);
    return answer(writes);
  };
  return { transactions, gathering: new Gathering(agree, 1) };
}

const done = async (): Promise<Outcome> => ({ kind: "done", revision: 7 });

describe("writes that nobody waits for", () => {
  test("go in one transaction, and each is told what of it was its own", async () => {
    const { transactions, gathering } = storeWith(done);
    const [one, two] = await Promise.all([
      gathering.write(() => writesOf("one", 2)),
      gathering.write(() => writesOf("two", 1)),
    ]);
    expect(transactions).toEqual([[...writesOf("one", 2), ...writesOf("two", 1)]]);
    expect(one).toEqual({ writes: writesOf("one", 2), outcome: { kind: "done", revision: 7 } });
    expect(two.writes).toEqual(writesOf("two", 1));
  });

  test("are collected when they go, and nothing goes when there is nothing", async () => {
    const { transactions, gathering } = storeWith(done);
    let writes = writesOf("one", 3);
    const written = gathering.write(() => writes);
    writes = [];
    expect(await written).toEqual({ writes: [], outcome: undefined });
    expect(transactions).toEqual([]);
  });

  test("are of no more than a transaction takes", async () => {
    const { transactions, gathering } = storeWith(done);
    await Promise.all(["one", "two", "three"].map((name) => gathering.write(() => writesOf(name, 50))));
    expect(transactions.map((writes) => writes.length)).toEqual([100, 50]);
  });

  test("fail together, but for one that cannot say what it writes", async () => {
    const { transactions, gathering } = storeWith(() => Promise.reject(new Error("no answer")));
    const outcomes = await Promise.allSettled([
      gathering.write(() => writesOf("one", 1)),
      gathering.write(() => {
        throw new TypeError("not JSON");
      }),
      gathering.write(() => writesOf("two", 1)),
    ]);
    expect(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.message)).toEqual([
      "no answer",
      "not JSON",
      "no answer",
    ]);
    expect(transactions).toHaveLength(1);
  });
});

describe("a host's own records", () => {
  test("of two tables are seen by others at once", async () => {
    const cluster = new FakeCluster();
    const [one, two] = [await cluster.addNode("one"), await cluster.addNode("two")];
    const places = one.ownRecords<Told>("places", { isSame });
    const names = one.ownRecords<Told>("names", { isSame });
    const seen = await two.table<Told>("places");
    const alsoSeen = await two.table<Told>("names");
    const before = cluster.revision;
    places.set("web", { node: "one", text: "here" });
    names.set("web", { node: "one", text: "web" });
    await Promise.all([places.settle(), names.settle()]);
    await cluster.settled();
    expect(seen.get("web")?.value.text).toBe("here");
    expect(alsoSeen.get("web")?.revision).toBe(seen.get("web")?.revision);
    expect(cluster.revision).toBe(before + 1);
    places.close();
    names.close();
  });

  test("are as they were wished last, whatever was wished before that moment", async () => {
    const cluster = new FakeCluster();
    const one = await cluster.addNode("one");
    const places = one.ownRecords<Told>("places", { isSame });
    const before = cluster.revision;
    places.set("web", { node: "one", text: "here" });
    places.delete("web");
    await places.settle();
    expect(cluster.revision).toBe(before);
    places.set("web", { node: "one", text: "here" });
    places.set("web", { node: "one", text: "there" });
    await places.settle();
    expect((await one.table<Told>("places")).get("web")?.value.text).toBe("there");
    expect(cluster.revision).toBe(before + 1);
    places.close();
  });

  test("that are closed write nothing, not even what was wished a moment before", async () => {
    const cluster = new FakeCluster();
    const one = await cluster.addNode("one");
    const places = one.ownRecords<Told>("places", { isSame });
    places.set("web", { node: "one", text: "here" });
    places.close();
    places.set("db", { node: "one", text: "here" });
    await places.settle();
    expect([...(await one.table<Told>("places")).entries()]).toEqual([]);
  });
});
