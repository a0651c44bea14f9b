// What the operator says of networks: the default bridge, address pools, the firewall, names.

import {
  type Address,
  type Family,
  formatPrefix,
  hasHostBits,
  type Prefix,
  parsePrefix,
  prefixCovers,
  prefixFamily,
  subnetOf,
} from "../netip/index.ts";
import type { PluginFolders } from "../plugins/index.ts";
import { invalid } from "../util/errors.ts";
import type { OptionMap } from "./options.ts";
import { checkAddress, type Settings } from "./settings.ts";

export interface AddressPool {
  readonly base: Prefix;
  /** Length of the subnets that are handed out of `base`. */
  readonly size: number;
}

export interface NetworkConfig {
  /** Name of the default bridge's device; `none`: there is no default bridge. */
  readonly bridge: string | undefined;
  readonly bip: Prefix | undefined;
  readonly bip6: Prefix | undefined;
  readonly fixedCidr: Prefix | undefined;
  readonly fixedCidrIpv6: Prefix | undefined;
  readonly defaultGateway: Address | undefined;
  readonly defaultGatewayIpv6: Address | undefined;
  /** IPv6 on the default bridge. */
  readonly ipv6: boolean;
  /** By driver: options of networks that say nothing themselves. */
  readonly defaultNetworkOptions: Readonly<Record<string, OptionMap>>;
  /** Undefined: the uplink's. */
  readonly mtu: number | undefined;
  readonly icc: boolean;
  readonly ipMasq: boolean;
  readonly ipForward: boolean;
  readonly ipForwardNoDrop: boolean;
  /** Where published ports of the default bridge listen. */
  readonly hostBinding: Address;
  readonly addressPools: readonly AddressPool[];
  readonly firewall: {
    readonly backend: "nftables" | "iptables" | "none" | undefined;
    readonly ipv6: boolean;
    /** Packets with this mark are let through. */
    readonly acceptMark: { readonly value: number; readonly mask: number } | undefined;
  };
  readonly userlandProxy: boolean;
  /** Published ports are reached at containers' own addresses too. */
  readonly allowDirectRouting: boolean;
  /** Read instead of the host's resolv.conf. */
  readonly resolvConf: string | undefined;
  /** By name: modules of drivers that are loaded into the daemon. */
  readonly drivers: Readonly<Record<string, string>>;
  /** Where plugins say where they are. */
  readonly plugins: PluginFolders;
  readonly dns: readonly Address[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  /** What `host-gateway` stands for in `--add-host`, one a family; none: the default bridge's gateways. */
  readonly hostGateways: readonly Address[];
}

/** The settings of networks, checked against each other. @throws invalid, in dockerd's words where it has some */
export function parseNetwork(settings: Settings): NetworkConfig {
  const bridge = settings.text("bridge") || undefined;
  const bip = parseBip(settings, "bip", 4);
  const bip6 = parseBip(settings, "bip6", 6);
  for (const [flag, given] of Object.entries({ bip, bip6 }))
    if (bridge && given)
      throw invalid(`you specified -b & --${flag}, mutually exclusive options. Please specify only one`);
  if (!settings.flag("iptables") && !settings.flag("icc"))
    throw invalid(
      "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. " +
        "Please set --icc or --iptables to true",
    );
  return {
    bridge,
    bip,
    bip6,
    fixedCidr: parseFixedCidr(settings, "fixed-cidr", bip),
    fixedCidrIpv6: parseFixedCidr(settings, "fixed-cidr-v6", bip6),
    defaultGateway: parseGateway(settings, "default-gateway", 4),
    defaultGatewayIpv6: parseGateway(settings, "default-gateway-v6", 6),
    ipv6: settings.flag("ipv6"),
    defaultNetworkOptions: settings.maps("default-network-opt"),
    mtu: parseMtu(settings.number("mtu")),
    icc: settings.flag("icc"),
    ipMasq: settings.flag("ip-masq"),
    ipForward: settings.flag("ip-forward"),
    ipForwardNoDrop: settings.flag("ip-forward-no-drop"),
    hostBinding: settings.address("ip") ?? { family: 4, value: 0n },
    addressPools: settings.list("default-address-pool").map(parsePool),
    firewall: {
      backend: parseBackend(settings),
      ipv6: settings.flag("ip6tables"),
      acceptMark: parseMark(settings.text("bridge-accept-fwmark")),
    },
    userlandProxy: settings.flag("userland-proxy"),
    allowDirectRouting: settings.flag("allow-direct-routing"),
    drivers: settings.map("driver"),
    plugins: { sockets: settings.path("plugin-sockets"), specs: settings.list("plugin-specs") },
    resolvConf: settings.text("resolv-conf") === "" ? undefined : settings.path("resolv-conf"),
    dns: settings.list("dns").map((text) => checkAddress("dns", text)),
    dnsOptions: settings.list("dns-opt"),
    dnsSearch: settings.list("dns-search"),
    hostGateways: parseHostGateways(settings.list("host-gateway-ip")),
  };
}

/** The bridge's address with its subnet's length. */
function parseBip(settings: Settings, flag: "bip" | "bip6", family: Family): Prefix | undefined {
  const prefix = settings.prefix(flag, family);
  // a /31 and a /127 have no network address, and a longer one has nothing but the bridge's
  const hasNone = prefix && prefix.length < (family === 4 ? 31 : 127) && !hasHostBits(prefix);
  if (hasNone) throw invalid(`--${flag}: ${settings.text(flag)} is a subnet and not an address in one`);
  return prefix;
}

function parseFixedCidr(
  settings: Settings,
  flag: "fixed-cidr" | "fixed-cidr-v6",
  bip: Prefix | undefined,
): Prefix | undefined {
  const range = settings.prefix(flag, flag === "fixed-cidr" ? 4 : 6);
  if (range && hasHostBits(range)) throw invalid(`--${flag}: ${settings.text(flag)} has host bits set`);
  if (range && bip && !prefixCovers(subnetOf(bip), range))
    throw invalid(
      `--${flag}: ${formatPrefix(range)} is not within the bridge's subnet ${formatPrefix(subnetOf(bip))}`,
    );
  return range;
}

function parseGateway(
  settings: Settings,
  flag: "default-gateway" | "default-gateway-v6",
  family: Family,
): Address | undefined {
  const address = settings.address(flag);
  if (address && address.family !== family)
    throw invalid(`--${flag}: ${settings.text(flag)} is not an IPv${family} address`);
  return address;
}

function parseMtu(mtu: number): number | undefined {
  if (mtu === 0) return undefined;
  if (mtu < 68 || mtu > 65535) throw invalid(`--mtu: ${mtu} is not between 68 and 65535`);
  return mtu;
}

/** `mark[/mask]` as dockerd takes it: decimal or hexadecimal, without a mask all 32 bits. */
function parseMark(text: string): NetworkConfig["firewall"]["acceptMark"] {
  if (text === "") return undefined;
  const number = "(0x[0-9a-f]{1,8}|[0-9]{1,10})";
  const [, value, mask = "0xffffffff"] = new RegExp(`^${number}(?:/${number})?$`, "i").exec(text) ?? [];
  const mark = { value: Number(value), mask: Number(mask) };
  if (value === undefined || mark.value > 0xffff_ffff || mark.mask > 0xffff_ffff)
    throw invalid(`invalid bridge-accept-fwmark "${text}": mark[/mask] is wanted`);
  return mark;
}

function parseBackend(settings: Settings): NetworkConfig["firewall"]["backend"] {
  const name = settings.text("firewall-backend");
  if (name !== "" && name !== "nftables" && name !== "iptables") {
    throw invalid(`invalid firewall-backend "${name}": nftables or iptables is wanted`);
  }
  if (!settings.flag("iptables")) return "none";
  return name || undefined;
}

/** `base=10.0.0.0/8,size=24` */
function parsePool(text: string): AddressPool {
  const fields = new Map(text.split(",").map((part) => part.trim().split("=", 2) as [string, string]));
  for (const [key, value] of fields) {
    if (value === undefined) throw invalid(`invalid field '${key}' must be a key=value pair`);
    if (key !== "base" && key !== "size") throw invalid(`unexpected key '${key}' in '${text}'`);
  }
  const base = parsePrefix(fields.get("base") ?? "");
  const size = Number(fields.get("size"));
  if (!base || hasHostBits(base))
    throw invalid(`invalid default address pool "${text}": base=CIDR,size=N is wanted`);
  if (!Number.isInteger(size) || size < base.length || size > (prefixFamily(base) === 4 ? 32 : 128)) {
    throw invalid(`invalid default address pool "${text}": the size is not within the base`);
  }
  return { base, size };
}

/** dockerd takes at most one address a family. */
function parseHostGateways(texts: readonly string[]): readonly Address[] {
  const gateways = texts.map((text) => checkAddress("host-gateway-ip", text));
  for (const family of [4, 6]) {
    const same = gateways.filter((gateway) => gateway.family === family);
    if (same.length > 1) throw invalid(`--host-gateway-ip: only one IPv${family} address is allowed`);
  }
  return gateways;
}
