// What the user says of an endpoint that no network has a say in: its MAC, aliases, link-local addresses, the name and
// sysctls of its interface. Checked before anything is made, also for containers that do not run.

import { formatAddress, isLinkLocal, type Mac, macBytes } from "../netip/index.ts";
import { invalid } from "../util/errors.ts";
import type { EndpointSpec } from "./types.ts";

/** Docker's options of endpoints that any driver has. */
export const endpointOptionNames = {
  interfaceName: "com.docker.network.endpoint.ifname",
  sysctls: "com.docker.network.endpoint.sysctls",
} as const;

/** @throws invalid for what no endpoint can have */
export function checkEndpointWords(spec: EndpointSpec): void {
  if (spec.mac) checkMac(spec.mac);
  for (const alias of spec.aliases) checkAlias(alias);
  checkLinkLocal(spec.linkLocal);
  if (!Number.isSafeInteger(spec.gatewayPriority))
    throw invalid(`invalid gateway priority: ${spec.gatewayPriority} is out of range`);
  const name = chosenInterfaceName(spec);
  if (name !== undefined) checkInterfaceName(name);
}

/** The name that the user chose for the interface. */
export function chosenInterfaceName({ driverOptions }: EndpointSpec): string | undefined {
  return driverOptions[endpointOptionNames.interfaceName] || undefined;
}

/** The name of before where it is free, or the lowest of a prefix that nobody has, and nobody who is still to come had. */
export function freeInterfaceName(
  prefix: string,
  names: {
    readonly before: string | undefined;
    readonly taken: readonly (string | undefined)[];
    readonly promised: readonly (string | undefined)[];
  },
): string {
  const { before } = names;
  const taken = new Set(names.taken);
  const isOfPrefix = before?.startsWith(prefix) && /^[0-9]+$/.test(before.slice(prefix.length));
  if (before !== undefined && isOfPrefix && !taken.has(before)) return before;
  const others = new Set([...taken, ...names.promised]);
  for (let number = 0; ; number++) if (!others.has(`${prefix}${number}`)) return `${prefix}${number}`;
}

/** Linux takes no address of a group for a link, nor the one that stands for none (is_valid_ether_addr). */
function checkMac(mac: Mac): void {
  const bytes = macBytes(mac);
  if (((bytes[0] ?? 0) & 1) === 1) throw invalid(`invalid MAC address: ${mac} is a multicast address`);
  if (bytes.every((byte) => byte === 0)) throw invalid(`invalid MAC address: ${mac} is no address`);
}

/** What a question of the DNS can hold (RFC 1035 2.3.4); hosts has it too, where words end at blanks. */
function checkAlias(alias: string): void {
  const labels = alias.split(".");
  const isName = alias.length <= 253 && labels.every((label) => /^[^\s\p{Cc}/:#]{1,63}$/u.test(label));
  if (!isName) throw invalid(`invalid alias: ${JSON.stringify(alias)} is not a name for the DNS`);
}

function checkLinkLocal(addresses: EndpointSpec["linkLocal"]): void {
  const texts = addresses.map(formatAddress);
  for (const [at, address] of addresses.entries()) {
    const text = texts[at] ?? "";
    if (!isLinkLocal(address)) throw invalid(`invalid link-local IP address: ${text}`);
    if (texts.indexOf(text) !== at) throw invalid(`invalid link-local IP address: ${text} is there twice`);
  }
}

/** What Linux takes as a link's name (dev_valid_name); `lo` is there already. */
function checkInterfaceName(name: string): void {
  const isName = /^[^\s/:]{1,15}$/.test(name) && name !== "." && name !== "..";
  const why = isName ? name === "lo" && "is the loopback interface" : "is not a name for a network interface";
  if (why)
    throw invalid(`invalid value for ${endpointOptionNames.interfaceName}: ${JSON.stringify(name)} ${why}`);
}
