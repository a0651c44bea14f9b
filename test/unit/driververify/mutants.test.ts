// For every rule of the kit a driver that breaks it, and the kit that notices.

import { expect, test } from "vitest";
import { networkChecks, openSession } from "../../../src/driververify/index.ts";
import { type Mutation, mutant } from "./breaking.ts";
import { MemoryDriver } from "./memory-driver.ts";
import { MemoryStage } from "./memory-machine.ts";
import { mutants } from "./mutants.ts";

const traits = { networkOptions: { shape: "round" }, wrongOption: { colour: "loud" } };

async function verdict(id: string, mutation: Mutation) {
  const open = async () =>
    new MemoryStage((machine) => {
      const driver = new MemoryDriver(machine);
      return mutant(driver, mutation(driver, machine));
    });
  await using session = openSession({ kind: "network stage", open }, traits);
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
