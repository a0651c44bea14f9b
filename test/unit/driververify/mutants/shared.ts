// What mutants of several subjects are made of.

import { type Mac, parseAddress, parseMac } from "../../../../src/netip/index.ts";
import type { Mutation } from "../breaking.ts";
import type { MemoryDriver } from "../memory-driver.ts";
import type { Machine } from "../memory-machine.ts";

let counter = 0;
/** Another one each time. */
export const next = () => ++counter;

export const gateway4 = parseAddress("203.0.113.1");

export const fixedMac = parseMac("02:00:00:00:00:99") as Mac;

export const nextMac = () =>
  parseMac(`02:00:00:00:01:${(next() % 250).toString(16).padStart(2, "0")}`) as Mac;

export const cutAll = (machine: Machine) => void machine.cut.add("IPv4");

export const linkOf = (machine: Machine, owner: string) =>
  [...machine.links].find((link) => link.owner === owner);

export const nothing = () => undefined;

/** Remembers ids that a method was called with. */
export function remembering(
  work: (seen: Set<string>, driver: MemoryDriver, machine: Machine) => object,
): Mutation {
  return (driver, machine) => work(new Set<string>(), driver, machine);
}
