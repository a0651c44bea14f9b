// How a template prints a value: Go's fmt.Print of it.

import { isMap } from "./values.ts";

/** Strings as they are, lists as [a b], maps as map[k:v] with sorted keys, nothing as <no value> or <nil>. */
export function formatValue(value: unknown): string {
  if (value === undefined) return "<no value>";
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(formatValue).join(" ")}]`;
  if (typeof value === "object") return formatObject(value);
  return String(value);
}

function formatObject(value: object): string {
  if ("toGoString" in value && typeof value.toGoString === "function") return String(value.toGoString());
  const entries = Object.entries(value).filter(([, field]) => typeof field !== "function");
  if (!isMap(value) && entries.length > 0 && entries.every(([key]) => /^[A-Z]/.test(key))) {
    return `{${entries.map(([, field]) => formatValue(field)).join(" ")}}`;
  }
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `map[${sorted.map(([key, field]) => `${key}:${formatValue(field)}`).join(" ")}]`;
}
