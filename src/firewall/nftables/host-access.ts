// The chains for what is meant for the host itself: a network may be kept from it, at every one of its addresses.

import { field, inSet, verdict, verdictBy } from "../../kernel/nftables/index.ts";
import {
  addressFields,
  type ChainWithRules,
  icmp6,
  isFamily,
  isIcmp6Type,
  isIpv6,
  isKnown,
  rule,
} from "./matches.ts";

const { protocol, targetPort } = field;

/**
 * Everything that is meant for the host passes it, whoever sent it: it is there when a bridge is kept from something. What
 * the kernel translates does not come here.
 */
export const hostInput: ChainWithRules = {
  name: "input",
  hook: { type: "filter", at: "input", priority: 0 },
  rules: [rule("by the bridge a packet comes from", verdictBy([field.inLink], "host_access"))],
};

/** What the host was asked for by its containers. */
export const hostAccess: readonly ChainWithRules[] = [
  { name: "host_none", rules: [...always(), rule("the host is closed to it", verdict("drop"))] },
  {
    name: "host_ports",
    rules: [...always(), ...open(), rule("the host is closed to it", verdict("drop"))],
  },
];

/** Answers, and finding each other's MACs (ARP does not come here). */
function always() {
  return [
    rule("", isKnown, verdict("accept")),
    ...[icmp6.solicits, icmp6.advertises].map((type) =>
      rule("", isIpv6, isIcmp6Type(type), verdict("accept")),
    ),
  ];
}

/** Published ports that the forwarder serves. */
function open() {
  return ([4, 6] as const).flatMap((version) => {
    const isOurs = isFamily[version];
    const { target } = addressFields[version];
    return [
      rule("", isOurs, inSet([target, protocol, targetPort], `open${version}_at`), verdict("accept")),
      rule("", isOurs, inSet([protocol, targetPort], `open${version}`), verdict("accept")),
      rule("", isOurs, inSet([target, protocol, targetPort], `open_ranges${version}`), verdict("accept")),
    ];
  });
}
