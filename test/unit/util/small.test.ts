// Keyed locks, ids and wrapped errors.

import { expect, test } from "vitest";
import { EngineError, errorKind, errorMessage, notFound, wrapError } from "../../../src/util/errors.ts";
import { newId, shortId } from "../../../src/util/ids.ts";
import { KeyedLock } from "../../../src/util/keyed-lock.ts";

test("holders of one key come one at a time, in order; other keys do not wait", async () => {
  const lock = new KeyedLock();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lock.run("a", async () => {
    await gate.promise;
    order.push("a1");
  });
  const second = lock.run("a", () => order.push("a2"));
  await lock.run("b", () => order.push("b"));
  gate.resolve();
  await Promise.all([first, second]);
  expect(order).toEqual(["b", "a1", "a2"]);
  expect(lock.isHeld("a")).toBe(false);
});

test("a holder that fails lets the next one in", async () => {
  const lock = new KeyedLock();
  const failing = lock.run("a", () => Promise.reject(new Error("no")));
  const next = lock.run("a", () => "yes");
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("yes");
});

test("ids are 64 hex digits whose short form never reads as a number", () => {
  for (let count = 0; count < 200; count++) {
    const id = newId();
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(shortId(id)).toMatch(/[a-f]/);
  }
});

test("a wrapped error keeps its kind and cause", () => {
  const cause = notFound("no such network");
  const wrapped = wrapError(cause, "connect c1");
  expect(wrapped).toBeInstanceOf(EngineError);
  expect([wrapped.kind, wrapped.message, wrapped.cause]).toEqual([
    "not-found",
    "connect c1: no such network",
    cause,
  ]);
  expect(errorKind(new Error("x"))).toBe("internal");
  expect(errorMessage("text")).toBe("text");
});
