// The chains that translate addresses: published ports on the way in, the host's address on the way out.

import {
  differs,
  dnatBy,
  equals,
  field,
  hostNumber,
  inSet,
  linkField,
  localAddressKind,
  masquerade,
  snatBy,
  verdict,
} from "../../kernel/nftables/index.ts";
import {
  addressFields,
  type ChainWithRules,
  fromLoopback,
  isFamily,
  isFromLinkLocal6,
  isIpv4,
  isIpv6,
  isToLoopback6,
  rule,
  toLoopback,
  wasPublished,
} from "./matches.ts";

const { inLink, outLink } = field;

/** Published ports, and what leaves a bridge. */
export const translation: readonly ChainWithRules[] = [
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
      rule("the host is closed to it", inSet([inLink], "host_closed"), verdict("return")),
      rule("", isIpv4, verdict({ goto: "published4" })),
      rule("", isIpv6, verdict({ goto: "published6" })),
    ],
  },
  { name: "published4", rules: publishing(4) },
  {
    name: "published6",
    rules: [
      rule("the container could not answer", isIpv6, isFromLinkLocal6, verdict("return")),
      rule("the container could not answer", isIpv6, isToLoopback6, verdict("return")),
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
export const departing = (loopbackNat: boolean): ChainWithRules => ({
  name: "depart",
  hook: { type: "nat", at: "output", priority: -100 },
  rules: [
    ...(loopbackNat ? [] : [rule("left to the forwarder", isIpv4, toLoopback, verdict("return"))]),
    rule("", equals(field.targetKind, hostNumber(localAddressKind)), verdict({ jump: "published" })),
  ],
});

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
