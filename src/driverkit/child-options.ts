// What users say of networks on a parent link, in the words that macvlan and ipvlan share.

import type { CreateNetworkRequest, EndpointOptions, NetworkOptions, PoolData } from "../driverapi/index.ts";
import { isLinkName } from "../netip/index.ts";
import { invalid } from "../util/errors.ts";

/** A network on a parent link as the user wants it. */
export interface ChildNetworkConfig {
  readonly networkId: string;
  readonly networkName: string;
  /** Undefined: none was named, so it gets a dummy link and leads nowhere. */
  readonly parent: string | undefined;
  readonly internal: boolean;
  /** Undefined: the parent's. */
  readonly mtu: number | undefined;
  readonly interfacePrefix: string;
  readonly ipv4: readonly PoolData[];
  readonly ipv6: readonly PoolData[];
}

export const childOptionNames = {
  parent: "parent",
  mtu: "com.docker.network.driver.mtu",
  interfacePrefix: "com.docker.network.container_iface_prefix",
} as const;

/** What the controller reads, whatever the driver. */
const controllerOptions =
  /^(?:tsdocker\.|com\.docker\.network\.(?:enable_ipv[46]|advertise_addr_(?:nmsgs|ms))$)/;

const endpointOptionNames = {
  interfaceName: "com.docker.network.endpoint.ifname",
  sysctls: "com.docker.network.endpoint.sysctls",
} as const;

type Generic = NetworkOptions["generic"];
type DriverOpts = EndpointOptions["driverOpts"];

/** @throws invalid for an option that is not one of `own` or the shared ones, or has a value that it cannot have */
export function readChildConfig(
  request: CreateNetworkRequest,
  { driver, own }: { readonly driver: string; readonly own: readonly string[] },
): ChildNetworkConfig {
  const { networkId, networkName, options, ipv4Data, ipv6Data } = request;
  const { generic } = options;
  checkChildOptions(generic, { driver, own });
  return {
    networkId,
    networkName,
    parent: readParent(generic, driver),
    internal: isInternal(options),
    mtu: readMtu(generic),
    interfacePrefix: readPrefix(generic),
    ipv4: options.enableIpv4 ? ipv4Data : [],
    ipv6: options.enableIpv6 ? ipv6Data : [],
  };
}

/** Without a parent a network leads nowhere. */
export function isInternal({ internal, generic }: NetworkOptions): boolean {
  return internal || !generic[childOptionNames.parent];
}

/** @throws invalid for an option that this driver does not have */
export function checkChildOptions(
  generic: Generic,
  { driver, own }: { readonly driver: string; readonly own: readonly string[] },
): void {
  const known = new Set<string>([...own, ...Object.values(childOptionNames)]);
  const unknown = Object.keys(generic).find((key) => !known.has(key) && !controllerOptions.test(key));
  if (unknown !== undefined) throw invalid(`unknown option ${unknown} for driver ${driver}`);
}

/** One of several words; the first is the default. The message is Docker's. @throws invalid */
export function readWord<T extends string>(
  generic: Generic,
  option: string,
  { words, what }: { readonly words: readonly [T, ...T[]]; readonly what: string },
): T {
  const text = generic[option];
  if (text === undefined || text === "") return words[0];
  const word = words.find((own) => own === text);
  if (word !== undefined) return word;
  throw invalid(
    `requested ${what} '${text}' is not valid, '${words[0]}' is the default (${option}: ${words.join(", ")})`,
  );
}

/** @throws invalid, with the option's name */
export function checkLinkName(option: string, name: string): string {
  if (!isLinkName(name))
    throw invalid(
      `invalid value for ${option}: ${JSON.stringify(name)} is not a name for a network interface`,
    );
  return name;
}

/** A name that the user chose for the link in the container. @throws invalid */
export function chosenName(driverOpts: DriverOpts): string | undefined {
  const name = driverOpts[endpointOptionNames.interfaceName];
  return name ? checkLinkName(endpointOptionNames.interfaceName, name) : undefined;
}

/** `net.ipv4.conf.IFNAME.log_martians=1,net.ipv6…`, Docker's form. @throws invalid */
export function chosenSysctls(driverOpts: DriverOpts): Readonly<Record<string, string>> {
  const text = driverOpts[endpointOptionNames.sysctls];
  return text ? Object.fromEntries(text.split(",").map(readSysctl)) : {};
}

function readSysctl(setting: string): [key: string, value: string] {
  // Docker's client writes driver options of `--network` in lower case
  const [, group, name, value] =
    /^\s*(net\.(?:ipv4|ipv6|mpls)\.[^.]+)\.(?:IFNAME|ifname)\.([^.=\s]+)\s*=(.*)$/.exec(setting) ?? [];
  if (value === undefined)
    throw invalid(
      `invalid value for ${endpointOptionNames.sysctls}: ${JSON.stringify(setting)} is not net.<ipv4|ipv6|mpls>.<group>.IFNAME.<name>=<value>`,
    );
  return [`${group}.IFNAME.${name}`, value.trim()];
}

function readParent(generic: Generic, driver: string): string | undefined {
  const name = generic[childOptionNames.parent];
  if (!name) return undefined;
  if (name === "lo") throw invalid(`loopback interface is not a valid ${driver} parent link`);
  return checkLinkName(childOptionNames.parent, name);
}

/** RFC 791: every IPv4 link carries 68 bytes. 0 means the parent's. */
function readMtu(generic: Generic): number | undefined {
  const text = generic[childOptionNames.mtu];
  if (text === undefined || text === "") return undefined;
  const mtu = /^[0-9]{1,5}$/.test(text) ? Number(text) : -1;
  if (mtu !== 0 && (mtu < 68 || mtu > 65535))
    throw invalid(
      `invalid value for ${childOptionNames.mtu}: ${JSON.stringify(text)} is not an MTU (68-65535)`,
    );
  return mtu === 0 ? undefined : mtu;
}

function readPrefix(generic: Generic): string {
  const prefix = generic[childOptionNames.interfacePrefix];
  if (!prefix) return "eth";
  // a number follows, and both together must fit into 15 characters
  if (prefix.length > 12)
    throw invalid(`invalid value for ${childOptionNames.interfacePrefix}: ${prefix} is too long`);
  return checkLinkName(childOptionNames.interfacePrefix, prefix);
}
