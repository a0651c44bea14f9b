// Options of one endpoint that every driver with links of its own understands.

import { invalid } from "../util/errors.ts";
import { type OptionTexts, readLinkName, wrongValue } from "./option-readers.ts";

/** Docker's names. */
export const endpointOptionNames = {
  interfaceName: "com.docker.network.endpoint.ifname",
  sysctls: "com.docker.network.endpoint.sysctls",
} as const;

/**
 * What is wrong whatever the endpoint. `own`: names of options that only this driver has.
 * @throws invalid for an option that no endpoint of the driver has, or a value that none can have
 */
export function checkEndpointOptions(
  driverOpts: OptionTexts,
  { driver, own = [] }: { readonly driver: string; readonly own?: readonly string[] },
): void {
  const known = new Set<string>([...Object.values(endpointOptionNames), ...own]);
  for (const key of Object.keys(driverOpts)) {
    const isOurs = key.startsWith("com.docker.network.endpoint.") || key.startsWith("tsdocker.");
    if (isOurs && !known.has(key)) throw invalid(`unknown option ${key} for an endpoint of driver ${driver}`);
  }
  chosenName(driverOpts);
  chosenSysctls(driverOpts);
}

/** A name that the user chose for the link in the container. @throws invalid */
export function chosenName(driverOpts: OptionTexts): string | undefined {
  return readLinkName(driverOpts, endpointOptionNames.interfaceName);
}

/**
 * What the link is called in the container, where that is known before the link is there: what the user chose, or what the
 * controller suggests. Undefined under a prefix of its own: only the controller knows which numbers are free.
 * @throws invalid
 */
export function nameInside(
  driverOpts: OptionTexts,
  { prefix, suggested }: { readonly prefix: string; readonly suggested: string },
): string | undefined {
  return chosenName(driverOpts) ?? (prefix === "eth" ? suggested : undefined);
}

/** `net.ipv4.conf.IFNAME.log_martians=1,net.ipv6…`, Docker's form. @throws invalid */
export function chosenSysctls(driverOpts: OptionTexts): Readonly<Record<string, string>> {
  const text = driverOpts[endpointOptionNames.sysctls];
  return text ? Object.fromEntries(text.split(",").map(readSysctl)) : {};
}

function readSysctl(setting: string): [key: string, value: string] {
  // Docker's client writes driver options of `--network` in lower case
  const [, group, name, value] =
    /^\s*(net\.(?:ipv4|ipv6|mpls)\.[^.=]+)\.(?:IFNAME|ifname)\.([^.=\s]+)\s*=(.*)$/.exec(setting) ?? [];
  if (value === undefined)
    throw wrongValue(
      endpointOptionNames.sysctls,
      setting,
      "is not net.<ipv4|ipv6|mpls>.<group>.IFNAME.<name>=<value>",
    );
  return [`${group}.IFNAME.${name}`, value.trim()];
}
