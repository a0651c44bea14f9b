// The functions a template may call: Go's built-in ones and those Docker adds.

import { encodeJson } from "./encode.ts";
import type { Functions } from "./evaluate.ts";
import { formatValue } from "./print.ts";
import { goTypeName, sprintf } from "./strings.ts";
import { isMap, isTrue } from "./values.ts";

/** Built-in functions and Docker's json, split, join, title, lower, upper, pad, truncate. */
export const templateFunctions: Functions = {
  and: () => undefined, // evaluated where it is called: its operands may not all be
  or: () => undefined,
  not: (value) => !isTrue(value),
  eq: (first, ...others) => others.some((other) => compare(first, other, true) === 0),
  ne: (a, b) => compare(a, b, true) !== 0,
  lt: (a, b) => compare(a, b, false) < 0,
  le: (a, b) => compare(a, b, false) <= 0,
  gt: (a, b) => compare(a, b, false) > 0,
  ge: (a, b) => compare(a, b, false) >= 0,
  len: (value) => length(value),
  index: (value, ...keys) => keys.reduce(indexInto, value),
  slice: (value, from = 0, to) => slice(value, Number(from), to === undefined ? undefined : Number(to)),
  print: (...values) => print(values),
  println: (...values) => `${values.map(formatValue).join(" ")}\n`,
  printf: (format, ...values) => sprintf(text(format), values),
  html: (...values) => escapeHtml(print(values)),
  js: (...values) => JSON.stringify(print(values)).slice(1, -1).replaceAll("'", "\\'"),
  urlquery: (...values) => encodeURIComponent(print(values)).replaceAll("%20", "+"),
  json: (value) => encodeJson(value, { escapeHtml: false }),
  split: (value, separator) => text(value).split(text(separator)),
  join: (values, separator) => joinList(values, text(separator)),
  title: (value) => text(value).replace(/(^|[^\p{L}\p{N}_'])\p{L}/gu, (match) => match.toUpperCase()),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  pad: (value, before, after) => pad(text(value), Number(before), Number(after)),
  truncate: (value, count) => truncate(text(value), Number(count)),
};

/** For the heading row of a table: the headings stay as they are. */
export const headerFunctions: Functions = {
  ...templateFunctions,
  ...Object.fromEntries(
    ["json", "split", "join", "title", "lower", "upper", "truncate"].map((name) => [
      name,
      (value: unknown) => value,
    ]),
  ),
};

function text(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null && "toGoString" in value) return formatValue(value);
  throw new Error(`wrong type for value; expected string; got ${goTypeName(value)}`);
}

function print(values: readonly unknown[]): string {
  return values
    .map((value, index) => {
      const before = values[index - 1];
      const spaced = index > 0 && typeof value !== "string" && typeof before !== "string";
      return (spaced ? " " : "") + formatValue(value);
    })
    .join("");
}

function compare(a: unknown, b: unknown, forEquality: boolean): number {
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0;
  const aText = plain(a);
  const bText = plain(b);
  if (typeof aText === "string" && typeof bText === "string")
    return aText < bText ? -1 : aText > bText ? 1 : 0;
  if (!forEquality) throw new Error("incompatible types for comparison");
  if (typeof aText === "boolean" && typeof bText === "boolean") return aText === bText ? 0 : 1;
  if (isNil(a) || isNil(b)) return isNil(a) && isNil(b) ? 0 : 1;
  throw new Error("incompatible types for comparison");
}

const isNil = (value: unknown) => value === null || value === undefined;
const isNumber = (value: unknown): value is number | bigint =>
  typeof value === "number" || typeof value === "bigint";

function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null && "toGoString" in value ? formatValue(value) : value;
}

function length(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (typeof value === "object" && value !== null) return Object.keys(value).length;
  throw new Error(
    value === null || value === undefined ? "len of nil pointer" : `len of type ${goTypeName(value)}`,
  );
}

function indexInto(value: unknown, key: unknown): unknown {
  if (Array.isArray(value)) return indexList(value, key);
  if (typeof value === "string") return Buffer.from(value)[Number(key)];
  if (typeof value === "object" && value !== null) return indexMap(value, key);
  throw new Error(isNil(value) ? "index of untyped nil" : `can't index item of type ${goTypeName(value)}`);
}

function indexList(list: readonly unknown[], key: unknown): unknown {
  if (!isNumber(key)) throw new Error(`cannot index slice/array with type ${goTypeName(key)}`);
  const at = Number(key);
  if (at < 0 || at >= list.length) throw new Error(`index out of range: ${at}`);
  return list[at];
}

/** An absent key has the zero of the map's values: "" in a map of strings, nothing in others. */
function indexMap(map: object, key: unknown): unknown {
  if (typeof key !== "string") throw new Error(`value has type ${goTypeName(key)}; should be string`);
  const found = Object.entries(map).find(([name]) => name === key);
  if (found) return found[1];
  const values = Object.values(map);
  const ofStrings = values.every((value) => typeof value === "string");
  return ofStrings && (values.length > 0 || isMap(map)) ? "" : undefined;
}

function slice(value: unknown, from: number, to: number | undefined): unknown {
  const size = length(value);
  const end = to ?? size;
  if (from < 0 || end > size || from > end) throw new Error(`index out of range: ${Math.max(from, end)}`);
  if (typeof value === "string") return Buffer.from(value).subarray(from, end).toString();
  return Array.isArray(value) ? value.slice(from, end) : undefined;
}

function joinList(values: unknown, separator: string): string {
  if (!Array.isArray(values))
    throw new Error(`wrong type for value; expected []string; got ${goTypeName(values)}`);
  return values.map(formatValue).join(separator);
}

function pad(value: string, before: number, after: number): string {
  return value === "" ? value : " ".repeat(before) + value + " ".repeat(after);
}

function truncate(value: string, count: number): string {
  const bytes = Buffer.from(value);
  return bytes.length < count ? value : bytes.subarray(0, count).toString();
}

function escapeHtml(value: string): string {
  const names: Readonly<Record<string, string>> = {
    "<": "&lt;",
    ">": "&gt;",
    "&": "&amp;",
    '"': "&#34;",
    "'": "&#39;",
  };
  return value.replace(/[<>&"']/g, (char) => names[char] ?? char);
}
