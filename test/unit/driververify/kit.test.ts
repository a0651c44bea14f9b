// The kit on a driver in memory that keeps every rule.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { NetworkDriver } from "../../../src/driverapi/index.ts";
import { ipamChecks, networkChecks, type Outcome, verifyDriver } from "../../../src/driververify/index.ts";
import { mutant } from "./breaking.ts";
import { finding } from "./finding.ts";
import { MemoryDriver } from "./memory-driver.ts";
import { type Machine, MemoryStage } from "./memory-machine.ts";

const traits = { networkOptions: { shape: "round" }, wrongOption: { colour: "loud" } };

async function outcomesOf(make: (machine: Machine) => NetworkDriver): Promise<readonly Outcome[]> {
  const subject = { kind: "network stage", open: async () => new MemoryStage(make) } as const;
  return (await verifyDriver(subject, { name: "memory", ...traits })).outcomes;
}

const idsOf = (outcomes: readonly Outcome[], status: Outcome["status"]) =>
  outcomes.filter((each) => each.status === status).map(({ id }) => id);

test("a driver that keeps every rule passes every check that is about it", async () => {
  const outcomes = await outcomesOf((machine) => new MemoryDriver(machine));
  expect(idsOf(outcomes, "failed")).toEqual([]);
  const others = networkChecks.map(({ id }) => id).filter((id) => id.startsWith("found/"));
  // its links are in the host's namespace until they are attached
  const left = ["networks/only-one", "networks/internal-refused", "join/mac-of-link", ...others];
  expect(idsOf(outcomes, "not applicable").toSorted()).toEqual(left.toSorted());
});

test("so does one whose endpoints find their addresses", async () => {
  const outcomes = await outcomesOf((machine) => {
    const driver = new MemoryDriver(machine);
    return mutant(driver, finding(driver, machine));
  });
  expect(idsOf(outcomes, "failed")).toEqual([]);
  expect(idsOf(outcomes, "passed").filter((id) => id.startsWith("found/"))).toHaveLength(5);
  expect(idsOf(outcomes, "not applicable")).toContain("endpoints/keep-address");
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
