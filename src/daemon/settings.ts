// Settings by the name of their flag, as values of the kind that is asked for.

import { isAbsolute } from "node:path";
import {
  type Address,
  type Family,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixFamily,
} from "../netip/index.ts";
import { invalid } from "../util/errors.ts";
import { type OptionMap, type OptionValue, optionRows } from "./options.ts";

/** Looks settings up: the flag, else the file, else the default. */
export class Settings {
  readonly #layers: readonly ReadonlyMap<string, OptionValue>[];

  constructor(...layers: readonly ReadonlyMap<string, OptionValue>[]) {
    this.#layers = [...layers, new Map(optionRows.map((row) => [row.flag, row.fallback]))];
  }

  #value(flag: string): OptionValue {
    for (const layer of this.#layers) {
      const value = layer.get(flag);
      if (value !== undefined) return value;
    }
    throw new Error(`there is no option --${flag}`);
  }

  text(flag: string): string {
    return String(this.#value(flag));
  }

  flag(flag: string): boolean {
    return this.#value(flag) === true;
  }

  number(flag: string): number {
    const value = Number(this.#value(flag));
    if (value < 0) throw invalid(`--${flag}: ${value} is below zero`);
    return value;
  }

  list(flag: string): readonly string[] {
    return this.#value(flag) as readonly string[];
  }

  map(flag: string): Readonly<Record<string, string>> {
    return this.#value(flag) as Readonly<Record<string, string>>;
  }

  maps(flag: string): Readonly<Record<string, OptionMap>> {
    return this.#value(flag) as Readonly<Record<string, OptionMap>>;
  }

  path(flag: string): string {
    const path = this.text(flag);
    if (!isAbsolute(path)) throw invalid(`--${flag}: ${path} is not an absolute path`);
    return path;
  }

  address(flag: string): Address | undefined {
    const text = this.text(flag);
    return text === "" ? undefined : checkAddress(flag, text);
  }

  prefix(flag: string, family: Family): Prefix | undefined {
    const text = this.text(flag);
    if (text === "") return undefined;
    const prefix = parsePrefix(text);
    if (!prefix || prefixFamily(prefix) !== family) throw invalid(`--${flag}: invalid CIDR address: ${text}`);
    return prefix;
  }
}

/** @throws invalid, with the flag's name */
export function checkAddress(flag: string, text: string): Address {
  const address = parseAddress(text);
  if (!address) throw invalid(`--${flag}: ${text} is not an ip address`);
  return address;
}
