// The daemon's configuration: flags and file merged, text parsed into values once, contradictions refused.

import { dirname, isAbsolute, join } from "node:path";
import {
  type Address,
  type Family,
  formatPrefix,
  hasHostBits,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixCovers,
  prefixFamily,
  subnetOf,
} from "../netip/index.ts";
import { invalid } from "../util/errors.ts";
import { readConfigFile } from "./config-file.ts";
import type { GivenFlags } from "./flags.ts";
import { type OptionMap, type OptionValue, optionRows } from "./options.ts";

export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

export interface AddressPool {
  readonly base: Prefix;
  /** Length of the subnets that are handed out of `base`. */
  readonly size: number;
}

export interface Config {
  readonly hosts: readonly ListenAddress[];
  readonly group: string;
  readonly tls:
    | { readonly verify: boolean; readonly ca: string; readonly cert: string; readonly key: string }
    | undefined;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidFile: string;
  /** Address of a containerd; undefined: the system's if it answers, else one of our own. */
  readonly containerd: string | undefined;
  readonly containerdNamespace: string;
  readonly debug: boolean;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "fatal";
  readonly labels: readonly string[];
  readonly shutdownTimeoutS: number;
  /** Containers go on while there is no daemon. */
  readonly liveRestore: boolean;
  readonly network: NetworkConfig;
  readonly images: ImageConfig;
  readonly containers: ContainerConfig;
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
  readonly dns: readonly Address[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  /** What `host-gateway` stands for in `--add-host`, one a family; none: the default bridge's gateways. */
  readonly hostGateways: readonly Address[];
}

export interface ImageConfig {
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly maxConcurrentDownloads: number;
}

export interface ContainerConfig {
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly shmSize: number;
  /** A file's path, `unconfined`, or undefined for the packaged profile. */
  readonly seccompProfile: string | undefined;
}

/** Flags and daemon.json as one configuration. @throws invalid with what is wrong and where */
export function loadConfig(flags: GivenFlags): Config {
  const path = flags.get("config-file");
  const file = readConfigFile(typeof path === "string" ? path : "/etc/docker/daemon.json", flags);
  const settings = new Settings(flags, file);
  const execRoot = settings.path("exec-root");
  return {
    hosts: parseHosts(settings),
    group: settings.text("group"),
    tls: parseTls(settings),
    dataRoot: settings.path("data-root"),
    execRoot,
    pidFile: settings.text("pidfile") || join(dirname(execRoot), "tsdocker.pid"),
    containerd: settings.text("containerd").replace(/^unix:\/\//, "") || undefined,
    containerdNamespace: settings.text("containerd-namespace"),
    debug: settings.flag("debug"),
    logLevel: parseLogLevel(settings),
    labels: settings.list("label").map(checkLabel),
    shutdownTimeoutS: settings.number("shutdown-timeout"),
    liveRestore: settings.flag("live-restore"),
    network: parseNetwork(settings),
    images: {
      insecureRegistries: settings.list("insecure-registry"),
      registryMirrors: settings.list("registry-mirror"),
      maxConcurrentDownloads: settings.number("max-concurrent-downloads"),
    },
    containers: {
      logDriver: parseLogDriver(settings.text("log-driver")),
      logOptions: settings.map("log-opt"),
      shmSize: parseSize("default-shm-size", settings.text("default-shm-size")),
      seccompProfile: settings.text("seccomp-profile") || undefined,
    },
  };
}

/** Looks settings up: the flag, else the file, else the default. */
class Settings {
  readonly #layers: readonly ReadonlyMap<string, OptionValue>[];

  constructor(...layers: readonly ReadonlyMap<string, OptionValue>[]) {
    this.#layers = [...layers, new Map(optionRows.map((row) => [row.flag, row.fallback]))];
  }

  #value(flag: string): OptionValue {
    for (const layer of this.#layers) {
      const value = layer.get(flag);
      if (value !== undefined) return value;
    }
    throw new Error(`there is no option --${flag}`);
  }

  text(flag: string): string {
    return String(this.#value(flag));
  }

  flag(flag: string): boolean {
    return this.#value(flag) === true;
  }

  number(flag: string): number {
    const value = Number(this.#value(flag));
    if (value < 0) throw invalid(`--${flag}: ${value} is below zero`);
    return value;
  }

  list(flag: string): readonly string[] {
    return this.#value(flag) as readonly string[];
  }

  map(flag: string): Readonly<Record<string, string>> {
    return this.#value(flag) as Readonly<Record<string, string>>;
  }

  maps(flag: string): Readonly<Record<string, OptionMap>> {
    return this.#value(flag) as Readonly<Record<string, OptionMap>>;
  }

  path(flag: string): string {
    const path = this.text(flag);
    if (!isAbsolute(path)) throw invalid(`--${flag}: ${path} is not an absolute path`);
    return path;
  }

  address(flag: string): Address | undefined {
    const text = this.text(flag);
    return text === "" ? undefined : checkAddress(flag, text);
  }

  prefix(flag: string, family: Family): Prefix | undefined {
    const text = this.text(flag);
    if (text === "") return undefined;
    const prefix = parsePrefix(text);
    if (!prefix || prefixFamily(prefix) !== family) throw invalid(`--${flag}: invalid CIDR address: ${text}`);
    return prefix;
  }
}

function parseHosts(settings: Settings): ListenAddress[] {
  const given = settings.list("host");
  const wantsTls = settings.flag("tls") || settings.flag("tlsverify");
  const hosts = (given.length > 0 ? given : ["unix:///var/run/docker.sock"]).map((text) =>
    parseHost(text, wantsTls),
  );
  for (const host of hosts) {
    if (host.kind === "tcp" && !wantsTls && !isLoopbackName(host.host)) {
      throw invalid(
        `-H tcp://${host.host}:${host.port}: plain TCP would hand root on this machine to the network: listen on ` +
          "127.0.0.1, or use --tlsverify with --tlscacert, --tlscert and --tlskey",
      );
    }
  }
  return hosts;
}

function isLoopbackName(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

function parseHost(text: string, wantsTls: boolean): ListenAddress {
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length) || "/var/run/docker.sock";
    if (!isAbsolute(path)) throw invalid(`-H ${text}: the socket's path must be absolute`);
    return { kind: "unix", path };
  }
  const tcp = /^tcp:\/\/(?:\[([^\]]+)\]|([^:]*))(?::([0-9]+))?\/?$/.exec(text);
  if (!tcp) throw invalid(`invalid bind address (${text}): unix:///path or tcp://host:port is wanted`);
  const port = Number(tcp[3] ?? (wantsTls ? 2376 : 2375));
  if (port < 1 || port > 65535) throw invalid(`invalid bind address (${text}): port ${port} is out of range`);
  return { kind: "tcp", host: tcp[1] ?? (tcp[2] || "127.0.0.1"), port };
}

function parseTls(settings: Settings): Config["tls"] {
  const verify = settings.flag("tlsverify");
  if (!verify && !settings.flag("tls")) return undefined;
  const [ca, cert, key] = ["tlscacert", "tlscert", "tlskey"].map((flag) => settings.text(flag));
  if (!cert || !key) throw invalid("TLS needs --tlscert and --tlskey");
  if (verify && !ca) throw invalid("--tlsverify needs --tlscacert");
  return { verify, ca: ca ?? "", cert, key };
}

function parseLogLevel(settings: Settings): Config["logLevel"] {
  const level = settings.text("log-level");
  switch (level) {
    case "debug":
    case "info":
    case "warn":
    case "error":
    case "fatal":
      return settings.flag("debug") ? "debug" : level;
    default:
      throw invalid(`invalid logging level: ${level}`);
  }
}

function parseLogDriver(name: string): string {
  if (name === "json-file" || name === "none") return name;
  throw invalid(`logger: no log driver named '${name}' is registered (there are json-file and none)`);
}

function checkLabel(label: string): string {
  if (!label.includes("=")) throw invalid(`bad attribute format: ${label}: key=value is wanted`);
  return label;
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

function parseNetwork(settings: Settings): NetworkConfig {
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

function checkAddress(flag: string, text: string): Address {
  const address = parseAddress(text);
  if (!address) throw invalid(`--${flag}: ${text} is not an ip address`);
  return address;
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

/** `64M` in bytes. */
function parseSize(flag: string, text: string): number {
  const parts = /^([0-9]+)([bkmg]?)b?$/i.exec(text);
  if (!parts) throw invalid(`--${flag}: invalid size: '${text}'`);
  const unit = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(parts[2] || "b").toLowerCase()] ?? 1;
  return Number(parts[1]) * unit;
}
