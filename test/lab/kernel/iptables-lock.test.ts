// That somebody used iptables-legacy is seen by its lock.

import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchIptablesLock } from "../../../src/kernel/iptables/index.ts";
import { openFds } from "./namespaces.ts";

let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsdocker-lock-"));
  lock = join(folder, "xtables.lock");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("whoever has held the lock, and then let it go, is told of", async () => {
  let released = 0;
  using _watch = watchIptablesLock(() => released++, lock);
  const fd = openSync(lock, "r");
  const other = openSync(lock, "r");
  closeSync(other);
  await expect.poll(() => released).toBe(1);
  closeSync(fd);
  await expect.poll(() => released).toBe(2);
});

test("a lock that is not there is made, also when somebody removes it", async () => {
  let released = 0;
  using _watch = watchIptablesLock(() => released++, lock);
  expect(existsSync(lock)).toBe(true);
  rmSync(lock);
  await expect.poll(() => released).toBe(1);
  expect(existsSync(lock)).toBe(true);
  closeSync(openSync(lock, "r"));
  await expect.poll(() => released).toBe(2);
});

test("watching ends, and leaves no descriptor", () => {
  const before = openFds();
  const watch = watchIptablesLock(() => undefined, lock);
  watch[Symbol.dispose]();
  watch[Symbol.dispose]();
  expect(openFds()).toBe(before);
});

test("where it cannot be it is an error", () => {
  expect(() => watchIptablesLock(() => undefined, join(folder, "no", "lock"))).toThrow("ENOENT");
});
