// What the command line said, by flag name.

import { errorMessage } from "../../util/errors.ts";
import { parseCsvLine } from "./csv.ts";
import {
  parseBool,
  parseBytes,
  parseCpus,
  parseDuration,
  parseInteger,
  parseUnsigned,
  quote,
} from "./numbers.ts";
import { type FlagSpec, isRepeatable } from "./spec.ts";

type Value = boolean | number | string | string[];

/** The values of one parsed command line. Asking for a flag that the command does not have is a bug and throws. */
export class FlagValues {
  readonly specs: readonly FlagSpec[];
  readonly #values = new Map<string, Value>();
  readonly #changed = new Set<string>();

  constructor(specs: readonly FlagSpec[]) {
    this.specs = specs;
    for (const spec of specs) this.#values.set(spec.name, initialValue(spec));
  }

  /** Takes one occurrence. Throws pflag's `invalid argument` text. */
  set(spec: FlagSpec, text: string): void {
    try {
      this.#store(spec.sameAs ?? spec.name, spec, text);
    } catch (error) {
      const shown = spec.short ? `-${spec.short}, --${spec.name}` : `--${spec.name}`;
      const why = errorMessage(error);
      throw new Error(`invalid argument ${quote(text)} for ${quote(shown)} flag: ${why}`);
    }
    this.#changed.add(spec.name);
  }

  changed(name: string): boolean {
    return this.#changed.has(name);
  }

  get changedCount(): number {
    return this.#changed.size;
  }

  bool(name: string): boolean {
    return this.#get(name) === true;
  }

  string(name: string): string {
    const value = this.#get(name);
    return typeof value === "string" ? value : "";
  }

  number(name: string): number {
    const value = this.#get(name);
    return typeof value === "number" ? value : 0;
  }

  list(name: string): readonly string[] {
    const value = this.#get(name);
    return Array.isArray(value) ? value : [];
  }

  #get(name: string): Value {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`this command has no flag --${name}`);
    return value;
  }

  #store(name: string, spec: FlagSpec, text: string): void {
    if (!isRepeatable(spec.kind)) {
      this.#values.set(name, scalar(spec, text));
      return;
    }
    const parts = spec.kind === "strings" ? (text === "" ? [] : parseCsvLine(text)) : [text];
    const checked = parts.map((part) => (spec.check ? spec.check(part) : part));
    this.#values.set(name, [...this.list(name), ...checked]);
  }
}

function initialValue(spec: FlagSpec): Value {
  if (isRepeatable(spec.kind)) return [];
  if (spec.initial !== undefined) return scalar(spec, spec.initial);
  if (spec.kind === "bool") return false;
  return spec.kind === "string" ? "" : 0;
}

function scalar(spec: FlagSpec, text: string): Value {
  const checked = spec.check ? spec.check(text) : text;
  switch (spec.kind) {
    case "bool":
      return parseBool(checked);
    case "int":
      return parseInteger(checked);
    case "uint16":
      return parseUnsigned(checked, 16);
    case "uint":
      return parseUnsigned(checked, 64);
    case "duration":
      return parseDuration(checked);
    case "bytes":
      return spec.name === "memory-swap" && checked === "-1" ? -1 : parseBytes(checked);
    case "decimal":
      return parseCpus(checked);
    default:
      return checked;
  }
}
