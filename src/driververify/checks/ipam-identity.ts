// Who an IPAM driver is.

import { must } from "../check.ts";
import { show } from "../show.ts";
import type { IpamCheck } from "./ipam-shapes.ts";

/** A rule about something that is said with true or false. */
function flag(
  facts: Pick<IpamCheck, "id" | "rule">,
  name: "requiresMacAddress" | "requiresRequestReplay",
): IpamCheck {
  return {
    ...facts,
    where: `IpamCapabilities.${name}`,
    run: ({ driver: { capabilities } }) =>
      must(typeof capabilities?.[name] === "boolean", "true or false", () => show(capabilities)),
  };
}

export const ipamIdentityChecks: readonly IpamCheck[] = [
  {
    id: "ipam-identity/name",
    rule: "A driver has a name that can stand on a command line, the same as long as it lives.",
    where: "IpamDriver.name",
    async run({ driver }) {
      const { name } = driver;
      must(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name), "letters, digits, _, . and -", show(name));
      await driver.defaultAddressSpaces();
      must(driver.name === name, name, () => driver.name);
    },
  },
  flag(
    { id: "ipam-identity/mac", rule: "A driver says with true or false whether it needs MACs." },
    "requiresMacAddress",
  ),
  flag(
    {
      id: "ipam-identity/replay",
      rule: "A driver says with true or false whether it is to be told again what is on record.",
    },
    "requiresRequestReplay",
  ),
  {
    id: "ipam-identity/spaces",
    rule: "The address spaces have names.",
    where: "IpamDriver.defaultAddressSpaces",
    async run({ driver }) {
      const spaces = await driver.defaultAddressSpaces();
      const isRight = [spaces.local, spaces.global].every((name) => typeof name === "string" && name !== "");
      must(isRight, "two names", () => show(spaces));
    },
  },
  {
    id: "ipam-identity/spaces-stay",
    rule: "The address spaces are the same each time.",
    where: "IpamDriver.defaultAddressSpaces",
    async run({ driver }) {
      const [first, second] = [await driver.defaultAddressSpaces(), await driver.defaultAddressSpaces()];
      must(show(first) === show(second), show(first), () => show(second));
    },
  },
];
