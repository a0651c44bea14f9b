// The chains that the datagrams of tunnels between hosts pass in the host's netns. Tunnels are untracked: connection
// tracking would cost each of their packets, and no translation is ever theirs.

import type { Request } from "../../kernel/index.ts";
import {
  ctState,
  differs,
  equals,
  field,
  hostNumber,
  inSet,
  linkField,
  localAddressKind,
  noTrack,
  portField,
  type SetSpec,
  type Statement,
  type Table,
  verdict,
} from "../../kernel/nftables/index.ts";
import { layout } from "./layout.ts";
import { addressFields, type ChainWithRules, type CommentedRule, isFamily, rule } from "./matches.ts";
import { sealChains, sealSet, unsealing } from "./seal-chains.ts";

export const tunnelTable: Table = { family: "inet", name: "tsdocker-tunnels" };

/** What the rules themselves say; the rest is in sets. */
export interface TunnelRoads {
  /** UDP ports of tunnels. */
  readonly ports: readonly number[];
  /** Indexes of the links that lead to hosts. */
  readonly uplinks: readonly number[];
}

const portSet: SetSpec = { name: "ports", key: ["inet_service"] };

const sets: readonly SetSpec[] = [
  { name: "nodes4", key: ["ipv4_addr"] },
  { name: "nodes6", key: ["ipv6_addr"] },
  { name: "self4", key: ["ipv4_addr"] },
  { name: "self6", key: ["ipv6_addr"] },
  { name: "links", key: ["ifname"] },
  { name: "known4", key: ["ipv4_addr", "ipv4_addr"] },
  { name: "known6", key: ["ipv6_addr", "ipv6_addr"] },
];

export const isUdp = equals(field.protocol, Uint8Array.of(17));

/** Whether tunnels have several ports, which are in a set then; mostly it is one. */
export function hasPortSet({ ports }: Pick<TunnelRoads, "ports">): boolean {
  return new Set(ports).size !== 1;
}

/** For a tunnel's port. */
function forTunnels(roads: TunnelRoads): Statement {
  const [port = 0] = roads.ports;
  const isPort = hasPortSet(roads)
    ? inSet([field.targetPort], portSet.name)
    : equals(field.targetPort, portField(port));
  return [...isUdp, ...isPort];
}

const isForThisHost = equals(field.targetKind, hostNumber(localAddressKind));
/** The kernel gives this number to nobody. */
const noUser = hostNumber(0xffff_ffff);
/** A tunnel's packets have no socket, or one of the container's netns, which the kernel does not take for one here. */
export const isFromProcess: Statement = differs(field.socketUser, noUser);

/** What hangs on this host itself: its containers and virtual machines. */
const innerKinds = ["veth", "bridge", "tun"];

function ofSource(version: 4 | 6, set: "nodes" | "self"): Statement {
  return [...isFamily[version], ...inSet([addressFields[version].source], `${set}${version}`)];
}

/** From a host of the cluster, to the address that this host's tunnels have. */
function isExpected(version: 4 | 6): readonly Statement[] {
  const { source, target } = addressFields[version];
  return [isFamily[version], inSet([source, target], `known${version}`)];
}

// What every packet passes asks once whether it is a tunnel's. Numbers that a rule has in itself are compared at a fraction
// of what a look-up costs, and links by index at a fraction of what names cost. What tunnels mostly hear is let through by
// one look-up; where packets are for, and by what kind of link they came, costs as much as all else.

const forThisHost = rule("for this host", isForThisHost, verdict({ goto: "hear" }));

function arrive(
  { uplinks }: TunnelRoads,
  isTunnel: Statement,
  unseal: readonly CommentedRule[],
): readonly ChainWithRules[] {
  return [
    {
      name: "arrive",
      hook: { type: "filter", at: "prerouting", priority: -300 },
      rules: [...unseal, rule("", isTunnel, verdict({ goto: "listen" }))],
    },
    {
      name: "listen",
      rules: [
        ...uplinks.map((index) =>
          rule("where hosts are", equals(field.inIndex, hostNumber(index)), verdict({ goto: "expect" })),
        ),
        forThisHost,
      ],
    },
    {
      name: "expect",
      rules: [
        ...([4, 6] as const).map((version) =>
          rule("as expected", ...isExpected(version), noTrack, verdict("accept")),
        ),
        forThisHost,
      ],
    },
    hear,
  ];
}

const hear: ChainWithRules = {
  name: "hear",
  rules: [
    rule("from this host", equals(field.inLink, linkField("lo")), verdict("drop")),
    ...innerKinds.map((kind) =>
      rule(
        "from what is on this host",
        equals(field.inLinkKind, linkField(kind)),
        inSet([field.inLink], "links", { not: true }),
        verdict("drop"),
      ),
    ),
    ...([4, 6] as const).map((version) =>
      rule(
        "from a host of the cluster",
        isFamily[version],
        inSet([addressFields[version].source], `nodes${version}`),
        noTrack,
        verdict("accept"),
      ),
    ),
    rule("from anyone else", verdict("drop")),
  ],
};

const speak: ChainWithRules = {
  name: "speak",
  rules: [
    rule("from a process", isFromProcess, verdict("drop")),
    rule("from a tunnel", noTrack, verdict("accept")),
  ],
};

const forwarded: ChainWithRules = {
  name: "forwarded",
  rules: ([4, 6] as const).map((version) =>
    rule("given the host's address", ofSource(version, "self"), verdict("drop")),
  ),
};

function others(isTunnel: Statement): readonly ChainWithRules[] {
  const isForwarded = differs(field.ctState, hostNumber(ctState.untracked));
  return [
    {
      name: "depart",
      hook: { type: "filter", at: "output", priority: -300 },
      rules: [rule("", isTunnel, verdict({ goto: "speak" }))],
    },
    speak,
    {
      name: "leave",
      // behind translation, at 100
      hook: { type: "filter", at: "postrouting", priority: 300 },
      rules: [rule("forwarded", isTunnel, isForwarded, verdict({ goto: "forwarded" }))],
    },
    forwarded,
  ];
}

/** Requests that make the table's constant part; it must be empty. With `seals` there are encrypted networks. */
export function tunnelLayout(
  roads: TunnelRoads,
  { seals }: { readonly seals?: { readonly requestId: number } } = {},
): Request[] {
  const isTunnel = forTunnels(roads);
  const all = [...sets, ...(hasPortSet(roads) ? [portSet] : [])];
  if (!seals) return layout(tunnelTable, all, [...arrive(roads, isTunnel, []), ...others(isTunnel)]);
  const isOurs = ([4, 6] as const).map((version) => [...isTunnel, ...ofSource(version, "self")]);
  const sealing = sealChains(isTunnel, isOurs, seals.requestId);
  const chains = [...sealing, ...arrive(roads, isTunnel, unsealing(isTunnel)), ...others(isTunnel)];
  return layout(tunnelTable, [...all, sealSet], chains);
}
