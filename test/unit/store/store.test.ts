// Records and transactions, on disk, and what comes back of them.

import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStore } from "../../../src/store/index.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "store-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const open = () => openStore(join(folder, "state.mdb"));

test("a record that was put is there after the store is opened again", async () => {
  const store = open();
  await store.collection<{ a: number }>("things").put("one", { a: 1 });
  await store.close();
  const again = open();
  expect(again.collection("things").get("one")).toEqual({ a: 1 });
  expect(again.collection("others").size).toBe(0);
  await again.close();
});

test("what is on disk is its owner's alone to read, also where an earlier version let others", async () => {
  const files = ["state.mdb", "state.mdb-lock"].map((name) => join(folder, name));
  const modes = async () =>
    (await Promise.all(files.map((file) => stat(file)))).map(({ mode }) => mode & 0o777);
  const umask = process.umask(0);
  try {
    await open().close();
    expect(await modes()).toEqual([0o600, 0o600]);
    for (const file of files) await chmod(file, 0o664);
    await open().close();
    expect(await modes()).toEqual([0o600, 0o600]);
  } finally {
    process.umask(umask);
  }
});

test("a transaction writes to several collections at once", async () => {
  const store = open();
  const networks = store.collection<string>("networks");
  const endpoints = store.collection<string>("endpoints");
  await networks.put("n0", "old");
  await store.commit((transaction) => {
    transaction.put(networks, "n1", "blue");
    transaction.put(endpoints, "e1", "blue/c1");
    transaction.delete(networks, "n0");
  });
  await store.close();
  const again = open();
  expect([...again.collection("networks").entries()]).toEqual([["n1", "blue"]]);
  expect([...again.collection("endpoints").values()]).toEqual(["blue/c1"]);
  await again.close();
});

test("a transaction whose change throws writes nothing", async () => {
  const store = open();
  const things = store.collection<string>("things");
  const failing = store.commit((transaction) => {
    transaction.put(things, "one", "x");
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(things.size).toBe(0);
  await store.close();
});

test("records are visible as soon as the commit was asked for", async () => {
  const store = open();
  const things = store.collection<string>("things");
  const pending = things.put("one", "x");
  expect(things.get("one")).toBe("x");
  await pending;
  await things.delete("one");
  expect(things.has("one")).toBe(false);
  await store.close();
});

test("big integers and dates come back as what they were", async () => {
  const store = open();
  const record = { address: { family: 6, value: 0xfd00n << 112n }, at: new Date(1234), none: 0n };
  await store.collection("things").put("one", record);
  await store.close();
  const again = open();
  expect(again.collection("things").get("one")).toEqual(record);
  await again.close();
});
