// Work side by side.

import { expect, test } from "vitest";
import { allDone } from "../../../src/util/all-done.ts";

test("work side by side ends when all of it has, also when some fails first", async () => {
  const slow = Promise.withResolvers<void>();
  let isOver = false;
  const all = allDone([Promise.reject(new Error("first")), slow.promise, undefined]).finally(() => {
    isOver = true;
  });
  const failed = expect(all).rejects.toThrow("first");
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  slow.resolve();
  await failed;
  expect(isOver).toBe(true);
});

test("of several failures the first in order is told", async () => {
  await expect(allDone([Promise.resolve(), Promise.reject("b"), Promise.reject("c")])).rejects.toBe("b");
});
