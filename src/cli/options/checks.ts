// Checks of single flag values, each in the words of the docker CLI. They give the value back in normal form or throw.

import { isIP } from "node:net";
import { parseCsvLine } from "../flags/csv.ts";
import { quote } from "../flags/numbers.ts";

/** `before` and `after` the first `separator`; `found` false when there is none. */
export function cut(text: string, separator: string): { before: string; after: string; found: boolean } {
  const at = text.indexOf(separator);
  if (at < 0) return { before: text, after: "", found: false };
  return { before: text.slice(0, at), after: text.slice(at + separator.length), found: true };
}

/** A stream's name in lower case. */
export function checkAttach(value: string): string {
  const stream = value.toLowerCase();
  if (["stdin", "stdout", "stderr"].includes(stream)) return stream;
  throw new Error("valid streams are STDIN, STDOUT and STDERR");
}

/** `NAME=value`, or `NAME` for the value that this process has. */
export function checkEnv(value: string): string {
  const { before, found } = cut(value, "=");
  if (before === "") throw new Error(`invalid environment variable: ${value}`);
  const own = process.env[value];
  return found || own === undefined ? value : `${value}=${own}`;
}

/** `key[=value]` with a key. */
export function checkLabel(value: string): string {
  const key = cut(value, "=").before.replace(/^[ \t]+/, "");
  if (key === "") throw new Error(`invalid label '${value}': empty name`);
  if (/[ \t]/.test(key)) throw new Error(`label '${key}' contains whitespaces`);
  return value;
}

const sysctls =
  /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)$|net\.|fs\.mqueue\.)/;

/** `key=value` of a sysctl that namespaces have each for themselves. */
export function checkSysctl(value: string): string {
  const { before, found } = cut(value, "=");
  if (found && sysctls.test(before)) return value;
  throw new Error(`sysctl '${value}' is not allowed`);
}

/** An IPv4 or IPv6 address. */
export function checkIpAddress(value: string): string {
  const address = value.trim();
  if (isIP(address) === 0) throw new Error(`IP address is not correctly formatted: ${value}`);
  return address;
}

const domainLabel = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const domainPattern = new RegExp(`^(${domainLabel}(?:\\.${domainLabel})*)\\.?\\s*$`);

/** A domain without its final dot, or `.` for none. */
export function checkDnsSearch(value: string): string {
  const trimmed = value.replace(/^ +| +$/g, "");
  if (trimmed === ".") return trimmed;
  const match = /[a-zA-Z]/.test(trimmed) ? domainPattern.exec(trimmed) : null;
  if (!match?.[1] || match[1].length >= 255) throw new Error(`${trimmed} is not a valid domain`);
  return match[1];
}

/** `name:ip` or `name=ip`, also host-gateway; sent as name:ip. */
export function checkExtraHost(value: string): string {
  const { before: name, after, found } = cut(value, value.includes("=") ? "=" : ":");
  if (!found || name === "" || name.includes(":"))
    throw new Error(`bad format for add-host: ${quote(value)}`);
  if (after === "host-gateway") return `${name}:${after}`;
  const address = /^\[.+\]$/.test(after) ? after.slice(1, -1) : after;
  if (isIP(address.trim()) === 0) throw new Error(`invalid IP address in add-host: ${quote(address)}`);
  return `${name}:${address}`;
}

/** `container[:alias]`. */
export function checkLink(value: string): string {
  if (value === "") throw new Error("empty string specified for links");
  if (value.split(":").length > 2) throw new Error(`bad format for links: ${value}`);
  return value;
}

/** Six bytes with colons or dashes, or three groups of four digits. */
export function checkMacAddress(value: string): string {
  if (/^([0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\2){4}[0-9a-fA-F]{2})$/.test(value.trim())) return value;
  if (/^[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}$/.test(value.trim())) return value;
  throw new Error(`${value} is not a valid mac address`);
}

const ulimitNames =
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  );

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

/** `name=soft[:hard]`; -1 is no limit. */
function parseUlimit(value: string): Ulimit {
  const { before: name, after, found } = cut(value, "=");
  if (!found) throw new Error(`invalid ulimit argument: ${value}`);
  if (!ulimitNames.includes(name)) throw new Error(`invalid ulimit type: ${name}`);
  const limits = after.split(":");
  if (limits.length > 2) {
    throw new Error(`too many limit value arguments - ${after}, can only have up to two, \`soft[:hard]\``);
  }
  const [soft = 0, hard = soft] = limits.map(parseLimit);
  const order = "ulimit soft limit must be less than or equal to hard limit";
  if (hard !== -1 && soft === -1) throw new Error(`${order}: soft: -1 (unlimited), hard: ${hard}`);
  if (hard !== -1 && soft > hard) throw new Error(`${order}: ${soft} > ${hard}`);
  return { Name: name, Soft: soft, Hard: hard };
}

/** All --ulimit values by name; the last of a name counts. */
export function parseUlimits(values: readonly string[]): Ulimit[] {
  const byName = new Map(values.map(parseUlimit).map((limit) => [limit.Name, limit]));
  return [...byName.values()].toSorted((a, b) => (a.Name < b.Name ? -1 : 1));
}

function parseLimit(text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw new Error(`strconv.ParseInt: parsing ${quote(text)}: invalid syntax`);
}

/** As `parseUlimit`, which reads it again later. */
export function checkUlimit(value: string): string {
  parseUlimit(value);
  return value;
}

/** GPUs need a driver that this engine does not have: said here, not after a pull. */
export function checkGpus(value: string): string {
  parseCsvLine(value);
  throw new Error("GPU devices are not supported by tsdocker");
}
