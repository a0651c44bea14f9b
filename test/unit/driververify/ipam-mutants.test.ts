// For every rule about addresses a driver that breaks it, and the kit that notices.

import { expect, test } from "vitest";
import { ipamChecks, openSession, verifyDriver } from "../../../src/driververify/index.ts";
import { mutant } from "./breaking.ts";
import { type IpamBase, type IpamMutation, lanIpam, singleIpam, wholeIpam } from "./ipam-breaking.ts";
import { ipamMutants } from "./mutants/index.ts";

/** Rules that are about drivers of some nature are broken by such a driver. */
const bases: Readonly<Record<string, IpamBase>> = {
  "addresses/single": singleIpam,
  "addresses/all-single": singleIpam,
  "pools/named": singleIpam,
  "pools/named-range": lanIpam,
  "pools/shared": lanIpam,
  "pools/shared-release": lanIpam,
};

async function verdict(id: string, mutation: IpamMutation) {
  const { traits, create } = bases[id] ?? wholeIpam;
  const factory = () => {
    const driver = create();
    return mutant(driver, mutation(driver));
  };
  await using session = openSession({ kind: "ipam", factory, traits });
  return await session.run(id);
}

test.each([
  ["an ordinary driver", wholeIpam],
  ["one of single addresses", singleIpam],
  ["one of somebody else's LAN", lanIpam],
])("%s that keeps every rule passes every check that is about it", async (name, { traits, create }) => {
  const { outcomes } = await verifyDriver({ kind: "ipam", factory: create, traits }, { name });
  expect(outcomes.filter(({ status }) => status === "failed")).toEqual([]);
  const left = outcomes.filter(({ status }) => status === "not applicable").map(({ id }) => id);
  if (name === "an ordinary driver") expect(left.toSorted()).toEqual(Object.keys(bases).toSorted());
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
