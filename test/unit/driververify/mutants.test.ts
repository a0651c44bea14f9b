// For every rule of the kit a driver that breaks it, and the kit that notices.

import { expect, test } from "vitest";
import { networkChecks, openSession } from "../../../src/driververify/index.ts";
import { type Mutation, mutant } from "./breaking.ts";
import { finding } from "./finding.ts";
import { MemoryDriver } from "./memory-driver.ts";
import { MemoryStage } from "./memory-machine.ts";
import { mutants } from "./mutants/index.ts";

const traits = { networkOptions: { shape: "round" }, wrongOption: { colour: "loud" } };

async function verdict(id: string, mutation: Mutation) {
  const open = async () =>
    new MemoryStage((machine) => {
      const driver = new MemoryDriver(machine);
      const whole = id.startsWith("found/") ? mutant(driver, finding(driver, machine)) : driver;
      return mutant(whole, mutation(whole, machine));
    });
  const nature = id === "networks/internal-refused" ? { neverInternal: true } : {};
  await using session = openSession({ kind: "network stage", open }, { ...traits, ...nature });
  return await session.run(id);
}

test("every check of network drivers has a mutant, and no mutant is without a check", () => {
  expect(Object.keys(mutants).toSorted()).toEqual(networkChecks.map(({ id }) => id).toSorted());
});

test.each(networkChecks.map(({ id, rule }) => ({ id, rule })))(
  "$id fails a driver that breaks: $rule",
  async ({ id }) => {
    const { status } = await verdict(id, mutants[id] ?? (() => ({})));
    expect(status).toBe("failed");
  },
);
