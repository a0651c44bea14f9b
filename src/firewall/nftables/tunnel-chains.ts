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
  type SetSpec,
  type Statement,
  type Table,
  verdict,
} from "../../kernel/nftables/index.ts";
import { layout } from "./layout.ts";
import { addressFields, type ChainWithRules, type CommentedRule, isFamily, rule } from "./matches.ts";
import { sealChains, sealSet, unsealing } from "./seal-chains.ts";

export const tunnelTable: Table = { family: "inet", name: "tsdocker-tunnels" };

const sets: readonly SetSpec[] = [
  { name: "ports", key: ["inet_service"] },
  { name: "nodes4", key: ["ipv4_addr"] },
  { name: "nodes6", key: ["ipv6_addr"] },
  { name: "self4", key: ["ipv4_addr"] },
  { name: "self6", key: ["ipv6_addr"] },
  { name: "links", key: ["ifname"] },
  { name: "known4", key: ["ifname", "ipv4_addr", "ipv4_addr"] },
  { name: "known6", key: ["ifname", "ipv6_addr", "ipv6_addr"] },
];

const udp = 17;
/** For a tunnel's port. */
export const isTunnel: Statement = [
  ...equals(field.protocol, Uint8Array.of(udp)),
  ...inSet([field.targetPort], "ports"),
];
const isForThisHost = equals(field.targetKind, hostNumber(localAddressKind));
/** The kernel gives this number to nobody. */
const noUser = hostNumber(0xffff_ffff);
/** A tunnel's packets have no socket, or one of the container's netns, which the kernel does not take for one here. */
export const isFromProcess: Statement = differs(field.socketUser, noUser);

/** What hangs on this host itself: its containers and virtual machines. */
const innerKinds = ["veth", "bridge", "tun"];

function ofSource(version: 4 | 6, set: "nodes" | "self"): readonly Statement[] {
  return [isFamily[version], isTunnel, inSet([addressFields[version].source], `${set}${version}`)];
}

/** By a link that leads to hosts, from one of them, to the address that this host's tunnels have. */
function isExpected(version: 4 | 6): readonly Statement[] {
  const { source, target } = addressFields[version];
  return [isFamily[version], inSet([field.inLink, source, target], `known${version}`)];
}

// What every packet passes asks once whether it is a tunnel's; look-ups cost more than what else is asked. What tunnels
// mostly hear is let through by one look-up more; where packets are for, and by what kind of link they came, costs as much
// as all else.

const arrive = (unseal: readonly CommentedRule[]): readonly ChainWithRules[] => [
  {
    name: "arrive",
    hook: { type: "filter", at: "prerouting", priority: -300 },
    rules: [...unseal, rule("", isTunnel, verdict({ goto: "listen" }))],
  },
  {
    name: "listen",
    rules: [
      ...([4, 6] as const).map((version) =>
        rule("as expected", ...isExpected(version), noTrack, verdict("accept")),
      ),
      rule("for this host", isForThisHost, verdict({ goto: "hear" })),
    ],
  },
  {
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
  },
];

const others: readonly ChainWithRules[] = [
  {
    name: "depart",
    hook: { type: "filter", at: "output", priority: -300 },
    rules: [rule("", isTunnel, verdict({ goto: "speak" }))],
  },
  {
    name: "speak",
    rules: [
      rule("from a process", isFromProcess, verdict("drop")),
      rule("from a tunnel", noTrack, verdict("accept")),
    ],
  },
  {
    name: "leave",
    // behind translation, at 100
    hook: { type: "filter", at: "postrouting", priority: 300 },
    rules: ([4, 6] as const).map((version) =>
      rule(
        "forwarded, and given the host's address",
        differs(field.ctState, hostNumber(ctState.untracked)),
        ...ofSource(version, "self"),
        verdict("drop"),
      ),
    ),
  },
];

/** Requests that make the table's constant part; it must be empty. With `seals` there are encrypted networks. */
export function tunnelLayout({ seals }: { readonly seals?: { readonly requestId: number } } = {}): Request[] {
  if (!seals) return layout(tunnelTable, sets, [...arrive([]), ...others]);
  const isOurs = ([4, 6] as const).map((version) => ofSource(version, "self").flat());
  const sealing = sealChains(isTunnel, isOurs, seals.requestId);
  return layout(tunnelTable, [...sets, sealSet], [...sealing, ...arrive(unsealing(isTunnel)), ...others]);
}
