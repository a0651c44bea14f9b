// The chains that hold what a container may claim to be, on every frame that comes from its port. A claim is a source: of
// the frame, of its IP packet, the sender of an ARP message, the target that a neighbour advertisement answers for.

import {
  differs,
  equals,
  type Field,
  field,
  inSet,
  type Statement,
  verdict,
} from "../../kernel/nftables/index.ts";
import {
  type ChainWithRules,
  type CommentedRule,
  icmp6,
  isArpFrame,
  isFrame,
  isIcmp6Type,
  isIpv4Frame,
  isIpv6Frame,
  rule,
} from "./matches.ts";

const everyIpv4 = new Uint8Array(4);
const everyIpv6 = new Uint8Array(16);
const portOf = (port: number) => Uint8Array.of(port >> 8, port & 0xff);
const toUdp = (port: number): Statement => [
  ...equals(field.protocol, Uint8Array.of(17)),
  ...equals(field.targetPort, portOf(port)),
];

/** What only a network's own router and DHCP server say: their clients believe it from anybody. */
const servers4: readonly CommentedRule[] = [
  rule(
    "redirects",
    isIpv4Frame,
    equals(field.protocol, Uint8Array.of(1)),
    equals(field.icmpType, Uint8Array.of(5)),
    verdict("drop"),
  ),
  rule("a DHCP server's answers", isIpv4Frame, toUdp(68), verdict("drop")),
];
const servers6: readonly CommentedRule[] = [
  ...[icmp6.advertisesRouter, icmp6.redirects].map((type) =>
    rule("router advertisements and redirects", isIpv6Frame, isIcmp6Type(type), verdict("drop")),
  ),
  rule("a DHCP server's answers", isIpv6Frame, toUdp(546), verdict("drop")),
];

/** `owned` drops claims to what others have, `strict` all but those to what the container has itself. */
export const guarding: readonly ChainWithRules[] = [
  {
    name: "owned",
    rules: [
      rule("another's MAC", ...isAnothers(field.etherSource, "macs"), verdict("drop")),
      ...byFrame("owned"),
    ],
  },
  {
    name: "owned_arp",
    rules: [
      rule("another's MAC", isArpFrame, ...isAnothers(field.arpSourceMac, "macs"), verdict("drop")),
      rule("another's address", isArpFrame, ...isAnothers(field.arpSource, "4"), verdict("drop")),
    ],
  },
  {
    name: "owned4",
    rules: [
      rule("another's address", isIpv4Frame, ...isAnothers(field.ipSource, "4"), verdict("drop")),
      ...servers4,
    ],
  },
  {
    name: "owned6",
    rules: [
      rule("another's address", isIpv6Frame, ...isAnothers(field.ip6Source, "6"), verdict("drop")),
      ...neighbours((target) => isAnothers(target, "6")),
      ...servers6,
    ],
  },
  {
    name: "strict",
    rules: [
      rule("not its MAC", isNotOwn(field.etherSource, "macs"), verdict("drop")),
      ...byFrame("strict"),
      rule("no other protocol", verdict("drop")),
    ],
  },
  {
    name: "strict_arp",
    rules: [
      rule("not its MAC", isArpFrame, isNotOwn(field.arpSourceMac, "macs"), verdict("drop")),
      rule("it looks for a duplicate", isArpFrame, equals(field.arpSource, everyIpv4), verdict("return")),
      rule("not its address", isArpFrame, isNotOwn(field.arpSource, "4"), verdict("drop")),
    ],
  },
  {
    name: "strict4",
    rules: [
      rule("not its address", isIpv4Frame, isNotOwn(field.ipSource, "4"), verdict("drop")),
      ...servers4,
    ],
  },
  {
    name: "strict6",
    rules: [
      rule(
        "not its address",
        isIpv6Frame,
        differs(field.ip6Source, everyIpv6),
        isNotOwn(field.ip6Source, "6"),
        verdict("drop"),
      ),
      ...neighbours((target) => [isNotOwn(target, "6")]),
      ...servers6,
    ],
  },
];

/**
 * A VLAN tag does not hide what a frame carries; a second one would, and Linux takes both off again when they say VLAN 0.
 */
function byFrame(kind: "owned" | "strict"): CommentedRule[] {
  return [
    rule("", isArpFrame, verdict({ goto: `${kind}_arp` })),
    rule("", isIpv4Frame, verdict({ goto: `${kind}4` })),
    rule("", isIpv6Frame, verdict({ goto: `${kind}6` })),
    ...[0x8100, 0x88a8].map((tag) => rule("a tag in a tag", isFrame(tag), verdict("drop"))),
  ];
}

type Kind = "macs" | "4" | "6";

function isNotOwn(claim: Field, kind: Kind): Statement {
  return inSet([field.inLink, claim], kind === "macs" ? "own_macs" : `own${kind}`, { not: true });
}

function isAnothers(claim: Field, kind: Kind): Statement[] {
  const taken = kind === "macs" ? "taken_macs" : `taken${kind}`;
  return [isNotOwn(claim, kind), inSet([field.inGroup, claim], taken)];
}

/** Advertisements, and the question of who looks for a duplicate: an answer for it, or the question, makes an owner retreat. */
function neighbours(isForbidden: (target: Field) => readonly Statement[]): CommentedRule[] {
  const isNobody = equals(field.ip6Source, everyIpv6);
  return [
    rule(
      "another's address",
      isIpv6Frame,
      isIcmp6Type(icmp6.advertises),
      ...isForbidden(field.ndTarget),
      verdict("drop"),
    ),
    rule(
      "another's address",
      isIpv6Frame,
      isNobody,
      isIcmp6Type(icmp6.solicits),
      ...isForbidden(field.ndTarget),
      verdict("drop"),
    ),
  ];
}
