// Reading the objects of the plugin protocol. Go's decoder takes keys in any case and plugins rely on that, so do we. A plugin that lies
// about a type is told which field.

import {
  type Address,
  type Mac,
  type Prefix,
  parseAddress,
  parseMac,
  parsePrefix,
} from "../../netip/index.ts";
import { internal } from "../../util/errors.ts";

/** One JSON object of a message, and where it stands, for errors. */
export class Fields {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: Readonly<Record<string, unknown>>, where: string) {
    this.#value = value;
    this.#where = where;
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  /** Those fields that are text, by their own keys: for objects whose keys are the user's. */
  texts(): Record<string, string> {
    const texts = Object.entries(this.#value).flatMap(([key, value]) =>
      typeof value === "string" ? [[key, value] as const] : [],
    );
    return Object.fromEntries(texts);
  }

  /** @throws internal for anything but a list of addresses */
  addresses(key: string): Address[] {
    const value = this.#get(key) ?? [];
    const parsed = Array.isArray(value) ? value.map((each) => parseAddress(String(each))) : [undefined];
    return parsed.map((address) => {
      if (!address) throw this.wrong(key, "a list of addresses", value);
      return address;
    });
  }

  /** Empty text where there is none. @throws internal for anything but text */
  text(key: string): string {
    const value = this.#get(key);
    if (value === undefined || value === null) return "";
    if (typeof value !== "string") throw this.wrong(key, "text", value);
    return value;
  }

  /** @throws internal for anything but true, false and nothing */
  flag(key: string): boolean {
    const value = this.#get(key);
    if (value === undefined || value === null) return false;
    if (typeof value !== "boolean") throw this.wrong(key, "true or false", value);
    return value;
  }

  /** Zero where there is none. @throws internal */
  number(key: string): number {
    const value = this.#get(key);
    if (value === undefined || value === null) return 0;
    if (typeof value !== "number" || !Number.isInteger(value)) throw this.wrong(key, "a number", value);
    return value;
  }

  /** Undefined for null and for nothing. @throws internal */
  object(key: string): Fields | undefined {
    const value = this.#get(key);
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw this.wrong(key, "an object", value);
    return new Fields(value, `${this.#where}.${key}`);
  }

  /** @throws internal */
  objects(key: string): Fields[] {
    const value = this.#get(key);
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value) || !value.every(isObject)) throw this.wrong(key, "a list of objects", value);
    return value.map((each, at) => new Fields(each, `${this.#where}.${key}[${at}]`));
  }

  /** Undefined for empty text. @throws internal */
  prefix(key: string): Prefix | undefined {
    return this.#parsed(key, "an address with its length (10.1.0.5/24)", parsePrefix);
  }

  /** Undefined for empty text. @throws internal */
  address(key: string): Address | undefined {
    return this.#parsed(key, "an address", parseAddress);
  }

  /** Undefined for empty text. @throws internal */
  mac(key: string): Mac | undefined {
    return this.#parsed(key, "a MAC address", parseMac);
  }

  /** What is said when a field is not what it should be. */
  wrong(key: string, expected: string, value: unknown): Error {
    return internal(`${this.#where}: ${key} is ${JSON.stringify(value)}, not ${expected}`);
  }

  #parsed<T>(key: string, expected: string, parse: (text: string) => T | undefined): T | undefined {
    const text = this.text(key);
    if (text === "") return undefined;
    const value = parse(text);
    if (value === undefined) throw this.wrong(key, expected, text);
    return value;
  }

  #get(key: string): unknown {
    if (Object.hasOwn(this.#value, key)) return this.#value[key];
    const other = Object.keys(this.#value).find((own) => own.toLowerCase() === key.toLowerCase());
    return other === undefined ? undefined : this.#value[other];
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
