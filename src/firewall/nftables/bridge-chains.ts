// The chains that frames between two ports of one bridge pass.

import { equals, type Field, field, inSet, type Statement, verdict } from "../../kernel/nftables/index.ts";
import { addressFields, allowFrom, type ChainWithRules, rule } from "./matches.ts";

/** Frames inside a bridge whose containers are kept apart: address resolution passes, and what is allowed. */
export const bridging = (bridgeOf: Field): readonly ChainWithRules[] => [
  {
    name: "forward",
    hook: { type: "filter", at: "forward", priority: -200 },
    rules: [rule("", inSet([bridgeOf], "icc_off"), verdict({ goto: "isolate" }))],
  },
  {
    name: "isolate",
    rules: [
      rule("", equals(field.etherType, Uint8Array.of(0x08, 0x06)), verdict("accept")),
      ...neighbourDiscovery(),
      ...allowFrom(etherType(0x0800), etherType(0x86dd)),
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
    const when = etherType(version === 4 ? 0x0800 : 0x86dd);
    return rule("", when, inSet(flow, `allow_from${version}`), verdict("accept"));
  });
}

function neighbourDiscovery() {
  const isIcmp6 = [...etherType(0x86dd), ...equals(field.protocol, Uint8Array.of(58))];
  return [135, 136].map((type) =>
    rule("", isIcmp6, equals(field.icmpType, Uint8Array.of(type)), verdict("accept")),
  );
}

function etherType(type: number): Statement {
  return equals(field.etherType, Uint8Array.of(type >> 8, type & 0xff));
}
