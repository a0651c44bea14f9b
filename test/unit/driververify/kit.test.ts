// The kit on a driver in memory that keeps every rule.

import { expect, test } from "vitest";
import { type Outcome, openSession } from "../../../src/driververify/index.ts";
import { MemoryDriver } from "./memory-driver.ts";
import { MemoryStage } from "./memory-machine.ts";

test("a driver that keeps every rule passes every check", async () => {
  const open = async () => new MemoryStage((machine) => new MemoryDriver(machine));
  await using session = openSession(
    { kind: "network stage", open },
    { networkOptions: { shape: "round" }, wrongOption: { colour: "loud" } },
  );
  const outcomes: Outcome[] = [];
  for (const { id } of session.checks) outcomes.push(await session.run(id));
  const of = (status: Outcome["status"]) => outcomes.filter((each) => each.status === status);
  expect(of("failed")).toEqual([]);
  // its links are in the host's namespace until they are attached
  expect(of("not applicable").map(({ id }) => id)).toEqual(["join/mac-of-link"]);
});
