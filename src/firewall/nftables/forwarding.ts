// The chains that packets on their way through the host pass.

import {
  changeMark,
  equals,
  field,
  hostNumber,
  inSet,
  localAddressKind,
  masked,
  verdict,
  verdictBy,
} from "../../kernel/nftables/index.ts";
import type { AcceptMark } from "../rules.ts";
import {
  addressFields,
  allowFrom,
  type ChainWithRules,
  isFamily,
  isInvalid,
  isIpv4,
  isIpv6,
  isKnown,
  passedMark,
  rule,
  wasPublished,
} from "./matches.ts";

const { inLink, outLink } = field;

/** Traffic that is routed. `from` and `to` say which chain judges the packets of a bridge, per family. */
export const forwarding = (acceptMark?: AcceptMark): readonly ChainWithRules[] => [
  {
    name: "forward",
    hook: { type: "filter", at: "forward", priority: 0 },
    rules: [
      ...(acceptMark ? [rule("marked by the user", isMarked(acceptMark), verdict("accept"))] : []),
      rule("by the bridge a packet comes from", verdictBy([field.family, inLink], "from")),
      rule("by the bridge a packet goes to", verdictBy([field.family, outLink], "to")),
    ],
  },
  {
    name: "from_internal",
    rules: [rule("", verdictBy([inLink, outLink], "within")), rule("nothing leaves", verdict("drop"))],
  },
  {
    name: "from_nat",
    rules: [
      rule("", verdictBy([inLink, outLink], "within")),
      rule("would leave untranslated", isInvalid, verdict("drop")),
    ],
  },
  { name: "from_routed", rules: [rule("", verdictBy([inLink, outLink], "within"))] },
  {
    name: "icc_off",
    rules: [
      rule("", isKnown, changeMark({ set: passedMark }), verdict("accept")),
      rule("published ports", wasPublished, changeMark({ set: passedMark }), verdict("accept")),
      ...allowFrom(isIpv4, isIpv6),
      rule("containers are kept apart", verdict("drop")),
    ],
  },
  {
    name: "to_nat",
    rules: [
      rule("", isKnown, verdict("accept")),
      rule("", isInvalid, verdict("drop")),
      rule("", verdict({ goto: "admit" })),
    ],
  },
  {
    name: "to_routed",
    rules: [
      rule("", isKnown, verdict("accept")),
      rule("", isIpv4, equals(field.protocol, Uint8Array.of(1)), verdict("accept")),
      rule("", isIpv6, equals(field.protocol, Uint8Array.of(58)), verdict("accept")),
      rule("", verdict({ goto: "admit" })),
    ],
  },
  {
    name: "admit",
    rules: [
      ...spoofed(),
      rule("published ports", wasPublished, verdict("accept")),
      rule("", inSet([inLink, outLink], "trusted"), verdict({ jump: "admit_trusted" })),
      ...allowTo("allow", "allow_ranges"),
      ...allowFrom(isIpv4, isIpv6),
      rule("direct access", verdict("drop")),
    ],
  },
  { name: "admit_trusted", rules: allowTo("trusted_ports", "trusted_ranges") },
];

function isMarked({ value, mask }: AcceptMark) {
  return masked(field.mark, hostNumber(mask), hostNumber(value));
}

/** Whoever says from outside that he is a container's neighbour, or the host, must not be taken for one. */
function spoofed() {
  const isHosts = equals(field.sourceKind, hostNumber(localAddressKind));
  return [
    ...([4, 6] as const).map((version) =>
      rule(
        "a neighbour's address from outside",
        isFamily[version],
        inSet([outLink, addressFields[version].source], `inside${version}`),
        verdict("drop"),
      ),
    ),
    // of IPv4 the kernel sees to that itself
    rule("the host's address from outside", isIpv6, isHosts, verdict("drop")),
  ];
}

/** Flows that are let through wherever they come from, to the ports in these sets. */
function allowTo(...names: readonly string[]) {
  return ([4, 6] as const).flatMap((version) => {
    const to = [addressFields[version].target, field.protocol, field.targetPort];
    return names.map((name) =>
      rule("", isFamily[version], inSet(to, `${name}${version}`), verdict("accept")),
    );
  });
}
