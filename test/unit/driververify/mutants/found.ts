// A mutant for each check of drivers whose endpoints find their addresses. It is a driver that does which is broken here.

import { type Prefix, parsePrefix } from "../../../../src/netip/index.ts";
import { after, before, type Mutation } from "../breaking.ts";

const found = (own: object): Mutation => after("join", (answer) => ({ ...answer, interface: own }));

export const foundMutants: Readonly<Record<string, Mutation>> = {
  "found/when-it-joins": found({}),
  "found/not-before": after("createEndpoint", (answer) => ({
    ...answer,
    address: parsePrefix("198.18.9.9/24") as Prefix,
  })),
  "found/families": found({ address: parsePrefix("2001:db8:9::9/64") }),
  "found/differ": found({ address: parsePrefix("198.18.9.9/24") }),
  "found/again": before("leave", (_request, driver, machine) => {
    // as if somebody else had it
    driver.machine.listed.records.push(
      ...machine.listed.records.splice(0).map((item) => item.replace(/ of .*/, " of nobody")),
    );
  }),
};
