// resolv.conf(5) of containers, made from the host's: pointing at the sandbox's own resolver, or (default bridge, as
// Docker has it) at the host's name servers.

import { type Address, formatAddress, isLoopback, parseAddress, sameAddress } from "../netip/index.ts";

/** A name server's address, with the link that a link-local one is on (`fe80::1%eth0`). */
export interface ServerAddress extends Address {
  /** Name or index of the link, in the namespace of whoever wrote it down. */
  readonly zone?: string;
}

/** What a resolv.conf says. */
export interface ResolvConf {
  readonly nameservers: readonly ServerAddress[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Settings of a container or the daemon (`--dns`, `--dns-search`, `--dns-opt`); an empty list is no setting. */
export interface DnsOverrides {
  readonly nameservers?: readonly ServerAddress[];
  /** `.` alone: no search list. */
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** Where a name server is asked from: one that the user named, from the container; one of the host's, from the host. */
export interface NameServer {
  readonly address: Address;
  /** Name or index of the link that a link-local address is on. */
  readonly zone?: string;
  readonly from: "host" | "sandbox";
}

export interface ResolvConfRequest {
  readonly host: ResolvConf;
  readonly overrides?: DnsOverrides;
  /** `internal`: the sandbox has a resolver of its own on 127.0.0.11; `legacy`: it asks the host's name servers. */
  readonly mode: "internal" | "legacy";
  /** Whether the container has IPv6; without it (legacy) the host's IPv6 name servers are left out. */
  readonly ipv6?: boolean;
}

export interface BuiltResolvConf {
  readonly text: string;
  /** Whom the sandbox's resolver asks; empty in `legacy`. */
  readonly upstreams: readonly NameServer[];
}

const resolverAddress: Address = { family: 4, value: 0x7f00000bn };
/** Asked where the host names nobody, as Docker does. */
const publicServers4 = ["8.8.8.8", "8.8.4.4"];
const publicServers6 = ["2001:4860:4860::8888", "2001:4860:4860::8844"];

/**
 * Reads a resolv.conf: `nameserver` lines add up, the last `search` or `domain` wins, options add up. What it cannot
 * use is left out: unknown keywords and broken addresses.
 */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: ServerAddress[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/);
    const address = keyword === "nameserver" ? parseServer(words[0] ?? "") : undefined;
    if (address) nameservers.push(address);
    if (keyword === "search") search = words;
    if (keyword === "domain") search = words.slice(0, 1);
    if (keyword === "options") options.push(...words);
  }
  return { nameservers, search, options };
}

function parseServer(text: string): ServerAddress | undefined {
  const [plain = "", zone] = text.split("%", 2);
  const address = parseAddress(plain);
  return address && (zone ? { ...address, zone } : address);
}

function formatServer(server: ServerAddress): string {
  return `${formatAddress(server)}${server.zone === undefined ? "" : `%${server.zone}`}`;
}

/** The resolv.conf of a container and the name servers that its resolver asks. Pure. */
export function buildResolvConf(request: ResolvConfRequest): BuiltResolvConf {
  return request.mode === "internal" ? buildInternal(request) : buildLegacy(request);
}

/** The file to read on a host: systemd-resolved's own list where /etc/resolv.conf only names its stub. */
export function usesSystemdStub(host: ResolvConf): boolean {
  return (
    host.nameservers.length === 1 && formatAddress(host.nameservers[0] ?? resolverAddress) === "127.0.0.53"
  );
}

function buildInternal(request: ResolvConfRequest): BuiltResolvConf {
  const merged = merge(request);
  const ndots = merged.options.some((option) => option.startsWith("ndots:"));
  const options = ndots ? merged.options : [...merged.options, "ndots:0"];
  const upstreams = internalUpstreams(request);
  const asked = upstreams.map(({ address, from, ...zone }) => {
    const text = formatServer({ ...address, ...zone });
    return from === "host" ? `host(${text})` : text;
  });
  const notes = [
    "Based on host file: '/etc/resolv.conf' (internal resolver)",
    `ExtServers: [${asked.join(" ")}]`,
    `Overrides: [${overridden(request).join(" ")}]`,
    `Option ndots from: ${ndots ? (request.overrides?.options?.length ? "override" : "host") : "internal"}`,
  ];
  return { text: render({ ...merged, nameservers: [resolverAddress], options }, notes), upstreams };
}

function buildLegacy(request: ResolvConfRequest): BuiltResolvConf {
  const merged = merge(request);
  const isSet = (request.overrides?.nameservers?.length ?? 0) > 0;
  // nor those on one of the host's links, where the container is not
  const usable = merged.nameservers.filter(
    (server) =>
      !isLoopback(server) && server.zone === undefined && (server.family === 4 || request.ipv6 === true),
  );
  const fallback = usable.length === 0 && !isSet;
  const nameservers = isSet ? merged.nameservers : fallback ? publicServers(request.ipv6) : usable;
  const notes = [
    "Based on host file: '/etc/resolv.conf' (legacy)",
    `Overrides: [${overridden(request).join(" ")}]`,
    ...(fallback ? ["Used default nameservers."] : []),
  ];
  return { text: render({ ...merged, nameservers }, notes), upstreams: [] };
}

/** Never ourselves: a host that is a container itself names 127.0.0.11 too, and its own is another one. */
function internalUpstreams(request: ResolvConfRequest): NameServer[] {
  const set = request.overrides?.nameservers ?? [];
  const chosen: NameServer[] =
    set.length > 0
      ? set
          .filter((address) => !sameAddress(address, resolverAddress))
          .map((server) => serverFrom("sandbox", server))
      : request.host.nameservers.map((server) => serverFrom("host", server));
  if (chosen.length > 0) return chosen;
  return publicServers(request.ipv6).map((server) => serverFrom("host", server));
}

function serverFrom(from: NameServer["from"], { zone, ...address }: ServerAddress): NameServer {
  return { address, from, ...(zone !== undefined && { zone }) };
}

function publicServers(ipv6: boolean | undefined): Address[] {
  const texts = ipv6 ? [...publicServers4, ...publicServers6] : publicServers4;
  return texts.flatMap((text) => parseAddress(text) ?? []);
}

function merge({ host, overrides = {} }: ResolvConfRequest): ResolvConf {
  const pick = <T>(set: readonly T[] | undefined, own: readonly T[]) => (set?.length ? set : own);
  const search = pick(overrides.search, host.search);
  return {
    nameservers: pick(overrides.nameservers, host.nameservers),
    search: search.length === 1 && search[0] === "." ? [] : search,
    options: pick(overrides.options, host.options),
  };
}

function overridden({ overrides = {} }: ResolvConfRequest): string[] {
  const kinds = ["nameservers", "search", "options"] as const;
  return kinds.filter((kind) => overrides[kind]?.length);
}

function render(conf: ResolvConf, notes: readonly string[]): string {
  const lines = [
    "# Generated by tsdocker.",
    "# This file can be edited; it is left alone once it has been modified.",
    "",
    ...conf.nameservers.map((address) => `nameserver ${formatServer(address)}`),
    ...(conf.search.length > 0 ? [`search ${conf.search.join(" ")}`] : []),
    ...(conf.options.length > 0 ? [`options ${conf.options.join(" ")}`] : []),
    "",
    ...notes.map((note) => `# ${note}`),
  ];
  return `${lines.join("\n")}\n`;
}
