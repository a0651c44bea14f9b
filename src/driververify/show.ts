// Values of the contract as a person reads them in a report.

import { formatAddress, formatPrefix, type Prefix } from "../netip/index.ts";

const longest = 160;

/** One line: addresses and prefixes in their text, ids by their first characters. */
export function show(value: unknown): string {
  const text = render(value);
  return text.length > longest * 3 ? `${text.slice(0, longest * 3)}…` : text;
}

function render(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(shorten(value));
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Set) return `Set${render([...value])}`;
  if (value instanceof Map) return `Map${render(Object.fromEntries(value))}`;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `[${value.map(render).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return asAddress(value) ?? `{ ${Object.entries(value).map(field).join(", ")} }`;
}

function field([key, value]: readonly [string, unknown]): string {
  return `${key}: ${render(value)}`;
}

function shorten(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return `${text.slice(0, 12)}…`;
  return text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters)` : text;
}

function asAddress(value: object): string | undefined {
  try {
    if ("family" in value && "value" in value && typeof value.value === "bigint")
      return formatAddress(value as Prefix["address"]);
    if ("address" in value && "length" in value && typeof value.length === "number")
      return formatPrefix(value as Prefix);
  } catch {
    // no address after all: shown as the object that it is
  }
  return undefined;
}
