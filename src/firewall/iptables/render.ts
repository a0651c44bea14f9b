// Rules as iptables-restore lines: a pure function. The chains have Docker's names where Docker's users know them.
//
//   filter FORWARD > DOCKER-USER (the user's), DOCKER-FORWARD > DOCKER-INTERNAL, DOCKER-CT > DOCKER-UNASKED,
//                    DOCKER-BRIDGE > DOCKER
//   filter INPUT > DOCKER-INPUT
//   nat    PREROUTING, OUTPUT > DOCKER;  POSTROUTING > DOCKER-POSTROUTING
//   raw    PREROUTING > DOCKER-RAW

import {
  type Address,
  type Family,
  formatAddress,
  formatPrefix,
  type PortRange,
  subnetOf,
} from "../../netip/index.ts";
import { fenceMarks } from "../fence-marks.ts";
import { hostAddressOf } from "../key.ts";
import { passedMark } from "../nftables/matches.ts";
import type { AcceptMark, AllowRule, BridgeRule, OpenRule, PublishRule, Rule } from "../rules.ts";

/** The chains of one table and their rules, without the leading `-A chain`. */
export type TableRules = Readonly<Record<string, readonly string[]>>;

/** All that a family's tables hold of ours. */
export interface RuleSet {
  readonly raw: TableRules;
  readonly filter: TableRules;
  readonly nat: TableRules;
}

export type TableName = keyof RuleSet;

/** What marks of packets mean. */
export interface Marks {
  readonly acceptMark?: AcceptMark | undefined;
  /** A fence behind asks who let a packet through; see `fenceMarks`. */
  readonly isFenced?: boolean;
}

/** Everything that the rules mean for one family. */
export function renderRules(rules: readonly Rule[], family: Family, marks: Marks = {}): RuleSet {
  const bridges = rules.filter((rule) => rule.kind === "bridge");
  const published = rules
    .filter((rule) => rule.kind === "publish")
    .filter(({ target }) => target.family === family);
  const allowed = rules
    .filter((rule) => rule.kind === "allow")
    .filter(({ target }) => target.family === family);
  const open = rules.filter((rule) => rule.kind === "open").filter((rule) => rule.family === family);
  const closed = bridges.filter(({ hostAccess }) => hostAccess === "none").map(({ link }) => link);
  return {
    raw: { "DOCKER-RAW": family === 4 ? ["! -i lo -d 127.0.0.0/8 -j DROP"] : [] },
    filter: {
      ...filterTable(bridges, allowed, { ...marks, family }),
      "DOCKER-INPUT": bridges.flatMap((bridge) => hostAccess(bridge, open, family)),
    },
    nat: {
      DOCKER: [...closed.map((link) => `-i ${link} -j RETURN`), ...publishing(published, family)],
      "DOCKER-POSTROUTING": ["-o lo -j RETURN", ...bridges.flatMap((bridge) => leaving(bridge, family))],
    },
  };
}

function filterTable(
  bridges: readonly BridgeRule[],
  allowed: readonly AllowRule[],
  { family, acceptMark, isFenced }: Marks & { readonly family: Family },
): TableRules {
  const allowedOn = Map.groupBy(allowed, ({ link }) => link);
  const internal = bridges.filter((bridge) => modeOf(bridge, family) === "isolated");
  const open = bridges.filter((bridge) => modeOf(bridge, family) !== "isolated");
  return {
    "DOCKER-FORWARD": [
      ...(isFenced ? [`-j ${setMark(fenceMarks.judged)}`] : []),
      ...(acceptMark ? [`-m mark --mark ${hex(acceptMark.value)}/${hex(acceptMark.mask)} -j ACCEPT`] : []),
      ...bridges.filter(({ icc }) => !icc).map(({ link }) => passed(link)),
      "-j DOCKER-INTERNAL",
      "-j DOCKER-CT",
      "-j DOCKER-BRIDGE",
      ...open.map(({ link }) => `-i ${link} -j ACCEPT`),
    ],
    "DOCKER-INTERNAL": internal.flatMap((bridge) => [
      `-i ${bridge.link} ! -o ${bridge.link} -j DROP`,
      `! -i ${bridge.link} -o ${bridge.link} -j DROP`,
      ...within(bridge, allowedOn.get(bridge.link) ?? []),
    ]),
    "DOCKER-CT": open.flatMap((bridge) => tracking(bridge, family)),
    "DOCKER-BRIDGE": open.map(({ link }) => `-o ${link} -j DOCKER`),
    "DOCKER-UNASKED": open
      .filter((bridge) => modeOf(bridge, family) === "routed")
      .flatMap(({ link }) => unasked(link, allowedOn.get(link) ?? [])),
    DOCKER: open.flatMap((bridge) => entering(bridge, allowedOn.get(bridge.link) ?? [], family)),
  };
}

/**
 * TCP from the middle of nothing known goes on from ports that are open, and from no other: the kernel would track it
 * (nf_conntrack_tcp_loose), and so would a container take up again a connection that ended with its port.
 */
function unasked(link: string, allowed: readonly AllowRule[]): string[] {
  const open = allowed.filter(({ protocol, from }) => protocol === "tcp" && typeof from !== "object");
  return [
    ...open.map(({ target, targetPorts }) => {
      return `-i ${link} -s ${formatAddress(target)} -p tcp --sport ${dport(targetPorts)} -j RETURN`;
    }),
    `-i ${link} -j DROP`,
  ];
}

/**
 * Where br_netfilter is on it hands these rules the frames between two containers: the table for bridges, which would stop
 * them, lets those pass that are known or published.
 */
function passed(link: string): string {
  const judged = "-m conntrack --ctstate RELATED,ESTABLISHED,DNAT";
  return `-i ${link} -o ${link} ${judged} -j ${setMark(passedMark)}`;
}

/** What the network's containers may reach of the host; RETURN leaves the rest to the host's own rules. */
function hostAccess(
  { link, hostAccess: access }: BridgeRule,
  open: readonly OpenRule[],
  family: Family,
): string[] {
  if (access === undefined || access === "all") return [];
  const neighbours = [135, 136].map(
    (type) => `-i ${link} -p ipv6-icmp -m icmp6 --icmpv6-type ${type} -j RETURN`,
  );
  return [
    `-i ${link} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN`,
    ...(family === 6 ? neighbours : []),
    ...(access === "ports" ? open.map((rule) => `-i ${link} ${atHost(rule)} -j RETURN`) : []),
    `-i ${link} -j DROP`,
  ];
}

/** What is known passes; what is neither known nor new would leave untranslated. */
function tracking(bridge: BridgeRule, family: Family): string[] {
  const { link } = bridge;
  const known = `-o ${link} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`;
  const mode = modeOf(bridge, family);
  const outgoing = `-i ${link} ! -o ${link} -m conntrack --ctstate INVALID -j DROP`;
  const incoming = `! -i ${link} -o ${link} -m conntrack --ctstate INVALID -j DROP`;
  // below the ports that connect() chooses from (net.ipv4.ip_local_port_range): a server's
  const midstream = `-p tcp --sport 0:32767 --tcp-flags SYN NONE -m conntrack --ctstate NEW`;
  if (mode === "routed") return [known, `-i ${link} ! -o ${link} ${midstream} -j DOCKER-UNASKED`];
  if (mode === "nat") return [known, outgoing, incoming];
  return mode === "nat-unprotected" ? [known, outgoing] : [known];
}

/** Packets that a bridge's link is to take: from its own containers, and new ones from elsewhere. */
function entering(bridge: BridgeRule, allowed: readonly AllowRule[], family: Family): string[] {
  const { link } = bridge;
  const mode = modeOf(bridge, family);
  const fromElsewhere = `! -i ${link} -o ${link}`;
  const subnets = bridge.subnets.filter(({ address }) => address.family === family);
  return [
    // whoever says from outside that he is a container's neighbour must not be taken for one
    ...subnets.map((subnet) => `-s ${formatPrefix(subnetOf(subnet))} ${fromElsewhere} -j DROP`),
    // nor for the host: of IPv4 the kernel sees to that itself
    ...(family === 6 ? [`${fromElsewhere} -m addrtype --src-type LOCAL -j DROP`] : []),
    `-o ${link} -m conntrack --ctstate DNAT -j ACCEPT`,
    ...within(bridge, allowed),
    ...(mode === "nat-unprotected" ? [`${fromElsewhere} -j ACCEPT`] : []),
    ...(mode === "routed" ? [`${fromElsewhere} -p ${family === 4 ? "icmp" : "ipv6-icmp"} -j ACCEPT`] : []),
    ...allowed.flatMap((rule) =>
      rule.from === "trusted"
        ? bridge.trustedLinks.map((trusted) => `-i ${trusted} -o ${link} ${allowance(rule)}`)
        : [`${fromElsewhere} ${allowance(rule)}`],
    ),
    `${fromElsewhere} -j DROP`,
  ];
}

/** Between two containers of the bridge. */
function within({ link, icc }: BridgeRule, allowed: readonly AllowRule[]): string[] {
  const inside = `-i ${link} -o ${link}`;
  if (icc) return [`${inside} -j ACCEPT`];
  const links = allowed.filter(({ from }) => typeof from === "object");
  const answers = links.length > 0 ? [`${inside} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`] : [];
  return [...answers, ...links.map((rule) => `${inside} ${allowance(rule)}`), `${inside} -j DROP`];
}

function allowance({ from, target, protocol, targetPorts }: AllowRule): string {
  const source = typeof from === "object" ? `-s ${formatAddress(from)} ` : "";
  return `${source}-d ${formatAddress(target)} -p ${protocol} --dport ${dport(targetPorts)} -j ACCEPT`;
}

/** One rule for each published port or range; those of one address go before those of all. */
function publishing(published: readonly PublishRule[], family: Family): string[] {
  const unanswerable = family === 6 ? ["-s fe80::/10 -j RETURN", "-d ::1 -j RETURN"] : [];
  const specific = published.filter((rule) => hostAddressOf(rule));
  const general = published.filter((rule) => !hostAddressOf(rule));
  return [...unanswerable, ...[...specific, ...general].map(translation)];
}

function translation(rule: PublishRule): string {
  const to = destination(rule.target, rule.hostPorts, rule.targetPorts);
  return `${atHost(rule)} -j DNAT --to-destination ${to}`;
}

/** Ports of the host, at one of its addresses or at all. */
function atHost(rule: PublishRule | OpenRule): string {
  const host = hostAddressOf(rule);
  return `${host ? `-d ${formatAddress(host)} ` : ""}-p ${rule.protocol} --dport ${dport(rule.hostPorts)}`;
}

/** Without a port it stays as it is; `ip:80-90/8080` moves 8080 to 80, 8081 to 81 and so on (Linux 4.18). */
function destination(target: Address, host: PortRange, container: PortRange): string {
  const text = formatAddress(target);
  const address = target.family === 6 ? `[${text}]` : text;
  if (host.first === container.first) return host.first === host.last ? `${address}:${host.first}` : text;
  if (host.first === host.last) return `${address}:${container.first}`;
  return `${address}:${container.first}-${container.last}/${host.first}`;
}

function leaving(bridge: BridgeRule, family: Family): string[] {
  const { link, internal } = bridge;
  const source = internal ? "keep" : bridge.source[family];
  const subnets = bridge.subnets.filter(({ address }) => address.family === family);
  return [
    ...(family === 4 ? [`-s 127.0.0.0/8 -o ${link} -j MASQUERADE`] : []),
    ...subnets.flatMap((subnet) => {
      const from = `-s ${formatPrefix(subnetOf(subnet))}`;
      const hairpin = `${from} -o ${link} -m conntrack --ctstate DNAT -j MASQUERADE`;
      if (source === "keep") return [hairpin];
      const how = source === "masquerade" ? "MASQUERADE" : `SNAT --to-source ${formatAddress(source)}`;
      return [hairpin, `${from} ! -o ${link} -j ${how}`];
    }),
  ];
}

function modeOf(bridge: BridgeRule, family: Family) {
  return bridge.internal ? "isolated" : bridge.gatewayMode[family];
}

/** Sets bits and leaves the others. */
export function setMark(bits: number): string {
  return `MARK --set-xmark ${hex(bits)}/${hex(bits)}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function dport({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}:${last}`;
}
