// An answer as lines of text that two daemons should have in common: no ids, times, addresses of hardware or folders.

import type { Exchanged } from "./exchange.ts";
import type { Step } from "./step.ts";

/** Headers that clients act on. */
const headersUsed = [
  "content-type",
  "ostype",
  "docker-experimental",
  "builder-version",
  "swarm",
  "cache-control",
  "pragma",
  "upgrade",
  "x-docker-container-path-stat",
];

/** `path: value` of everything that can be compared. */
export function linesOf(step: Step, { status, headers, body }: Exchanged): Map<string, string> {
  const lines = new Map<string, string>([["status", String(status)]]);
  for (const name of headersUsed) {
    const value = headers[name];
    if (value !== undefined) lines.set(`header ${name}`, plain(headerText(name, String(value))));
  }
  if (!step.opaque) flatten("", documentOf(body), lines);
  return lines;
}

function headerText(name: string, value: string): string {
  return name === "x-docker-container-path-stat" ? Buffer.from(value, "base64").toString() : value;
}

function documentOf(body: Buffer): unknown {
  const text = body.toString("latin1");
  try {
    return text === "" ? undefined : JSON.parse(body.toString());
  } catch {
    // not one document: perhaps one a line
  }
  try {
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  } catch {
    return text;
  }
}

/** Values that are never the same twice, whatever they are. */
const restless =
  /(^|[. ])(memory_stats\.stats\.\w+|Processes\[\d+\]\[\d+\]|Created|Pid|time|timeNano|SystemTime|NFd|NGoroutines|MemTotal|total_usage|system_cpu_usage|usage_in_\w+|usage|max_usage|percpu_usage(\[\d+\])?|HostPort|PublicPort|SandboxKey|Size|SizeRw|SizeRootFs|SharedSize|LayersSize|SpaceReclaimed|VirtualSize|execDuration|mtime|(rx|tx)_(bytes|packets))$/;

function flatten(path: string, value: unknown, lines: Map<string, string>): void {
  if (value === undefined) return;
  if (typeof value !== "object" || value === null) {
    lines.set(path || "body", restless.test(path) ? `<${typeof value}>` : plain(JSON.stringify(value)));
    return;
  }
  const entries: readonly (readonly [string, unknown])[] = Array.isArray(value)
    ? sorted(value).map((it, at) => [`[${at}]`, it])
    : keyed(value);
  if (entries.length === 0) lines.set(path || "body", Array.isArray(value) ? "[]" : "{}");
  for (const [key, item] of entries) {
    flatten(path === "" || key.startsWith("[") ? `${path}${key}` : `${path}.${key}`, item, lines);
  }
}

const keyed = (value: object) => Object.entries(value).map(([key, item]) => [plain(key), item] as const);

/** Lists of things with names, and of ports, have no order that matters. */
function sorted(list: readonly unknown[]): readonly unknown[] {
  return [...list].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0));
}

interface Named {
  readonly Name?: string;
  readonly Names?: readonly string[];
  readonly Destination?: string;
  readonly PrivatePort?: number;
  readonly Type?: string;
  readonly IP?: string;
}

function nameOf(item: unknown): string {
  const { Name, Names, Destination, PrivatePort, Type, IP } = (item ?? {}) as Named;
  const port = PrivatePort === undefined ? "" : `${PrivatePort}/${Type} ${IP}`;
  return Name ?? Names?.[0] ?? Destination ?? port;
}

/** Without what differs from one daemon, and from one second, to the next. */
export function plain(text: string): string {
  return (
    text
      .replace(/\/tmp\/bench-\w+-\w+/g, "<folder>")
      .replace(/\b[0-9a-f]{64}\b/g, "<id>")
      .replace(/\b[0-9a-f]{12}\b/g, "<short id>")
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, (time) =>
        time.startsWith("0001") ? time : "<time>",
      )
      .replace(/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, "<mac>")
      // both hand out the next free address, but not the same is next
      .replace(/\b10\.0\.\d+\.\d+\b/g, "<address>")
      .replace(/Less than a second|(About )?an? (second|minute)|\d+ seconds?/g, "<span>")
  );
}
