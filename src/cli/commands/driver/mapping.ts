// What stands for what when a conversation is played again: ids are new, and a driver may choose other addresses, MACs,
// pools and names of links, as long as it stays with them.

import { isIP } from "node:net";
import { isObject, type Json } from "./conversation.ts";

/** Keys of members whose values a driver chooses as it likes. */
const chosen = new Set(["srcname", "poolid", "hostport"]);
/** Keys of members that name what a conversation is about. */
export const idKeys = ["networkid", "endpointid"];

/** From words of a recording to words of now. */
export class Mapping {
  readonly #words = new Map<string, string>();

  /** Of now, for one of the recording; the same word where it stands for nothing else. */
  of(word: string): string {
    return this.#words.get(word) ?? word;
  }

  has(word: string): boolean {
    return this.#words.has(word);
  }

  set(recorded: string, now: string): void {
    this.#words.set(recorded, now);
    // an address goes by itself too
    const [address, length] = recorded.split("/");
    if (length !== undefined && address) this.#words.set(address, now.split("/")[0] ?? now);
  }

  /** A whole message, in words of now. */
  apply(value: Json): Json {
    if (typeof value === "string") return this.#applyText(value);
    if (Array.isArray(value)) return value.map((each: Json) => this.apply(each));
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.apply(each)]));
  }

  /** An address that is known with its length, or without. */
  #applyText(text: string): string {
    const whole = this.#words.get(text);
    if (whole !== undefined) return whole;
    const [address = "", length] = text.split("/");
    const other = length !== undefined && isIP(address) !== 0 ? this.#words.get(address) : undefined;
    return other === undefined ? text : `${other}/${length}`;
  }
}

/** Whether two different texts may stand for one another under this key. */
export function mayDiffer(key: string, recorded: string, now: string): boolean {
  if (recorded === "" || now === "") return false;
  if (chosen.has(key.toLowerCase()) || idKeys.includes(key.toLowerCase())) return true;
  const kind = kindOf(recorded);
  return kind !== undefined && kind === kindOf(now);
}

/** `4`, `6`, `4/24`, `mac`: what is compared of values that a driver chooses. */
function kindOf(text: string): string | undefined {
  if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) return "mac";
  const [address = "", ...rest] = text.split("/");
  const family = isIP(address);
  return family === 0 ? undefined : [family, ...rest].join("/");
}
