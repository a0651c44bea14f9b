// Reading JSON as Go's encoding/json reads it, since that is what Docker's clients were written against: keys in any case,
// null is "not given", unknown keys are ignored, a wrong type is refused with Go's words. Nothing is compiled, nothing is
// registered: a schema is a few closures, so a hundred of them cost nothing at start.

import { invalid } from "../../util/errors.ts";

/** How to read one JSON value. */
export interface Schema<T> {
  /** Go's name of the type, for messages. */
  readonly goType: string;
  /** What null stands for inside lists and maps. */
  readonly zero: T;
  /** Throws invalid with Go's message; `at` is the path so far: `ContainerConfig.Tty`. */
  decode(value: unknown, at: string): T;
}

/** The TypeScript type that a schema reads. */
export type Static<S> = S extends Schema<infer T> ? T : never;

type Fields = Readonly<Record<string, Schema<unknown>>>;
/** A field that was not sent, or was null, is absent. */
type Decoded<F extends Fields> = { readonly [K in keyof F]?: Static<F[K]> };

export const string: Schema<string> = scalar("string", "", (value) => typeof value === "string");
export const boolean: Schema<boolean> = scalar("bool", false, (value) => typeof value === "boolean");
/** An integer that a double can hold exactly; larger ones (Go's int64) lose their low bits, as in any JavaScript client. */
export const integer: Schema<number> = scalar(
  "int64",
  0,
  (value) => Number.isInteger(value) && Math.abs(Number(value)) <= 2 ** 63,
);
export const number: Schema<number> = scalar("float64", 0, (value) => typeof value === "number");

/** Anything at all. */
export const anything: Schema<unknown> = { goType: "interface {}", zero: null, decode: (value) => value };

/** A JSON object with known fields, each of which may be missing. */
export function object<F extends Fields>(name: string, fields: F): Schema<Decoded<F>> {
  const byLowerCase = new Map(Object.keys(fields).map((key) => [key.toLowerCase(), key]));
  return {
    goType: name,
    zero: {} as Decoded<F>,
    decode(value, at) {
      const out: Record<string, unknown> = {};
      for (const [sent, item] of Object.entries(plainObject(value, at, name))) {
        const key = Object.hasOwn(fields, sent) ? sent : byLowerCase.get(sent.toLowerCase());
        const schema = key === undefined ? undefined : fields[key];
        if (key === undefined || !schema || item === null || item === undefined) continue;
        out[key] = schema.decode(item, at === "" ? `${name}.${key}` : `${at}.${key}`);
      }
      return out as Decoded<F>;
    },
  };
}

/** A JSON array. */
export function list<T>(item: Schema<T>): Schema<readonly T[]> {
  const goType = `[]${item.goType}`;
  return {
    goType,
    zero: [],
    decode(value, at) {
      if (!Array.isArray(value)) throw mismatch(value, at, goType);
      return value.map((entry) => (entry === null ? item.zero : item.decode(entry, at)));
    },
  };
}

/** A JSON object with any keys. */
export function map<T>(item: Schema<T>): Schema<Readonly<Record<string, T>>> {
  const goType = `map[string]${item.goType}`;
  return {
    goType,
    zero: {},
    decode(value, at) {
      const entries = Object.entries(plainObject(value, at, goType));
      return Object.fromEntries(
        entries.map(([key, entry]) => [key, entry === null ? item.zero : item.decode(entry, at)]),
      );
    },
  };
}

/** A list of strings that may be written as one string (moby's strslice). */
export const stringOrList: Schema<readonly string[]> = {
  goType: "[]string",
  zero: [],
  decode: (value, at) => (typeof value === "string" ? [value] : list(string).decode(value, at)),
};

function scalar<T>(goType: string, zero: T, test: (value: unknown) => boolean): Schema<T> {
  return {
    goType,
    zero,
    decode(value, at) {
      if (!test(value)) throw mismatch(value, at, goType);
      return value as T;
    },
  };
}

function plainObject(value: unknown, at: string, goType: string): object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw mismatch(value, at, goType);
  return value;
}

function mismatch(value: unknown, at: string, goType: string) {
  const where = at === "" ? "Go value" : `Go struct field ${at}`;
  return invalid(`json: cannot unmarshal ${jsonKind(value)} into ${where} of type ${goType}`);
}

function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" && !Number.isInteger(value)) return `number ${value}`;
  return typeof value;
}
