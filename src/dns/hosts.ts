// hosts(5) of containers.

import { type Address, formatAddress } from "../netip/index.ts";

export interface HostsRequest {
  readonly hostname: string;
  /** "" or undefined: none. */
  readonly domainname?: string;
  /** The container's own addresses, in the order of its networks. */
  readonly addresses: readonly Address[];
  /** `--add-host`, in the order given. */
  readonly extraHosts?: readonly HostEntry[];
  /** False leaves the IPv6 names out. */
  readonly ipv6?: boolean;
}

export interface HostEntry {
  readonly name: string;
  readonly address: Address;
}

const loopbackLines = ["127.0.0.1\tlocalhost"];
const ipv6Lines = [
  "::1\tlocalhost ip6-localhost ip6-loopback",
  "fe00::\tip6-localnet",
  "ff00::\tip6-mcastprefix",
  "ff02::1\tip6-allnodes",
  "ff02::2\tip6-allrouters",
];

/** The whole file: loopback, extra hosts, own addresses. Pure. */
export function buildHosts(request: HostsRequest): string {
  const lines = [
    ...loopbackLines,
    ...(request.ipv6 === false ? [] : ipv6Lines),
    ...(request.extraHosts ?? []).map((entry) => `${formatAddress(entry.address)}\t${entry.name}`),
    ...ownLines(request),
  ];
  return `${lines.join("\n")}\n`;
}

/** `172.18.0.2\tweb.example.com web`, one line per address, as Docker writes them. */
export function ownLines(request: Pick<HostsRequest, "hostname" | "domainname" | "addresses">): string[] {
  const { hostname, domainname } = request;
  const full = domainname ? `${hostname}.${domainname}` : hostname;
  const short = full.includes(".") ? full.slice(0, full.indexOf(".")) : undefined;
  const names = short === undefined ? full : `${full} ${short}`;
  return request.addresses.map((address) => `${formatAddress(address)}\t${names}`);
}

/** The file with lines added at its end; lines that are there already are not repeated. Pure. */
export function addHostsLines(text: string, lines: readonly string[]): string {
  const present = new Set(text.split("\n"));
  const missing = lines.filter((line) => !present.has(line));
  const ended = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return missing.length === 0 ? text : `${ended}${missing.join("\n")}\n`;
}

/** The file without these lines; whatever else a user wrote stays. Pure. */
export function removeHostsLines(text: string, lines: readonly string[]): string {
  const gone = new Set(lines);
  return text
    .split("\n")
    .filter((line) => !gone.has(line))
    .join("\n");
}
