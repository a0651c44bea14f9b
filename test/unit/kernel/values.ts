// Values from text, for tests: throws where the text is wrong.

import {
  type Address,
  type Mac,
  type Prefix,
  parseAddress,
  parseMac,
  parsePrefix,
} from "../../../src/netip/index.ts";

function must<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new Error(`not a value: ${text}`);
  return value;
}

export const address = (text: string): Address => must(parseAddress(text), text);
export const prefix = (text: string): Prefix => must(parsePrefix(text), text);
export const mac = (text: string): Mac => must(parseMac(text), text);
