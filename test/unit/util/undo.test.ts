// Undo stacks.

import { expect, test } from "vitest";
import { type Log, silentLog } from "../../../src/util/log.ts";
import { Undo } from "../../../src/util/undo.ts";

test("leaving the scope runs the steps in reverse", async () => {
  const steps: string[] = [];
  const work = async () => {
    await using undo = new Undo();
    undo.defer("first", () => steps.push("first"));
    undo.defer("second", async () => {
      await Promise.resolve();
      steps.push("second");
    });
    throw new Error("failed half-way");
  };
  await expect(work()).rejects.toThrow("failed half-way");
  expect(steps).toEqual(["second", "first"]);
});

test("moved steps belong to the new owner alone", async () => {
  const steps: string[] = [];
  const make = async () => {
    await using undo = new Undo();
    undo.defer("step", () => steps.push("step"));
    return undo.move();
  };
  const owned = await make();
  expect(steps).toEqual([]);
  await owned.dispose();
  await owned.dispose();
  expect(steps).toEqual(["step"]);
});

test("a step that fails is logged by its label and stops no other", async () => {
  const warnings: object[] = [];
  const log: Log = { ...silentLog, warn: (fields: object | string) => void warnings.push(Object(fields)) };
  const steps: string[] = [];
  const undo = new Undo(log);
  undo.defer("good", () => steps.push("good"));
  undo.defer("bad", () => {
    throw new Error("gone");
  });
  await undo.dispose();
  expect(steps).toEqual(["good"]);
  expect(warnings).toEqual([{ step: "bad", reason: "gone" }]);
});

test("a second dispose waits for the first", async () => {
  const order: string[] = [];
  const undo = new Undo();
  undo.defer("slow", async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push("undone");
  });
  const first = undo.dispose();
  await undo.dispose();
  order.push("second returned");
  await first;
  expect(order).toEqual(["undone", "second returned"]);
});

test("adopted steps run before those that were there, forgotten ones never", async () => {
  const steps: string[] = [];
  const undo = new Undo();
  const other = new Undo();
  undo.defer("mine", () => steps.push("mine"));
  other.defer("theirs", () => steps.push("theirs"));
  undo.adopt(other);
  await other.dispose();
  await undo.dispose();
  expect(steps).toEqual(["theirs", "mine"]);
  undo.defer("never", () => steps.push("never"));
  undo.forget();
  await undo.dispose();
  expect(steps).toEqual(["theirs", "mine"]);
});
