// The `filters` parameter: parsing both of its forms and refusing what a request does not know.

import type { Filters } from "../engine/types.ts";
import { invalid } from "../util/errors.ts";
import type { Query } from "./query.ts";
import { parseTime } from "./time.ts";

/** Says whether a value may stand under a key; a key without a check takes any value. */
export type ValueCheck = (value: string) => boolean;
export type KnownFilters = Readonly<Record<string, ValueCheck>>;

export const anyValue: ValueCheck = () => true;
export const booleanValue: ValueCheck = (value) => /^(1|0|true|false)$/i.test(value);
export const integerValue: ValueCheck = (value) => /^-?[0-9]+$/.test(value);
export const portValue: ValueCheck = (value) => /^[0-9]+(-[0-9]+)?(\/(tcp|udp|sctp))?$/i.test(value);
export const oneOf =
  (...words: readonly string[]): ValueCheck =>
  (value) =>
    words.includes(value);

/** Reads `filters`. Throws invalid on malformed JSON, an unknown key or a value that its key does not take. */
export function readFilters(query: Query, known: KnownFilters): Filters {
  const text = query.text("filters");
  const filters = text === undefined ? new Map<string, string[]>() : parseFilters(text);
  for (const [key, values] of filters) {
    const check = Object.hasOwn(known, key) ? known[key] : undefined;
    if (!check) throw invalid(`invalid filter '${key}'`);
    const bad = values.find((value) => !check(value));
    if (bad !== undefined) throw invalid(`invalid filter '${key}=${bad}'`);
  }
  return filters;
}

/** Prune's filters: `until` is turned into seconds since 1970, whatever form it had. */
export function readPruneFilters(query: Query, known: KnownFilters, now: Date): Filters {
  const filters = new Map(
    readFilters(query, { until: anyValue, label: anyValue, "label!": anyValue, ...known }),
  );
  const until = filters.get("until");
  if (until) filters.set("until", [pruneUntil(until, now)]);
  return filters;
}

function pruneUntil(values: readonly string[], now: Date): string {
  const [value = "", ...more] = values;
  if (more.length > 0) throw invalid("more than one until filter specified");
  const nanos = parseTime(value, now);
  if (nanos === undefined) throw invalid(`invalid filter 'until=${value}'`);
  return (Number(nanos / 1_000_000n) / 1000).toString();
}

function parseFilters(text: string): Map<string, string[]> {
  const parsed = parseObject(text);
  return new Map(Object.entries(parsed).map(([key, values]) => [key, filterValues(values, text)]));
}

function parseObject(text: string): object {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed;
  } catch {
    // text that is no JSON is refused like JSON that is no object
  }
  throw invalid(`invalid filter: ${JSON.stringify(text)} is not a JSON object of filters`);
}

// {"label":{"a=b":true}} since API 1.22, {"label":["a=b"]} before and still sent by SDKs
function filterValues(values: unknown, text: string): string[] {
  if (Array.isArray(values) && values.every((value) => typeof value === "string")) return values;
  if (typeof values === "object" && values !== null && !Array.isArray(values))
    // Docker looks at the keys alone: {"x":false} asks for x too
    return Object.keys(values);
  throw invalid(`invalid filter: ${JSON.stringify(text)} is not a JSON object of filters`);
}
