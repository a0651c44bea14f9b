// Many records, and many changes in a second.

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ClusterLab, until } from "./etcd-cluster.ts";

const records = 2_000;
const changesPerSecond = 500;
const seconds = 4;

let lab: ClusterLab;

beforeAll(async () => {
  lab = await ClusterLab.create(["one", "two", "three"]);
});
afterAll(async () => await lab?.[Symbol.asyncDispose]());

interface Endpoint {
  readonly mac: string;
  readonly round: number;
}

test("2,000 records and 500 changes a second are followed, each once and in order", async () => {
  await using cluster = lab.cluster({ ttlSeconds: 10 });
  const one = await cluster.add("one");
  const table = await one.table<Endpoint>("endpoints");
  const name = (number: number) => `n${number % 7}/e${String(number).padStart(5, "0")}`;
  for (let start = 0; start < records; start += 100)
    await one.commit((transaction) => {
      for (let number = start; number < start + 100; number++)
        transaction.create(table, name(number), { mac: `02:42:00:00:00:${number}`, round: 0 });
    });

  const followers = [await cluster.add("two"), await cluster.add("three")];
  const heard = await Promise.all(
    followers.map(async (host) => {
      const own = await host.table<Endpoint>("endpoints");
      expect([...own.entries()]).toHaveLength(records);
      const changes: { revision: number; before: number | undefined; after: number }[] = [];
      own.follow((batch) => {
        for (const change of batch)
          if (change.kind === "put")
            changes.push({
              revision: change.entry.revision,
              before: change.before?.value.round,
              after: change.entry.value.round,
            });
      });
      return { own, changes };
    }),
  );

  const writes: Promise<unknown>[] = [];
  const started = performance.now();
  for (let change = 0; change < changesPerSecond * seconds; change++) {
    const key = name((change * 7_919) % records);
    const entry = table.get(key);
    if (!entry) throw new Error(`no ${key}`);
    const value = { ...entry.value, round: entry.value.round + 1 };
    writes.push(table.put(key, value));
    // a store that is slower has no more than a second's writes to do at a time
    await writes[change - changesPerSecond];
    const due = started + (change * 1_000) / changesPerSecond;
    if (performance.now() < due) await sleep(due - performance.now());
  }
  await Promise.all(writes);
  await until(() => followers.every(({ revision }) => revision >= one.revision), "both have everything");

  for (const { own, changes } of heard) {
    expect([...own.entries()]).toEqual([...table.entries()]);
    expect(changes).toHaveLength(changesPerSecond * seconds);
    const revisions = changes.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    expect(changes.filter(({ before, after }) => before === undefined || after > before + 1)).toEqual([]);
  }
});
