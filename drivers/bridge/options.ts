// What a user can say of a bridge network, read once from `-o key=value` into a value.

import type { CreateNetworkRequest, GatewayMode, PoolData } from "../../src/driverapi/index.ts";
import { type Address, formatAddress, type Prefix, parseAddress } from "../../src/netip/index.ts";
import { forbidden, invalid } from "../../src/util/errors.ts";

/** A bridge network as the user wants it. */
export interface BridgeConfig {
  readonly networkId: string;
  readonly networkName: string;
  /** Name of the bridge device. */
  readonly link: string;
  /** The name was asked for: the device may be there already, and is then nobody's to delete. */
  readonly isNamed: boolean;
  readonly isDefault: boolean;
  readonly internal: boolean;
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Address of host ports that name none; undefined: every address of the host. */
  readonly hostBinding: Address | undefined;
  readonly mtu: number | undefined;
  /** The bridge gets no IPv4 address. */
  readonly inhibitIpv4: boolean;
  readonly interfacePrefix: string;
  readonly modeIpv4: GatewayMode;
  readonly modeIpv6: GatewayMode;
  readonly trustedLinks: readonly string[];
  /** Source address of packets that leave, instead of the outgoing link's. */
  readonly sourceIpv4: Address | undefined;
  readonly sourceIpv6: Address | undefined;
  readonly ipv4: PoolData | undefined;
  readonly ipv6: PoolData | undefined;
}

export const optionNames = {
  link: "com.docker.network.bridge.name",
  icc: "com.docker.network.bridge.enable_icc",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  hostBinding: "com.docker.network.bridge.host_binding_ipv4",
  inhibitIpv4: "com.docker.network.bridge.inhibit_ipv4",
  modeIpv4: "com.docker.network.bridge.gateway_mode_ipv4",
  modeIpv6: "com.docker.network.bridge.gateway_mode_ipv6",
  trustedLinks: "com.docker.network.bridge.trusted_host_interfaces",
  isDefault: "com.docker.network.bridge.default_bridge",
  mtu: "com.docker.network.driver.mtu",
  interfacePrefix: "com.docker.network.container_iface_prefix",
  sourceIpv4: "com.docker.network.host_ipv4",
  sourceIpv6: "com.docker.network.host_ipv6",
} as const;

/** Docker's names for per-endpoint options. */
export const endpointOptionNames = {
  interfaceName: "com.docker.network.endpoint.ifname",
  sysctls: "com.docker.network.endpoint.sysctls",
} as const;

const known: ReadonlySet<string> = new Set(Object.values(optionNames));

type Generic = Readonly<Record<string, string>>;

/** @throws invalid for a value that is not what its option needs, or a bridge option that does not exist */
export function readBridgeConfig(request: CreateNetworkRequest): BridgeConfig {
  const { networkId, networkName, options, ipv4Data, ipv6Data } = request;
  const { generic } = options;
  checkKnown(generic);
  if (ipv4Data.length > 1 || ipv6Data.length > 1)
    throw forbidden("bridge driver does not support multiple subnets");
  const config: BridgeConfig = {
    networkId,
    networkName,
    link: linkName(generic) ?? `br-${networkId.slice(0, 12)}`,
    isNamed: linkName(generic) !== undefined,
    isDefault: readBoolean(generic, optionNames.isDefault) ?? false,
    internal: options.internal,
    icc: readBoolean(generic, optionNames.icc) ?? true,
    masquerade: readBoolean(generic, optionNames.masquerade) ?? true,
    hostBinding: readAddress(generic, optionNames.hostBinding),
    mtu: readMtu(generic),
    inhibitIpv4: readBoolean(generic, optionNames.inhibitIpv4) ?? false,
    interfacePrefix: readInterfacePrefix(generic),
    modeIpv4: readMode(generic, optionNames.modeIpv4),
    modeIpv6: readMode(generic, optionNames.modeIpv6),
    trustedLinks: (generic[optionNames.trustedLinks] ?? "").split(":").filter((name) => name !== ""),
    sourceIpv4: readAddress(generic, optionNames.sourceIpv4, 4),
    sourceIpv6: readAddress(generic, optionNames.sourceIpv6, 6),
    ipv4: options.enableIpv4 ? ipv4Data[0] : undefined,
    ipv6: options.enableIpv6 ? ipv6Data[0] : undefined,
  };
  checkModes(config);
  return config;
}

/** Modes that need no gateway address: `isolated`, where the host is not on the bridge at all. */
export function skippedGateways(generic: Generic): { skipIpv4: boolean; skipIpv6: boolean } {
  return {
    skipIpv4: readMode(generic, optionNames.modeIpv4) === "isolated",
    skipIpv6: readMode(generic, optionNames.modeIpv6) === "isolated",
  };
}

/** What containers use as their gateway: the one named as auxiliary address, or the bridge itself. */
export function gatewayOf(pool: PoolData | undefined, auxName: string): Prefix | undefined {
  return pool?.auxAddresses[auxName] ?? pool?.gateway;
}

const linkNamePattern = /^[^\s/:]{1,15}$/;

/** What Linux takes as a link's name (`dev_valid_name`). @throws invalid */
export function checkLinkName(option: string, name: string): string {
  if (!linkNamePattern.test(name) || name === "." || name === "..")
    throw invalid(
      `invalid value for ${option}: ${JSON.stringify(name)} is not a name for a network interface`,
    );
  return name;
}

function checkKnown(generic: Generic): void {
  for (const key of Object.keys(generic)) {
    if (key.startsWith("com.docker.network.bridge.") && !known.has(key))
      throw invalid(`unknown option ${key} for driver bridge`);
  }
}

function linkName(generic: Generic): string | undefined {
  const name = generic[optionNames.link];
  return name ? checkLinkName(optionNames.link, name) : undefined;
}

function readInterfacePrefix(generic: Generic): string {
  const prefix = generic[optionNames.interfacePrefix] ?? "";
  // a number follows, and both together must fit into 15 characters
  if (prefix === "") return "eth";
  if (prefix.length > 12)
    throw invalid(`invalid value for ${optionNames.interfacePrefix}: ${prefix} is too long`);
  return checkLinkName(optionNames.interfacePrefix, prefix);
}

function readBoolean(generic: Generic, option: string): boolean | undefined {
  const text = generic[option];
  if (text === undefined) return undefined;
  // what Go's strconv.ParseBool takes, for Docker's users
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw invalid(`invalid value for ${option}: ${JSON.stringify(text)} is not a boolean`);
}

function readAddress(generic: Generic, option: string, family?: 4 | 6): Address | undefined {
  const text = generic[option];
  if (text === undefined || text === "") return undefined;
  const address = parseAddress(text);
  if (!address || (family && address.family !== family))
    throw invalid(
      `invalid value for ${option}: ${JSON.stringify(text)} is not an IP${family ? `v${family}` : ""} address`,
    );
  return address;
}

/** RFC 791: every IPv4 link carries 68 bytes; the kernel's bridges take up to 65535. 0 means the kernel's default. */
function readMtu(generic: Generic): number | undefined {
  const text = generic[optionNames.mtu];
  if (text === undefined || text === "") return undefined;
  const mtu = /^[0-9]{1,5}$/.test(text) ? Number(text) : -1;
  if (mtu !== 0 && (mtu < 68 || mtu > 65535))
    throw invalid(`invalid value for ${optionNames.mtu}: ${JSON.stringify(text)} is not an MTU (68-65535)`);
  return mtu === 0 ? undefined : mtu;
}

function readMode(generic: Generic, option: string): GatewayMode {
  const mode = generic[option];
  switch (mode) {
    case undefined:
    case "":
      return "nat";
    case "nat":
    case "nat-unprotected":
    case "routed":
    case "isolated":
      return mode;
    default:
      throw invalid(`invalid value for ${option}: unknown gateway mode ${mode}`);
  }
}

function checkModes({
  internal,
  modeIpv4,
  modeIpv6,
  sourceIpv4,
  sourceIpv6,
  masquerade,
}: BridgeConfig): void {
  if (!internal && (modeIpv4 === "isolated" || modeIpv6 === "isolated"))
    throw invalid("gateway mode 'isolated' can only be used for an internal network");
  const source = sourceIpv4 ?? sourceIpv6;
  if (source && !masquerade)
    throw invalid(
      `a source address (${formatAddress(source)}) needs ${optionNames.masquerade}, which is off for this network`,
    );
}
