// What users say of networks on a parent link, in the words that macvlan and ipvlan share.

import type { CreateNetworkRequest, NetworkOptions, PoolData } from "../driverapi/index.ts";
import { invalid } from "../util/errors.ts";
import { type OptionTexts, readInterfacePrefix, readLinkName, readMtu } from "./option-readers.ts";

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
    mtu: readMtu(generic, childOptionNames.mtu),
    interfacePrefix: readInterfacePrefix(generic, childOptionNames.interfacePrefix),
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
  generic: OptionTexts,
  { driver, own }: { readonly driver: string; readonly own: readonly string[] },
): void {
  const known = new Set<string>([...own, ...Object.values(childOptionNames)]);
  const unknown = Object.keys(generic).find((key) => !known.has(key) && !controllerOptions.test(key));
  if (unknown !== undefined) throw invalid(`unknown option ${unknown} for driver ${driver}`);
}

/** One of several modes; the first is the default. The message is Docker's. @throws invalid */
export function readChildMode<T extends string>(
  generic: OptionTexts,
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

/** @throws invalid; that of the loopback interface is Docker's message */
function readParent(generic: OptionTexts, driver: string): string | undefined {
  if (generic[childOptionNames.parent] === "lo")
    throw invalid(`loopback interface is not a valid ${driver} parent link`);
  return readLinkName(generic, childOptionNames.parent);
}
