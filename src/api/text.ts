// Parsing the small texts of Docker's documents into values. Every function throws invalid with words a person can act on.

import {
  type Address,
  type Mac,
  type PortRange,
  type Prefix,
  type Protocol,
  parseAddress,
  parseMac,
  parsePortRange,
  parsePrefix,
  parseProtocol,
} from "../netip/index.ts";
import { invalid } from "../util/errors.ts";

export function readAddress(text: string, what: string): Address {
  const address = parseAddress(text);
  if (!address) throw invalid(`invalid ${what}: ${JSON.stringify(text)} is not an IP address`);
  return address;
}

export function readPrefix(text: string, what: string): Prefix {
  const prefix = parsePrefix(text);
  if (!prefix)
    throw invalid(`invalid ${what}: ${JSON.stringify(text)} is not an address with a prefix length`);
  return prefix;
}

export function readMac(text: string): Mac {
  const mac = parseMac(text);
  if (!mac) throw invalid(`invalid MAC address: ${text}`);
  return mac;
}

/** `80`, `80/tcp`, `8000-8010/udp`. */
export function readPorts(text: string): { readonly protocol: Protocol; readonly range: PortRange } {
  const [ports = "", protocolText = "tcp", ...more] = text.split("/");
  const protocol = parseProtocol(protocolText);
  if (!protocol || more.length > 0)
    throw invalid(`invalid port ${JSON.stringify(text)}: invalid proto: ${protocolText}`);
  const range = parsePortRange(ports);
  if (!range || range.first === 0) throw invalid(`invalid port specification: ${JSON.stringify(text)}`);
  return { protocol, range };
}

/** The text, or undefined for the empty one: on the wire they mean the same. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** The object without the fields that are undefined, as exactOptionalPropertyTypes wants it. */
export function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [K in keyof T]: Exclude<T[K], undefined> };
}
