// What users say in `-o key=value`, read into values. What cannot be read is refused by the option's name.

import type { NetworkOptions } from "../driverapi/index.ts";
import { type Address, type Family, isLinkName, parseAddress } from "../netip/index.ts";
import { invalid } from "../util/errors.ts";

/** Options of a network or an endpoint as the user gave them. */
export type OptionTexts = NetworkOptions["generic"];

/** RFC 791: every IPv4 link carries 68 bytes. */
const leastMtu = 68;
/** The most that a link takes (ETH_MAX_MTU). */
export const largestMtu = 65535;

/** The error for an option whose text is no value for it: `invalid value for OPTION: "text" WHY`. */
export function wrongValue(option: string, text: string, why: string): Error {
  return invalid(`invalid value for ${option}: ${JSON.stringify(text)} ${why}`);
}

/** @throws invalid unless Linux takes the text as a link's name */
export function checkLinkName(option: string, text: string): string {
  if (!isLinkName(text)) throw wrongValue(option, text, "is not a name for a network interface");
  return text;
}

/** A link's name; undefined where the option is absent or empty. @throws invalid */
export function readLinkName(texts: OptionTexts, option: string): string | undefined {
  const text = texts[option];
  return text ? checkLinkName(option, text) : undefined;
}

/** What the names of links in sandboxes begin with. @throws invalid */
export function readInterfacePrefix(texts: OptionTexts, option: string): string {
  const prefix = texts[option];
  if (!prefix) return "eth";
  // a number follows, and both together must fit into 15 characters
  if (prefix.length > 12) throw invalid(`invalid value for ${option}: ${prefix} is too long`);
  return checkLinkName(option, prefix);
}

/** What Go's strconv.ParseBool takes, for Docker's users; undefined where the option is absent. @throws invalid */
export function readBoolean(texts: OptionTexts, option: string): boolean | undefined {
  const text = texts[option];
  if (text === undefined) return undefined;
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw wrongValue(option, text, "is not a boolean");
}

/** An address, of one family where it is named; undefined where the option is absent or empty. @throws invalid */
export function readAddress(texts: OptionTexts, option: string, family?: Family): Address | undefined {
  const text = texts[option];
  if (text === undefined || text === "") return undefined;
  const address = parseAddress(text);
  if (!address || (family && address.family !== family))
    throw wrongValue(option, text, `is not an IP${family ? `v${family}` : ""} address`);
  return address;
}

/** Bytes; undefined where the option is absent, empty or 0. @throws invalid */
export function readMtu(texts: OptionTexts, option: string): number | undefined {
  const text = texts[option];
  if (text === undefined || text === "") return undefined;
  const mtu = /^[0-9]{1,5}$/.test(text) ? Number(text) : -1;
  if (mtu !== 0 && (mtu < leastMtu || mtu > largestMtu))
    throw wrongValue(option, text, `is not an MTU (${leastMtu}-${largestMtu})`);
  return mtu === 0 ? undefined : mtu;
}

/** One of some words; the first is the default. @throws invalid */
export function readWord<Word extends string>(
  texts: OptionTexts,
  option: string,
  words: readonly [Word, ...Word[]],
): Word {
  const text = texts[option];
  if (text === undefined || text === "") return words[0];
  const word = words.find((each) => each === text);
  if (!word) throw wrongValue(option, text, `is not ${words.join(", ")}`);
  return word;
}
