// Which tracked connections a change of rules has made wrong, and where to look for them: pure.

import type { ConntrackEntry, ConntrackFilter } from "../kernel/index.ts";
import {
  type Address,
  type Family,
  formatAddress,
  prefixContains,
  protocolNumber,
  sameAddress,
} from "../netip/index.ts";
import { ruleKey } from "./key.ts";
import type { RuleChange } from "./ledger.ts";
import type { AllowRule, PublishRule, Rule } from "./rules.ts";
import {
  either,
  exactly,
  keptFilters,
  keptHere,
  ledAway,
  ledFilters,
  shutFilters,
  shutOut,
  type Test,
} from "./stale-tests.ts";

/** What makes connections stale. */
export interface Upheaval {
  /** Mappings that went. */
  readonly gone: readonly PublishRule[];
  /** Mappings of datagrams that came: one sender's are one flow for as long as they come, so an old one goes on. */
  readonly come: readonly PublishRule[];
  /** Mappings that came or came again, whatever the protocol: what they lead, stays. */
  readonly stays: readonly PublishRule[];
  /** Ports that are not let through any more at a container's own address. */
  readonly closed: readonly AllowRule[];
  /** Those that are let through now, or again. */
  readonly open: readonly AllowRule[];
  /** Addresses of containers that are on no bridge any more. */
  readonly left: readonly Address[];
}

/** One walk through the connections: what the kernel is asked to leave out, and what of the rest is stale. */
export interface Walk {
  readonly filter: ConntrackFilter;
  readonly isUnwanted: (entry: ConntrackEntry) => boolean;
  /** One of these is in every entry that is unwanted. */
  readonly among?: readonly Address[];
  /** What is stale in filters alone: then nobody needs to walk. */
  readonly exact?: readonly ConntrackFilter[];
}

/** One change out of two in a row. */
export function mergeChanges(first: RuleChange | undefined, second: RuleChange): RuleChange {
  if (!first) return second;
  const gone = new Set(second.removed.map(ruleKey));
  return {
    removed: [...first.removed, ...second.removed],
    added: [...first.added.filter((rule) => !gone.has(ruleKey(rule))), ...second.added],
  };
}

/** What a change means for connections; undefined when they all stay right. */
export function upheavalOf({ removed, added }: RuleChange): Upheaval | undefined {
  const stays = added.filter(isPublish);
  const there = new Set(addressesOf(added).map(formatAddress));
  const left = addressesOf(removed).filter((address) => !there.has(formatAddress(address)));
  const upheaval = {
    gone: removed.filter(isPublish),
    come: stays.filter(({ protocol }) => protocol !== "tcp"),
    stays,
    // who left takes all connections along
    closed: removed.filter(isAllow).filter(({ target }) => !left.some((it) => sameAddress(it, target))),
    open: added.filter(isAllow),
    left,
  };
  const { gone, come, closed } = upheaval;
  return gone.length + come.length + closed.length + left.length > 0 ? upheaval : undefined;
}

/**
 * As few walks as there can be: each goes through all connections of the machine, at milliseconds, and what the kernel
 * leaves out costs a tenth of what it does not. `local`: the host's own addresses.
 */
export function walksFor(upheaval: Upheaval, local: readonly Address[]): Walk[] {
  return ([4, 6] as const).flatMap((family) => {
    const { gone, come, stays, closed, open, left } = ofFamily(upheaval, family);
    const targets = distinct([...gone.map(({ target }) => target), ...left]);
    const isLed = ledAway({ gone, stays });
    const isLeft = meeting(left);
    const walks: (Walk | false)[] = [
      targets.length > 0 && {
        filter: {
          family,
          ...only("replySource", targets),
          ...(left.length === 0 && { ...portOf(gone), isLedElsewhere: true }),
        },
        isUnwanted: either(isLed, isLeft),
        among: targets,
        ...exactly(ledFilters({ gone, stays }), each("replySource", left)),
      },
      left.length > 0 && {
        filter: { family, ...only("originalSource", left) },
        isUnwanted: isLeft,
        among: left,
        ...exactly(each("originalSource", left)),
      },
      closed.length > 0 && {
        filter: {
          family,
          ...only(
            "originalDestination",
            closed.map(({ target }) => target),
          ),
          isLedElsewhere: false,
        },
        isUnwanted: shutOut({ closed, open }),
        among: closed.map(({ target }) => target),
        ...exactly(shutFilters({ closed, open })),
      },
      come.length > 0 && {
        filter: { family, isLedElsewhere: false, ...portOf(come) },
        isUnwanted: keptHere(come, local),
        ...exactly(keptFilters(come, local)),
      },
    ];
    return walks.filter((walk) => walk !== false);
  });
}

/** After a repair: flows that began untranslated while the rules were away, of datagrams to published ports and of containers. */
export function walksAfterRepair(rules: readonly Rule[], local: readonly Address[]): Walk[] {
  const come = rules.filter(isPublish).filter(({ protocol }) => protocol !== "tcp");
  const bridges = rules.filter((rule) => rule.kind === "bridge");
  const subnets = bridges.flatMap((bridge) => bridge.subnets);
  const translated = bridges
    .filter(({ internal }) => !internal)
    .flatMap(({ subnets, source }) => subnets.filter(({ address }) => source[address.family] !== "keep"));
  const own = new Set(local.map(formatAddress));
  const isBare = ({ original, reply }: ConntrackEntry) =>
    sameAddress(reply.destination, original.source) &&
    translated.some((subnet) => prefixContains(subnet, original.source)) &&
    !subnets.some((subnet) => prefixContains(subnet, original.destination)) &&
    !own.has(formatAddress(original.destination));
  return ([4, 6] as const).map((family) => ({
    filter: { family, isLedElsewhere: false },
    isUnwanted: either(keptHere(come, local), isBare),
  }));
}

/** From one of the addresses, or answered by it. */
function meeting(addresses: readonly Address[]): Test {
  const texts = new Set(addresses.map(formatAddress));
  return ({ original, reply }) =>
    texts.has(formatAddress(original.source)) || texts.has(formatAddress(reply.source));
}

/** The kernel compares one address, or none. */
function only<Name extends "replySource" | "originalSource" | "originalDestination">(
  name: Name,
  addresses: readonly Address[],
) {
  const [first, ...more] = distinct(addresses);
  return first && more.length === 0 ? { [name]: first } : {};
}

/** One filter for each address, which all be of the family of the first. */
function each(name: "replySource" | "originalSource", addresses: readonly Address[]): ConntrackFilter[] {
  return distinct(addresses).map((address) => ({ family: address.family, [name]: address }));
}

/** The kernel compares one port of one protocol, or none. */
function portOf(rules: readonly PublishRule[]): Partial<ConntrackFilter> {
  const [only, ...more] = rules;
  if (!only || more.length > 0 || only.hostPorts.first !== only.hostPorts.last) return {};
  return { protocol: protocolNumber[only.protocol], originalDestinationPort: only.hostPorts.first };
}

function ofFamily(upheaval: Upheaval, family: Family): Upheaval {
  const { gone, come, stays, closed, open, left } = upheaval;
  const its = <R extends PublishRule | AllowRule>(rules: readonly R[]) =>
    rules.filter(({ target }) => target.family === family);
  return {
    gone: its(gone),
    come: its(come),
    stays: its(stays),
    closed: its(closed),
    open: its(open),
    left: left.filter((address) => address.family === family),
  };
}

function distinct(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()];
}

function addressesOf(rules: readonly Rule[]): Address[] {
  return rules.flatMap((rule) => (rule.kind === "guard" ? rule.addresses : []));
}

function isAllow(rule: Rule): rule is AllowRule {
  return rule.kind === "allow";
}

function isPublish(rule: Rule): rule is PublishRule {
  return rule.kind === "publish";
}
