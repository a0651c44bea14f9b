// Names of reverse look-ups: in-addr.arpa (RFC 1035 §3.5) and ip6.arpa (RFC 3596 §2.5).

import { type Address, parseAddress } from "../netip/index.ts";

/** The address that a lower-case reverse name stands for; undefined when it is not a whole one. */
export function addressOfReverseName(name: string): Address | undefined {
  if (name.endsWith(".in-addr.arpa")) {
    const parts = name.slice(0, -".in-addr.arpa".length).split(".");
    return parts.length === 4 ? parseAddress(parts.reverse().join(".")) : undefined;
  }
  if (!/^([0-9a-f]\.){32}ip6\.arpa$/.test(name)) return undefined;
  const nibbles = name.slice(0, 63).split(".").reverse().join("");
  return { family: 6, value: BigInt(`0x${nibbles}`) };
}
