// The chains that packets on their way through the host pass.

import {
  changeMark,
  equals,
  type Field,
  field,
  hostNumber,
  inRange,
  inSet,
  localAddressKind,
  masked,
  type Statement,
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
  isNew,
  passedMark,
  rule,
  wasPublished,
} from "./matches.ts";

const { inLink, outLink } = field;
const syn = 2;

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
  {
    name: "from_routed",
    rules: [
      rule("", verdictBy([inLink, outLink], "within")),
      rule("in the middle of nothing known", isNew, isMidstream, isServersPort, verdict({ jump: "unasked" })),
    ],
  },
  {
    name: "unasked",
    rules: [
      ...openHere("allow", "allow_ranges", "trusted_ports", "trusted_ranges"),
      rule("a connection to a port that was closed", verdict("drop")),
    ],
  },
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

/**
 * TCP of which the host has not seen the beginning: the kernel would track it all the same, from whoever sends first
 * (nf_conntrack_tcp_loose). So would a container take up again, untranslated, a connection that ended with its port.
 */
const isMidstream: Statement = [
  ...equals(field.protocol, Uint8Array.of(6)),
  ...masked(field.tcpFlags, Uint8Array.of(syn), Uint8Array.of(0)),
];

/** Below those that connect() chooses from (net.ipv4.ip_local_port_range): a connection of the container's own goes on. */
const isServersPort = inRange(field.sourcePort, Uint8Array.of(0, 0), Uint8Array.of(0x7f, 0xff));

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
  return inSets(names, { address: "target", port: field.targetPort, decision: verdict("accept") });
}

/** What the ports in these sets send. */
function openHere(...names: readonly string[]) {
  return inSets(names, { address: "source", port: field.sourcePort, decision: verdict("return") });
}

interface PortMatch {
  readonly address: "source" | "target";
  readonly port: Field;
  readonly decision: Statement;
}

function inSets(names: readonly string[], { address, port, decision }: PortMatch) {
  return ([4, 6] as const).flatMap((version) => {
    const at = [addressFields[version][address], field.protocol, port];
    return names.map((name) => rule("", isFamily[version], inSet(at, `${name}${version}`), decision));
  });
}
