// What processes of the host's netns hand to the links that lead to the cluster's hosts, past all routing (packet sockets,
// which CAP_NET_RAW is enough for): no frame that is a tunnel's. The kernel's own tunnels have no socket, or one of a
// container's netns, which is none here.
//
// A packet socket says itself which protocol its frame is to the kernel, and the frame says it to whoever receives it: what
// the two disagree on is dropped, since nothing that goes by the former would see the frame for what it is. The same goes
// for VLAN tags, which hide what is in them: one with VLAN 0 is heard like none.

import type { Request } from "../../kernel/index.ts";
import {
  differs,
  equals,
  field,
  frameField,
  inSet,
  masked,
  type SetSpec,
  type Statement,
  type Table,
  verdict,
} from "../../kernel/nftables/index.ts";
import { layout } from "./layout.ts";
import { type ChainWithRules, type CommentedRule, rule } from "./matches.ts";
import { isFromProcess, isUdp } from "./tunnel-chains.ts";

export const egressTable: Table = { family: "netdev", name: "tsdocker-tunnels" };

const sets: readonly SetSpec[] = [
  { name: "ports", key: ["inet_service"] },
  { name: "extensions", key: ["inet_proto"] },
  { name: "hiding", key: ["inet_proto"] },
];

const udp = 17;
const fragment = 44;
/** IPv6 extension headers that a receiver steps over (RFC 8200 4.1): hop-by-hop, routing, authentication, destination. */
export const extensions: readonly number[] = [0, 43, 51, 60];
/** What may hide behind one: UDP, a fragment, another one. */
export const hiding: readonly number[] = [...extensions, udp, fragment];

const bytes = (...values: number[]) => Uint8Array.of(...values);
const ethernet = { ipv4: bytes(0x08, 0x00), arp: bytes(0x08, 0x06), ipv6: bytes(0x86, 0xdd) } as const;
const tags = [bytes(0x81, 0x00), bytes(0x88, 0xa8)] as const;
/** ARPHRD_ETHER. */
const isEthernet = equals(field.outLinkType, bytes(1, 0));
/**
 * True of all that has one: `payload` of the link header matches nothing where the kernel has not noted where it begins,
 * as for packet sockets that go past the queue (PACKET_QDISC_BYPASS) and name a protocol (packet_parse_headers in
 * net/packet/af_packet.c).
 */
const isInSight = differs(field.etherType, bytes(0xff, 0xff));
const drop = verdict("drop");

/** Tells by places in the frame, behind so many tags: the kernel has not looked into them. */
function behindTags(count: 1 | 2): CommentedRule[] {
  const type = frameField(12 + 4 * count, 2);
  const at = (offset: number, size = 1) => frameField(14 + 4 * count + offset, size);
  const isPort = (offset: number) => inSet([at(offset, 2)], "ports");
  const isIpv4: Statement = [...equals(type, ethernet.ipv4), ...equals(at(9), bytes(udp))];
  const isIpv6 = equals(type, ethernet.ipv6);
  const isFirstFragment = masked(at(42, 2), bytes(0xff, 0xf8), bytes(0, 0));
  return [
    rule("a tunnel's", isIpv4, equals(at(0), bytes(0x45)), isPort(22), drop),
    rule("with options", isIpv4, differs(at(0), bytes(0x45)), drop),
    rule("a tunnel's", isIpv6, equals(at(6), bytes(udp)), isPort(42), drop),
    rule(
      "a tunnel's, the first part",
      isIpv6,
      [...equals(at(6), bytes(fragment)), ...equals(at(40), bytes(udp))],
      isFirstFragment,
      isPort(50),
      drop,
    ),
    rule("hidden", isIpv6, equals(at(6), bytes(fragment)), inSet([at(40)], "extensions"), drop),
    rule("hidden", isIpv6, inSet([at(6)], "extensions"), inSet([at(40)], "hiding"), drop),
  ];
}

function nested(offset: number, decision: Statement): CommentedRule[] {
  return tags.map((tag) => rule("another tag", equals(frameField(offset, 2), tag), decision));
}

const inside: readonly ChainWithRules[] = [
  {
    name: "from-process",
    rules: [
      rule("a tunnel's", isUdp, inSet([field.targetPort], "ports"), drop),
      rule("with its header in sight", isEthernet, isInSight, verdict({ goto: "framed" })),
      rule("past the queue, as what the sender says", isEthernet, drop),
      rule(
        "not what it says, on a link without headers",
        ...Object.values(ethernet).map((type) => differs(field.frameProtocol, type)),
        drop,
      ),
    ],
  },
  {
    name: "framed",
    rules: [
      ...[ethernet.ipv4, ethernet.ipv6].map((type) =>
        rule("not what it says", equals(field.etherType, type), differs(field.frameProtocol, type), drop),
      ),
      ...tags.map((tag) => rule("in a VLAN", equals(field.etherType, tag), verdict({ jump: "tagged" }))),
    ],
  },
  { name: "tagged", rules: [...behindTags(1), ...nested(16, verdict({ jump: "tagged-twice" }))] },
  { name: "tagged-twice", rules: [...behindTags(2), ...nested(20, drop)] },
];

/** Requests that make the table's constant part on links with these names; it must be empty. */
export function egressLayout(devices: readonly string[]): Request[] {
  const out: ChainWithRules = {
    name: "out",
    hook: { type: "filter", at: "egress", devices, priority: -300 },
    rules: [rule("from a process", isFromProcess, verdict({ jump: "from-process" }))],
  };
  return layout(egressTable, sets, [...inside, out]);
}
