// What every cluster keeps: the fake one and the one over etcd run the same suite.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Change, Cluster } from "../../../src/cluster/index.ts";
import { conflictingRecord } from "../../../src/cluster/index.ts";

/** A cluster whose hosts can be cut off; disposing it takes everything away. */
export interface ClusterUnderTest extends AsyncDisposable {
  add(id: string): Promise<Cluster>;
  /** Cuts a host off from the store; resolves when the host has noticed. */
  partition(id: string): Promise<void>;
  /** Resolves when the host is connected again and has what it missed. */
  heal(id: string): Promise<void>;
  /** Ends a host without a goodbye; resolves when its lease is over for the store. */
  kill(id: string): Promise<void>;
  /** The store forgets how it came to be. */
  compact(): Promise<void>;
}

interface Sock {
  readonly colour: string;
  readonly size?: number;
}

const timeout = 20_000;

export function describeSharedTables(name: string, makeCluster: () => Promise<ClusterUnderTest>): void {
  describe(`shared tables of ${name}`, () => {
    let cluster: ClusterUnderTest;
    let one: Cluster;
    let two: Cluster;

    beforeEach(async () => {
      cluster = await makeCluster();
      one = await cluster.add("one");
      two = await cluster.add("two");
    });
    afterEach(async () => await cluster[Symbol.asyncDispose]());

    const socks = async (host: Cluster) => await host.table<Sock>("socks");
    const colours = (table: { entries(prefix?: string): Iterable<{ key: string; value: Sock }> }) =>
      Object.fromEntries([...table.entries()].map(({ key, value }) => [key, value.colour]));
    const become = async (host: Cluster, wanted: Record<string, string>) => {
      const table = await socks(host);
      await vi.waitFor(() => expect(colours(table)).toEqual(wanted), { timeout });
    };

    describe("records", () => {
      test("a record that is made on one host is read there at once and on the other soon", async () => {
        const made = await (await socks(one)).create("left", { colour: "red" });
        expect((await socks(one)).get("left")).toEqual(made);
        await become(two, { left: "red" });
        expect((await socks(two)).get("left")).toEqual(made);
      });

      test("asking twice for a table gives the same", async () => {
        expect(await one.table("socks")).toBe(await one.table("socks"));
      });

      test("values keep big integers and lose nothing that JSON can say", async () => {
        const value = { address: { family: 6, value: 2n ** 127n }, list: [1, null, "ü"], at: new Date(0) };
        const table = await one.table<typeof value>("things");
        await table.put("a", value);
        expect(table.get("a")?.value).toEqual(value);
        const other = await two.table<typeof value>("things");
        await vi.waitFor(() => expect(other.get("a")?.value).toEqual(value), { timeout });
      });

      test("only one of two hosts that make the same record at the same time succeeds", async () => {
        const results = await Promise.allSettled([
          (await socks(one)).create("left", { colour: "red" }),
          (await socks(two)).create("left", { colour: "blue" }),
        ]);
        expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
        const refused = results.find((result) => result.status === "rejected")?.reason;
        expect(refused).toMatchObject({ kind: "conflict", message: "record socks/left exists already" });
        expect(conflictingRecord(refused)).toEqual({ table: "socks", key: "left" });
      });

      test("a record is replaced only as it was read", async () => {
        const read = await (await socks(one)).create("left", { colour: "red" });
        const replaced = await (await socks(one)).replace(read, { colour: "green" });
        expect(replaced.revision).toBeGreaterThan(read.revision);
        await expect((await socks(two)).replace(read, { colour: "blue" })).rejects.toMatchObject({
          kind: "conflict",
          message: "record socks/left was changed meanwhile",
        });
        // what stood in the way is known by then
        expect((await socks(two)).get("left")).toEqual(replaced);
      });

      test("a record that is gone is not replaced", async () => {
        const read = await (await socks(one)).create("left", { colour: "red" });
        await (await socks(one)).delete("left");
        await expect((await socks(one)).replace(read, { colour: "blue" })).rejects.toMatchObject({
          kind: "conflict",
          message: "record socks/left is gone",
        });
      });

      test("a record can be made again after it went", async () => {
        await (await socks(one)).create("left", { colour: "red" });
        await (await socks(two)).delete("left");
        expect((await socks(two)).get("left")).toBeUndefined();
        await (await socks(two)).create("left", { colour: "blue" });
        await become(one, { left: "blue" });
      });

      test("deleting what is gone is success, and it is gone here too", async () => {
        await (await socks(one)).create("left", { colour: "red" });
        await Promise.all([(await socks(one)).delete("left"), (await socks(two)).delete("left")]);
        expect([colours(await socks(one)), colours(await socks(two))]).toEqual([{}, {}]);
        await (await socks(one)).delete("left");
      });

      test("put takes whatever is there", async () => {
        await (await socks(one)).put("left", { colour: "red" });
        await (await socks(two)).put("left", { colour: "blue" });
        await become(one, { left: "blue" });
      });

      test("hosts that count together lose no step", async () => {
        const table = await one.table<number>("counter");
        await table.create("steps", 0);
        const countTo = async (host: Cluster) => {
          const own = await host.table<number>("counter");
          await vi.waitFor(() => expect(own.get("steps")).toBeDefined(), { timeout });
          for (let done = 0; done < 20; ) {
            const read = own.get("steps");
            if (!read) throw new Error("the counter is gone");
            const isDone = await own.replace(read, read.value + 1).then(
              () => true,
              () => false,
            );
            if (isDone) done++;
          }
        };
        await Promise.all([countTo(one), countTo(two)]);
        await vi.waitFor(() => expect(table.get("steps")?.value).toBe(40), { timeout });
      });

      test("entries come in the order of their keys, all or those with a prefix", async () => {
        const table = await socks(one);
        const keys = ["b/2", "a", "b/10", "c", "b", "b/1", "B"];
        await Promise.all(keys.map((key) => table.put(key, { colour: "red" })));
        expect([...table.entries()].map(({ key }) => key)).toEqual([
          "B",
          "a",
          "b",
          "b/1",
          "b/10",
          "b/2",
          "c",
        ]);
        expect([...table.entries("b/")].map(({ key }) => key)).toEqual(["b/1", "b/10", "b/2"]);
      });

      test("tables whose names begin alike are apart", async () => {
        await (await one.table<Sock>("socks-old")).put("left", { colour: "grey" });
        await (await socks(one)).put("left", { colour: "red" });
        expect(colours(await socks(one))).toEqual({ left: "red" });
      });

      test.each(["", "a b", "a\nb", "ü", "a*"])("%j is no key", async (key) => {
        await expect((await socks(one)).put(key, { colour: "red" })).rejects.toMatchObject({
          kind: "invalid",
        });
      });
    });

    describe("transactions", () => {
      test("all of it happens, in several tables, at one revision", async () => {
        const [table, drawers] = [await socks(one), await one.table<string[]>("drawers")];
        await one.commit((transaction) => {
          transaction.create(table, "left", { colour: "red" });
          transaction.create(table, "right", { colour: "red" });
          transaction.put(drawers, "top", ["left", "right"]);
        });
        const revisions = [table.get("left"), table.get("right"), drawers.get("top")].map(
          (entry) => entry?.revision,
        );
        expect(new Set(revisions).size).toBe(1);
        await become(two, { left: "red", right: "red" });
        expect((await two.table("drawers")).get("top")?.value).toEqual(["left", "right"]);
      });

      test("nothing of it happens when one record is not as required, which the error names", async () => {
        const table = await socks(one);
        const left = await table.create("left", { colour: "red" });
        await table.put("left", { colour: "green" });
        const work = one.commit((transaction) => {
          transaction.create(table, "right", { colour: "red" });
          transaction.require(table, left);
          transaction.delete(table, "left");
        });
        await expect(work).rejects.toThrow("record socks/left was changed meanwhile");
        expect(colours(table)).toEqual({ left: "green" });
      });

      test("a record that must not be there keeps the rest from happening", async () => {
        const table = await socks(one);
        await table.create("left", { colour: "red" });
        const work = one.commit((transaction) => {
          transaction.requireNone(table, "left");
          transaction.put(table, "right", { colour: "red" });
        });
        await expect(work).rejects.toMatchObject({
          kind: "conflict",
          message: "record socks/left exists already",
        });
        expect(table.get("right")).toBeUndefined();
      });

      test("a record is removed only as it was read", async () => {
        const table = await socks(one);
        const read = await table.create("left", { colour: "red" });
        const now = await table.put("left", { colour: "green" });
        const remove = (entry: typeof read) => one.commit((transaction) => transaction.remove(table, entry));
        await expect(remove(read)).rejects.toMatchObject({ kind: "conflict" });
        await remove(now);
        expect(colours(table)).toEqual({});
      });

      test("the last of several writes to one record counts", async () => {
        const table = await socks(one);
        await one.commit((transaction) => {
          transaction.put(table, "left", { colour: "red" });
          transaction.delete(table, "left");
          transaction.put(table, "left", { colour: "blue" });
        });
        expect(colours(table)).toEqual({ left: "blue" });
      });

      test("an error of its maker leaves nothing", async () => {
        const table = await socks(one);
        const work = one.commit((transaction) => {
          transaction.put(table, "left", { colour: "red" });
          throw new TypeError("second thoughts");
        });
        await expect(work).rejects.toThrow("second thoughts");
        expect(colours(table)).toEqual({});
      });

      test("an empty one is success", async () => {
        await one.commit(() => undefined);
      });

      test("more than the store takes at once is refused with the number", async () => {
        const table = await socks(one);
        const work = one.commit((transaction) => {
          for (let sock = 0; sock < 129; sock++) transaction.put(table, `s${sock}`, { colour: "red" });
        });
        await expect(work).rejects.toMatchObject({ kind: "invalid" });
        await expect(work).rejects.toThrow("at most 128");
      });
    });

    describe("followers", () => {
      /** What a follower hears, one line per call. */
      const listen = async (host: Cluster, prefix?: string) => {
        const heard: string[][] = [];
        const table = await socks(host);
        const stop = table.follow((changes) => heard.push(changes.map(words)), prefix);
        return { heard, stop };
      };
      const words = (change: Change<Sock>) =>
        change.kind === "delete"
          ? `-${change.before.key} ${change.before.value.colour}`
          : `+${change.entry.key} ${change.before?.value.colour ?? ""}>${change.entry.value.colour}`;

      test("hear of every change in order, with what was there before", async () => {
        const { heard } = await listen(two);
        const table = await socks(one);
        await table.create("left", { colour: "red" });
        await table.put("left", { colour: "green" });
        await table.delete("left");
        await vi.waitFor(() => expect(heard).toHaveLength(3), { timeout });
        expect(heard).toEqual([["+left >red"], ["+left red>green"], ["-left green"]]);
      });

      test("hear of a transaction in one call, when all its tables have it", async () => {
        const drawers = await two.table<string>("drawers");
        const table = await socks(two);
        const seen: unknown[] = [];
        table.follow((changes) => seen.push([changes.length, drawers.get("top")?.value]));
        const [oneSocks, oneDrawers] = [await socks(one), await one.table<string>("drawers")];
        await one.commit((transaction) => {
          transaction.put(oneSocks, "left", { colour: "red" });
          transaction.put(oneSocks, "right", { colour: "red" });
          transaction.put(oneDrawers, "top", "full");
        });
        await vi.waitFor(() => expect(seen).toEqual([[2, "full"]]), { timeout });
      });

      test("hear of their prefix alone, and nothing after they stopped", async () => {
        const { heard, stop } = await listen(one, "b/");
        const table = await socks(one);
        await table.put("a", { colour: "red" });
        await table.put("b/1", { colour: "red" });
        stop();
        await table.put("b/2", { colour: "red" });
        expect(heard).toEqual([["+b/1 >red"]]);
      });

      test("do not hear of what was there before them", async () => {
        await (await socks(one)).put("left", { colour: "red" });
        const { heard } = await listen(one);
        await (await socks(one)).put("right", { colour: "red" });
        expect(heard).toEqual([["+right >red"]]);
      });

      test("who fails does not keep others from hearing", async () => {
        (await socks(one)).follow(() => {
          throw new Error("deaf");
        });
        const { heard } = await listen(one);
        await (await socks(one)).put("left", { colour: "red" });
        expect(heard).toEqual([["+left >red"]]);
      });
    });

    describe("hosts", () => {
      test("know each other, alive and by their records", async () => {
        await vi.waitFor(
          () => expect([...one.nodes.entries()].map(({ key }) => key)).toEqual(["one", "two"]),
          {
            timeout,
          },
        );
        expect(one.nodes.get("two")?.value).toEqual(two.self);
        await vi.waitFor(() => expect([one.isAlive("two"), two.isAlive("one")]).toEqual([true, true]), {
          timeout,
        });
        expect(one.isAlive("nobody")).toBe(false);
      });

      test("that come later find everything", async () => {
        await (await socks(one)).put("left", { colour: "red" });
        const three = await cluster.add("three");
        expect(colours(await socks(three))).toEqual({ left: "red" });
        await vi.waitFor(() => expect(one.isAlive("three")).toBe(true), { timeout });
      });

      test("that end without a goodbye are dead to the others and stay on record", async () => {
        const life = vi.fn();
        one.followLife(life);
        await vi.waitFor(() => expect(one.isAlive("two")).toBe(true), { timeout });
        await cluster.kill("two");
        await vi.waitFor(() => expect(one.isAlive("two")).toBe(false), { timeout });
        expect(life).toHaveBeenCalled();
        expect(one.nodes.get("two")?.value).toEqual(two.self);
      });

      test("that close are dead at once and stay on record; those that leave do not", async () => {
        await vi.waitFor(() => expect(one.isAlive("two")).toBe(true), { timeout });
        await two.close();
        await vi.waitFor(() => expect(one.isAlive("two")).toBe(false), { timeout });
        expect(one.nodes.get("two")).toBeDefined();
        const three = await cluster.add("three");
        await three.close({ leave: true });
        await vi.waitFor(() => expect(one.nodes.get("three")).toBeUndefined(), { timeout });
      });
    });

    describe("a host that is cut off", () => {
      test("keeps what it knew, says so, and is refused what must be agreed on", async () => {
        await (await socks(two)).put("left", { colour: "red" });
        const life = vi.fn();
        two.followLife(life);
        await cluster.partition("two");
        expect(two.state).toBe("frozen");
        expect(two.trouble).toMatch(/store/);
        expect(life).toHaveBeenCalled();
        expect(colours(await socks(two))).toEqual({ left: "red" });
        await expect((await socks(two)).put("left", { colour: "blue" })).rejects.toMatchObject({
          kind: "unavailable",
        });
        await (await socks(one)).put("right", { colour: "red" });
        expect(one.state).toBe("connected");
        expect((await socks(two)).get("right")).toBeUndefined();
      });

      test("has what it missed when it is back, and is told of it once and in order", async () => {
        const heard: string[] = [];
        (await socks(two)).follow((changes) => {
          for (const change of changes)
            heard.push(change.kind === "put" ? change.entry.value.colour : `no ${change.before.key}`);
        });
        await cluster.partition("two");
        for (const colour of ["red", "green", "blue"]) await (await socks(one)).put("left", { colour });
        await (await socks(one)).delete("left");
        await cluster.heal("two");
        await vi.waitFor(() => expect(two.revision).toBe(one.revision), { timeout });
        expect(heard).toEqual(["red", "green", "blue", "no left"]);
        expect(two).toMatchObject({ state: "connected", trouble: undefined });
      });

      test("is told the difference alone when the store has forgotten the way", async () => {
        const table = await socks(one);
        for (const key of ["same", "changed", "gone"]) await table.put(key, { colour: "red" });
        await become(two, { same: "red", changed: "red", gone: "red" });
        const heard: string[] = [];
        (await socks(two)).follow((changes) => {
          for (const change of changes)
            heard.push(change.kind === "put" ? `+${change.entry.key}` : `-${change.before.key}`);
        });
        await cluster.partition("two");
        await table.put("changed", { colour: "green" });
        await table.put("changed", { colour: "blue" });
        await table.delete("gone");
        await table.put("brief", { colour: "red" });
        await table.delete("brief");
        await table.put("new", { colour: "red" });
        await cluster.compact();
        await cluster.heal("two");
        await become(two, { same: "red", changed: "blue", new: "red" });
        expect(heard).toEqual(["-gone", "+changed", "+new"]);
      });
    });
  });
}
