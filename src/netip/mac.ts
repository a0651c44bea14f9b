// Pure values: Ethernet (EUI-48) addresses.

import { createHash, randomBytes } from "node:crypto";
import { type Address, addressFromBytes } from "./address.ts";

/** Six bytes as lower-case text, `02:42:ac:11:00:02`. Made only by `parseMac`, `macFromBytes` and `randomMac`. */
export type Mac = string & { readonly __mac: never };

/** Parses `aa:bb:cc:dd:ee:ff` or `aa-bb-…`; undefined when it is not one. */
export function parseMac(text: string): Mac | undefined {
  if (!/^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  return text.toLowerCase().replaceAll("-", ":") as Mac;
}

/** Throws RangeError unless there are six bytes. */
export function macFromBytes(bytes: Uint8Array): Mac {
  if (bytes.length !== 6) throw new RangeError(`a MAC has 6 bytes, not ${bytes.length}`);
  return Buffer.from(bytes).toString("hex").match(/../g)?.join(":") as Mac;
}

/** Six bytes. */
export function macBytes(mac: Mac): Uint8Array {
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

/** A random unicast, locally administered MAC (IEEE 802: bit 0 clear, bit 1 set in the first octet). */
export function randomMac(): Mac {
  return localMac(randomBytes(6));
}

/** The same unicast, locally administered MAC for the same text; different ones, as good as surely, for different texts. */
export function derivedMac(text: string): Mac {
  return localMac(createHash("sha256").update(text).digest().subarray(0, 6));
}

/** The IPv6 link-local address that an interface with this MAC gives itself (modified EUI-64, RFC 4291). */
export function linkLocalOf(mac: Mac): Address {
  const bytes = macBytes(mac);
  const universal = (bytes[0] ?? 0) ^ 0x02;
  const id = Uint8Array.of(universal, ...bytes.subarray(1, 3), 0xff, 0xfe, ...bytes.subarray(3));
  return addressFromBytes(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...id));
}

function localMac(bytes: Uint8Array): Mac {
  return macFromBytes(bytes.with(0, ((bytes[0] ?? 0) & 0xfc) | 0x02));
}
