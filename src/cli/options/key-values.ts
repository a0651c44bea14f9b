// KEY=value pairs from flags and files.

import { openSync, readFileSync } from "node:fs";
import { errorMessage } from "../../util/errors.ts";
import { cut } from "./checks.ts";

/** `["a=b"]` as `{a: "b"}`; without `=` the value is empty. */
export function toMap(pairs: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (const pair of pairs) {
    const { before, after } = cut(pair, "=");
    map[before] = after;
  }
  return map;
}

/** As Docker's client sends lists: one that is empty is null. */
export const listOrNull = <T>(values: readonly T[]) => (values.length > 0 ? values : null);

/** The lines of `files`, then `pairs`, which so win. `lookUp` gives the value of a file's bare name. */
export function readPairs(
  files: readonly string[],
  pairs: readonly string[],
  lookUp: (name: string) => string | undefined = () => undefined,
): string[] {
  return [...files.flatMap((file) => readPairFile(file, lookUp)), ...pairs];
}

function readPairFile(file: string, lookUp: (name: string) => string | undefined): string[] {
  const lines = readText(file)
    .replace(/^\ufeff/, "")
    .split(/\r?\n/);
  const pairs: string[] = [];
  for (const raw of lines) {
    const line = raw.trimStart();
    if (line === "" || line.startsWith("#")) continue;
    const { before: name, found } = cut(line, "=");
    if (name === "") throw new Error(`invalid env file (${file}): no variable name on line '${line}'`);
    if (/[ \t]/.test(name))
      throw new Error(`invalid env file (${file}): variable '${name}' contains whitespaces`);
    const value = found ? undefined : lookUp(name);
    if (found) pairs.push(line);
    else if (value !== undefined) pairs.push(`${name}=${value}`);
  }
  return pairs;
}

/** A file's text. Throws as Go does: `open x: no such file or directory`. */
export function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw goFileError("open", file, error);
  }
}

/** A file system error in Go's words. */
export function goFileError(doing: string, path: string, error: unknown): Error {
  const texts: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    EACCES: "permission denied",
    EISDIR: "is a directory",
    ENOTDIR: "not a directory",
  };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = texts[code] ?? errorMessage(error);
  return new Error(`${doing} ${path}: ${why}`, { cause: error });
}

/** Opens a file to read. Throws as Go does. */
export function openForReading(file: string): number {
  try {
    return openSync(file, "r");
  } catch (error) {
    throw goFileError("open", file, error);
  }
}
