// The kit on a driver in memory that keeps every rule.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ipamChecks, networkChecks, type Outcome, openSession } from "../../../src/driververify/index.ts";
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

test("each check names a rule that is written in the contract", () => {
  const folder = join(import.meta.dirname, "../../../src/driverapi");
  const text = readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .join("\n");
  const strays = [...networkChecks, ...ipamChecks].filter(({ where }) => {
    const [owner = "", member = owner] = where.split(".");
    const isThere = new RegExp(`export (interface|type) ${owner}\\b`).test(text);
    return !isThere || !new RegExp(`\\b${member}\\b`).test(text);
  });
  expect(strays).toEqual([]);
  expect(networkChecks.length + ipamChecks.length).toBeGreaterThanOrEqual(120);
});
