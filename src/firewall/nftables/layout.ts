// The constant part of the nftables back end: tables, maps and sets, chains and rules. What users and drivers add are
// elements, so the cost of a packet and of a change does not grow with networks, containers or ports.
//
// A packet through the host:  guard (raw) > enter (dnat) > forward > leave (snat);  from the host: depart (dnat) > leave.
// Foreign traffic meets two map look-ups in `forward` and none of its packets is touched.

import type { Request } from "../../kernel/index.ts";
import {
  addChain,
  addRule,
  addSet,
  addTable,
  type Chain,
  ctState,
  ctStatus,
  differs,
  dnatBy,
  equals,
  type Field,
  field,
  hasBits,
  hostNumber,
  inSet,
  linkField,
  localAddressKind,
  masked,
  masquerade,
  type SetSpec,
  type Statement,
  snatBy,
  type Table,
  verdict,
  verdictBy,
} from "../../kernel/nftables/index.ts";

export const mainTable: Table = { family: "inet", name: "tsdocker" };
/** Traffic inside a bridge never reaches the main table: this one exists while a bridge keeps its containers apart. */
export const bridgeTable: Table = { family: "bridge", name: "tsdocker" };

const ipv4 = Uint8Array.of(2);
const ipv6 = Uint8Array.of(10);

const portSets = (version: 4 | 6): SetSpec[] => {
  const address = `ipv${version}_addr` as const;
  return [
    { name: `ports${version}`, key: ["inet_proto", "inet_service"], data: [address, "inet_service"] },
    {
      name: `ports${version}_at`,
      key: [address, "inet_proto", "inet_service"],
      data: [address, "inet_service"],
    },
    {
      name: `port_ranges${version}`,
      key: ["inet_proto", "inet_service"],
      interval: true,
      data: [address],
    },
    {
      name: `port_ranges${version}_at`,
      key: [address, "inet_proto", "inet_service"],
      interval: true,
      data: [address],
    },
    { name: `inside${version}`, key: ["ifname", address], interval: true },
    { name: `masquerade${version}`, key: [address], interval: true },
    { name: `snat${version}`, key: [address], interval: true, data: [address] },
    { name: `allow${version}`, key: [address, "inet_proto", "inet_service"] },
    { name: `allow_ranges${version}`, key: [address, "inet_proto", "inet_service"], interval: true },
    allowFromSet(version),
  ];
};

const allowFromSet = (version: 4 | 6): SetSpec => {
  const address = `ipv${version}_addr` as const;
  return {
    name: `allow_from${version}`,
    key: [address, address, "inet_proto", "inet_service"],
    interval: true,
  };
};

export const mainSets: readonly SetSpec[] = [
  { name: "from", key: ["nf_proto", "ifname"], data: "verdict" },
  { name: "to", key: ["nf_proto", "ifname"], data: "verdict" },
  { name: "within", key: ["ifname", "ifname"], data: "verdict" },
  { name: "trusted", key: ["ifname", "ifname"] },
  { name: "bridges", key: ["ifname"] },
  ...portSets(4),
  ...portSets(6),
];

export const bridgeSets: readonly SetSpec[] = [
  { name: "icc_off", key: ["ifname"] },
  allowFromSet(4),
  allowFromSet(6),
];

interface ChainWithRules extends Chain {
  readonly rules: readonly { readonly comment?: string; readonly statements: readonly Statement[] }[];
}

const rule = (comment: string, ...statements: Statement[]) => ({ comment, statements });
const { inLink, outLink } = field;
const isIpv4 = equals(field.family, ipv4);
const isIpv6 = equals(field.family, ipv6);
const isFamily = { 4: isIpv4, 6: isIpv6 } as const;
const isKnown = hasBits(field.ctState, ctState.established | ctState.related);
const isInvalid = hasBits(field.ctState, ctState.invalid);
const wasPublished = hasBits(field.ctStatus, ctStatus.targetNat);
const toLoopback = masked(field.ipTarget, Uint8Array.of(255, 0, 0, 0), Uint8Array.of(127, 0, 0, 0));
const fromLoopback = masked(field.ipSource, Uint8Array.of(255, 0, 0, 0), Uint8Array.of(127, 0, 0, 0));
const linkLocalMask = Uint8Array.of(0xff, 0xc0, ...new Uint8Array(14));
const linkLocal = Uint8Array.of(0xfe, 0x80, ...new Uint8Array(14));
const loopback6 = Uint8Array.of(...new Uint8Array(15), 1);

const addressFields = {
  4: { source: field.ipSource, target: field.ipTarget },
  6: { source: field.ip6Source, target: field.ip6Target },
} as const satisfies Record<4 | 6, { source: Field; target: Field }>;

/** Traffic that is routed. `from` and `to` say which chain judges the packets of a bridge, per family. */
const forwarding: readonly ChainWithRules[] = [
  {
    name: "forward",
    hook: { type: "filter", at: "forward", priority: 0 },
    rules: [
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
      rule("", isKnown, verdict("accept")),
      rule("published ports", wasPublished, verdict("accept")),
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
      rule("published ports", wasPublished, verdict("accept")),
      rule("", inSet([inLink, outLink], "trusted"), verdict("accept")),
      ...allowTo(),
      ...allowFrom(isIpv4, isIpv6),
      rule("direct access", verdict("drop")),
    ],
  },
];

/** Published ports, and what leaves a bridge. */
const translation: readonly ChainWithRules[] = [
  {
    name: "guard",
    hook: { type: "filter", at: "prerouting", priority: -300 },
    rules: [
      rule(
        "nobody outside talks to loopback",
        isIpv4,
        toLoopback,
        differs(inLink, linkField("lo")),
        verdict("drop"),
      ),
    ],
  },
  {
    name: "enter",
    hook: { type: "nat", at: "prerouting", priority: -100 },
    rules: [rule("", equals(field.targetKind, hostNumber(localAddressKind)), verdict({ jump: "published" }))],
  },
  {
    name: "published",
    rules: [
      rule("", isIpv4, verdict({ goto: "published4" })),
      rule("", isIpv6, verdict({ goto: "published6" })),
    ],
  },
  { name: "published4", rules: publishing(4) },
  {
    name: "published6",
    rules: [
      rule(
        "the container could not answer",
        isIpv6,
        masked(field.ip6Source, linkLocalMask, linkLocal),
        verdict("return"),
      ),
      rule("the container could not answer", isIpv6, equals(field.ip6Target, loopback6), verdict("return")),
      ...publishing(6),
    ],
  },
  {
    name: "leave",
    hook: { type: "nat", at: "postrouting", priority: 100 },
    rules: [
      rule("the host talks to itself", equals(outLink, linkField("lo")), verdict("return")),
      rule("", isIpv4, verdict({ goto: "leave4" })),
      rule("", isIpv6, verdict({ goto: "leave6" })),
    ],
  },
  {
    name: "leave4",
    rules: [
      rule("published on 127.0.0.1", isIpv4, fromLoopback, inSet([outLink], "bridges"), masquerade),
      ...leaving(4),
    ],
  },
  { name: "leave6", rules: leaving(6) },
  { name: "hairpin", rules: [rule("else the answer would not come back here", wasPublished, masquerade)] },
];

/** Packets of the host itself. */
const departing = (loopbackNat: boolean): ChainWithRules => ({
  name: "depart",
  hook: { type: "nat", at: "output", priority: -100 },
  rules: [
    ...(loopbackNat ? [] : [rule("left to the forwarder", isIpv4, toLoopback, verdict("return"))]),
    rule("", equals(field.targetKind, hostNumber(localAddressKind)), verdict({ jump: "published" })),
  ],
});

/** Frames inside a bridge whose containers are kept apart: address resolution passes, and what is allowed. */
const bridging: readonly ChainWithRules[] = [
  {
    name: "forward",
    hook: { type: "filter", at: "forward", priority: -200 },
    rules: [rule("", inSet([field.inBridge], "icc_off"), verdict({ goto: "isolate" }))],
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

/** Requests that make the main table's constant part; it must be empty. */
export function mainLayout(options: { readonly loopbackNat: boolean }): Request[] {
  return layout(mainTable, mainSets, [...forwarding, ...translation, departing(options.loopbackNat)]);
}

/** Requests that make the bridge table's constant part; it must be empty. */
export function bridgeLayout(): Request[] {
  return layout(bridgeTable, bridgeSets, bridging);
}

function layout(table: Table, sets: readonly SetSpec[], chains: readonly ChainWithRules[]): Request[] {
  return [
    addTable(table),
    ...chains.map((chain) => addChain(table, chain)),
    ...sets.map((set, at) => addSet(table, set, at + 1)),
    ...chains.flatMap(({ name, rules }) =>
      rules.map(({ statements, comment }) => addRule(table, name, statements, comment)),
    ),
  ];
}

function publishing(version: 4 | 6) {
  const family = version === 4 ? "ip" : "ip6";
  const port = [field.protocol, field.targetPort];
  const atAddress = [addressFields[version].target, ...port];
  const isOurs = isFamily[version];
  return [
    rule("", isOurs, dnatBy(family, atAddress, `ports${version}_at`, { withPort: true })),
    rule("", isOurs, dnatBy(family, atAddress, `port_ranges${version}_at`)),
    rule("", isOurs, dnatBy(family, port, `ports${version}`, { withPort: true })),
    rule("", isOurs, dnatBy(family, port, `port_ranges${version}`)),
  ];
}

function leaving(version: 4 | 6) {
  const { source } = addressFields[version];
  const isOurs = isFamily[version];
  return [
    rule(
      "stays on its bridge",
      isOurs,
      inSet([outLink, source], `inside${version}`),
      verdict({ goto: "hairpin" }),
    ),
    rule("", isOurs, inSet([source], `masquerade${version}`), masquerade),
    rule("", isOurs, snatBy(version === 4 ? "ip" : "ip6", [source], `snat${version}`)),
  ];
}

function allowTo() {
  return ([4, 6] as const).flatMap((version) => {
    const to = [addressFields[version].target, field.protocol, field.targetPort];
    return [`allow${version}`, `allow_ranges${version}`].map((set) =>
      rule("", isFamily[version], inSet(to, set), verdict("accept")),
    );
  });
}

function allowFrom(when4: Statement, when6: Statement) {
  return ([4, 6] as const).map((version) => {
    const { source, target } = addressFields[version];
    const flow = [source, target, field.protocol, field.targetPort];
    return rule("", version === 4 ? when4 : when6, inSet(flow, `allow_from${version}`), verdict("accept"));
  });
}

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
