// daemon.json: read, checked key by key, and merged with the flags. An unknown key, a key given twice in the file, or a
// setting given both here and as a flag stops the daemon, in dockerd's words.

import { readFileSync } from "node:fs";
import { invalid } from "../util/errors.ts";
import type { GivenFlags } from "./flags.ts";
import { type OptionMap, type OptionRow, type OptionValue, optionRows, refusedOptions } from "./options.ts";

/** Keys that dockerd accepts beside its settings and that change nothing here. */
const toleratedKeys = new Set(["features", "builder"]);

/**
 * Settings of the file at `path` by flag name. A missing file is an empty one unless the user named it.
 * @throws invalid with dockerd's kind of message
 */
export function readConfigFile(path: string, flags: GivenFlags): Map<string, OptionValue> {
  const text = readText(path, flags.has("config-file"));
  if (text === undefined || text.trim() === "") return new Map();
  try {
    return checkSettings(parseObject(text), flags);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(`unable to configure the Docker daemon with file ${path}: ${reason}`);
  }
}

function readText(path: string, isNamed: boolean): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!isNamed && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw invalid(
      `unable to configure the Docker daemon with file ${path}: open ${path}: ${reasonOf(error)}`,
    );
  }
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such file or directory" : String(error);
}

function parseObject(text: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw invalid("the file holds no JSON object");
  }
  const twice = keysGivenTwice(text);
  if (twice.length > 0) throw invalid(`the following directives are given twice: ${twice.join(", ")}`);
  return parsed as Record<string, unknown>;
}

/** Top-level keys that stand more than once in the JSON text, which JSON.parse would pass over in silence. */
function keysGivenTwice(text: string): string[] {
  const seen = new Map<string, number>();
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[[\]{}]/g)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (depth === 1 && token.endsWith(":")) {
      const key = String(JSON.parse(token.slice(0, -1).trim()));
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
  }
  return [...seen].filter(([, times]) => times > 1).map(([key]) => key);
}

function checkSettings(file: Record<string, unknown>, flags: GivenFlags): Map<string, OptionValue> {
  const byKey = new Map(optionRows.flatMap((row) => (row.key ? [[row.key, row] as const] : [])));
  const keys = Object.keys(file).filter((key) => !toleratedKeys.has(key));
  for (const key of keys) {
    const why = refusedOptions.get(key);
    if (why) throw invalid(`${key} is not supported: ${why}`);
  }
  const unknown = keys.filter((key) => !byKey.has(key));
  if (unknown.length > 0) {
    throw invalid(`the following directives don't match any configuration option: ${unknown.join(", ")}`);
  }
  const settings = new Map<string, OptionValue>();
  const conflicts: string[] = [];
  for (const key of keys) {
    const row = byKey.get(key);
    if (!row) continue;
    const fromFlag = flags.get(row.flag);
    if (fromFlag !== undefined) {
      conflicts.push(`${key}: (from flag: ${show(fromFlag)}, from file: ${show(file[key])})`);
    }
    settings.set(row.flag, checkKind(row, file[key]));
  }
  if (conflicts.length > 0) {
    throw invalid(
      `the following directives are specified both as a flag and in the configuration file: ${conflicts.join(", ")}`,
    );
  }
  return settings;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  return typeof value === "object" ? JSON.stringify(value, hidden) : String(value);
}

/** Messages end in logs, where passwords are not to be. */
const hidden = (key: string, value: unknown) => (/password$/.test(key) ? "…" : value);

function checkKind(row: OptionRow, value: unknown): OptionValue {
  const wrong = () => invalid(`${row.key}: a ${row.kind} is wanted, not ${JSON.stringify(value)}`);
  switch (row.kind) {
    case "list":
      if (!Array.isArray(value)) throw wrong();
      return value.map((item) => listItem(item, wrong));
    case "map":
      if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong();
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, String(item)]));
    case "mapmap":
      if (!isObject(value)) throw wrong();
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, textMap(item, wrong)]));
    case "integer":
      if (!Number.isInteger(value)) throw wrong();
      return value as number;
    default:
      if (typeof value !== row.kind) throw wrong();
      return value as string | boolean;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As dockerd: values of options are strings, also where they are numbers. */
function textMap(value: unknown, wrong: () => Error): OptionMap {
  if (!isObject(value)) throw wrong();
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (typeof item !== "string") throw wrong();
      return [key, item];
    }),
  );
}

/** A pool may stand as an object, {"base": "10.0.0.0/8", "size": 24}, for the flag's `base=10.0.0.0/8,size=24`. */
function listItem(item: unknown, wrong: () => Error): string {
  if (typeof item === "string") return item;
  if (typeof item !== "object" || item === null) throw wrong();
  return Object.entries(item)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
