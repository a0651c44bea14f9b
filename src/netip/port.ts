// Pure values: transport protocols, ports and port ranges.

export type Protocol = "tcp" | "udp" | "sctp";

/** First and last port, both included, 1–65535; a single port has first = last. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** IANA protocol numbers. */
export const protocolNumber = { tcp: 6, udp: 17, sctp: 132 } as const satisfies Record<Protocol, number>;

/** Parses `tcp`, `udp` or `sctp` in any case; undefined for anything else. */
export function parseProtocol(text: string): Protocol | undefined {
  const lower = text.toLowerCase();
  return lower === "tcp" || lower === "udp" || lower === "sctp" ? lower : undefined;
}

/** Parses a decimal port 0–65535; undefined when it is not one. */
export function parsePort(text: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

/** Parses `80` or `8000-8010`; undefined when malformed or descending. */
export function parsePortRange(text: string): PortRange | undefined {
  const dash = text.indexOf("-");
  const first = parsePort(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : parsePort(text.slice(dash + 1));
  if (first === undefined || last === undefined || last < first) return undefined;
  return { first, last };
}

/** How many ports the range has. */
export function portRangeSize(range: PortRange): number {
  return range.last - range.first + 1;
}

/** `80`, or `8000-8010`. */
export function formatPortRange(range: PortRange): string {
  return range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`;
}
