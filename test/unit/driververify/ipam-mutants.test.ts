// For every rule about addresses a driver that breaks it, and the kit that notices.

import { expect, test } from "vitest";
import { ipamChecks, openSession, verifyDriver } from "../../../src/driververify/index.ts";
import { mutant } from "./breaking.ts";
import { type IpamMutation, ipamMutants, wholeIpam } from "./ipam-mutants.ts";

async function verdict(id: string, mutation: IpamMutation) {
  const factory = () => {
    const driver = wholeIpam();
    return mutant(driver, mutation(driver));
  };
  await using session = openSession({ kind: "ipam", factory });
  return await session.run(id);
}

test("a driver that keeps every rule passes every check", async () => {
  const { outcomes } = await verifyDriver({ kind: "ipam", factory: wholeIpam }, { name: "whole" });
  expect(outcomes.filter(({ status }) => status !== "passed")).toEqual([]);
});

test("every check of IPAM drivers has a mutant, and no mutant is without a check", () => {
  expect(Object.keys(ipamMutants).toSorted()).toEqual(ipamChecks.map(({ id }) => id).toSorted());
});

test.each(ipamChecks.map(({ id, rule }) => ({ id, rule })))(
  "$id fails a driver that breaks: $rule",
  async ({ id }) => {
    const { status } = await verdict(id, ipamMutants[id] ?? (() => ({})));
    expect(status).toBe("failed");
  },
);
