// The chains that frames inside a bridge pass: from a port on, and from one port to another.

import { changeMark, field, hasBits, inSet, verdict, verdictBy } from "../../kernel/nftables/index.ts";
import { guarding } from "./guard-chains.ts";
import {
  addressFields,
  allowFrom,
  type ChainWithRules,
  icmp6,
  isArpFrame,
  isIcmp6Type,
  isIpv4Frame,
  isIpv6Frame,
  passedMark,
  rule,
} from "./matches.ts";

/** `guards`: where no ports are kept apart, a hook less: some 4 % of what frames of an overlay cost. */
export type FrameScope = "all" | "guards";

/**
 * Frames of other bridges meet one look-up where they come in and one where they go on. A bridge is told by the groups of
 * its ports: its name only kernels with CONFIG_NFT_BRIDGE_META know here.
 */
export function bridging(scope: FrameScope): readonly ChainWithRules[] {
  return [entering, ...guarding, ...(scope === "all" ? isolating : [])];
}

const entering: ChainWithRules = {
  name: "enter",
  hook: { type: "filter", at: "prerouting", priority: -300 },
  rules: [rule("by the port a frame comes from", verdictBy([field.inLink], "guards"))],
};

const isolating: readonly ChainWithRules[] = [
  {
    name: "forward",
    // behind br_netfilter, which hands frames to the main table where it is on (its own priority is 0)
    hook: { type: "filter", at: "forward", priority: 200 },
    rules: [rule("", inSet([field.inGroup, field.outGroup], "apart"), verdict({ goto: "isolate" }))],
  },
  {
    name: "isolate",
    rules: [
      rule(
        "published ports of a neighbour, judged in inet",
        hasBits(field.mark, passedMark),
        changeMark({ clear: passedMark }),
        verdict("accept"),
      ),
      rule("", isArpFrame, verdict("accept")),
      ...[icmp6.solicits, icmp6.advertises].map((type) =>
        rule("", isIpv6Frame, isIcmp6Type(type), verdict("accept")),
      ),
      ...allowFrom(isIpv4Frame, isIpv6Frame),
      ...allowBack(),
      rule("containers are kept apart", verdict("drop")),
    ],
  },
];

/** The answers to what is allowed: bridges have no connection tracking of their own to ask. */
function allowBack() {
  return ([4, 6] as const).map((version) => {
    const { source, target } = addressFields[version];
    const flow = [target, source, field.protocol, field.sourcePort];
    const when = version === 4 ? isIpv4Frame : isIpv6Frame;
    return rule("", when, inSet(flow, `allow_from${version}`), verdict("accept"));
  });
}
