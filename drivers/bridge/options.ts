// What a user can say of a bridge network, read once from `-o key=value` into a value.

import type {
  Antispoof,
  CreateNetworkRequest,
  GatewayMode,
  HostAccess,
  PoolData,
} from "../../src/driverapi/index.ts";
import {
  checkLinkName,
  type OptionTexts,
  readAddress,
  readBoolean,
  readInterfacePrefix,
  readLinkName,
  readMtu,
  readWord,
  endpointOptionNames as sharedEndpointOptionNames,
} from "../../src/driverkit/index.ts";
import { type Address, formatAddress } from "../../src/netip/index.ts";
import { invalid } from "../../src/util/errors.ts";

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
  /** What containers may claim to be. */
  readonly antispoof: Antispoof;
  /** What they may reach of the host itself. */
  readonly hostAccess: HostAccess;
  /** Subnets in the order of the request; empty for a family that is off. */
  readonly ipv4: readonly PoolData[];
  readonly ipv6: readonly PoolData[];
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
  antispoof: "tsdocker.antispoof",
  hostAccess: "tsdocker.host_access",
} as const;

/** Options of one endpoint. */
export const endpointOptionNames = {
  ...sharedEndpointOptionNames,
  /** Name of the host's end of the veth pair. */
  hostInterfaceName: "tsdocker.host_interface_name",
} as const;

/** All that a network of this driver understands. */
const knownOptions: ReadonlySet<string> = new Set(Object.values(optionNames));

/** @throws invalid for a value that is not what its option needs, or a bridge option that does not exist */
export function readBridgeConfig(request: CreateNetworkRequest): BridgeConfig {
  const { networkId, networkName, options, ipv4Data, ipv6Data } = request;
  const { generic } = options;
  checkKnown(generic);
  checkPools(options.enableIpv4 ? ipv4Data : [], "ipv4");
  checkPools(options.enableIpv6 ? ipv6Data : [], "ipv6");
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
    mtu: readMtu(generic, optionNames.mtu),
    inhibitIpv4: readBoolean(generic, optionNames.inhibitIpv4) ?? false,
    interfacePrefix: readInterfacePrefix(generic, optionNames.interfacePrefix),
    modeIpv4: readMode(generic, optionNames.modeIpv4),
    modeIpv6: readMode(generic, optionNames.modeIpv6),
    trustedLinks: readLinkNames(generic, optionNames.trustedLinks),
    sourceIpv4: readAddress(generic, optionNames.sourceIpv4, 4),
    sourceIpv6: readAddress(generic, optionNames.sourceIpv6, 6),
    antispoof: readWord(generic, optionNames.antispoof, ["owned", "off", "strict"]),
    hostAccess: readWord(generic, optionNames.hostAccess, ["all", "ports", "none"]),
    ipv4: options.enableIpv4 ? ipv4Data : [],
    ipv6: options.enableIpv6 ? ipv6Data : [],
  };
  checkModes(config);
  checkSources(config);
  checkMtu(config);
  return config;
}

/** Modes that need no gateway address: `isolated`, where the host is not on the bridge at all. */
export function skippedGateways(generic: OptionTexts): { skipIpv4: boolean; skipIpv6: boolean } {
  return {
    skipIpv4: readMode(generic, optionNames.modeIpv4) === "isolated",
    skipIpv6: readMode(generic, optionNames.modeIpv6) === "isolated",
  };
}

/** RFC 8200 5. */
export const leastIpv6Mtu = 1280;

function checkKnown(generic: OptionTexts): void {
  for (const key of Object.keys(generic)) {
    if (key.startsWith("com.docker.network.bridge.") && !knownOptions.has(key))
      throw invalid(`unknown option ${key} for driver bridge`);
  }
}

/** The bridge device that the user names. @throws invalid */
export function linkName(generic: OptionTexts): string | undefined {
  return readLinkName(generic, optionNames.link);
}

function readMode(generic: OptionTexts, option: string): GatewayMode {
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

function readLinkNames(generic: OptionTexts, option: string): string[] {
  const names = (generic[option] ?? "").split(":").filter((name) => name !== "");
  // it need not be there yet: a VPN's comes and goes, and the rule is by name
  return names.map((name) => checkLinkName(option, name));
}

/** The null IPAM driver's pool is everything, and a bridge with a gateway needs a subnet. The message is Docker's. */
function checkPools(pools: readonly PoolData[], family: "ipv4" | "ipv6"): void {
  if (pools.some(({ pool }) => pool.length === 0)) throw invalid(`${family} pool is empty`);
}

function checkModes({ internal, modeIpv4, modeIpv6 }: BridgeConfig): void {
  if (!internal && (modeIpv4 === "isolated" || modeIpv6 === "isolated"))
    throw invalid("gateway mode 'isolated' can only be used for an internal network");
}

/** A source address is for translated packets. A family that is off may have one: defaults are given for all networks. */
function checkSources(config: BridgeConfig): void {
  const { masquerade } = config;
  const families = [
    { on: config.ipv4.length > 0, source: config.sourceIpv4, mode: config.modeIpv4, option: "sourceIpv4" },
    { on: config.ipv6.length > 0, source: config.sourceIpv6, mode: config.modeIpv6, option: "sourceIpv6" },
  ] as const;
  for (const { on, source, mode, option } of families) {
    if (!on || !source) continue;
    const text = `${optionNames[option]}=${formatAddress(source)}`;
    if (!masquerade) throw invalid(`${text} needs ${optionNames.masquerade}, which is off for this network`);
    if (mode === "routed")
      throw invalid(`${text} contradicts gateway mode 'routed', which translates nothing`);
  }
}

/** RFC 8200 5: a link that carries IPv6 carries 1280 bytes; the kernel turns IPv6 off on one that cannot. */
function checkMtu({ mtu, ipv6 }: BridgeConfig): void {
  if (ipv6.length > 0 && mtu !== undefined && mtu < leastIpv6Mtu)
    throw invalid(
      `invalid value for ${optionNames.mtu}: "${mtu}" is too small for IPv6, which needs ${leastIpv6Mtu}`,
    );
}
