// What makes a connection stale, twice: as a test of an entry, and as filters that say the same to the kernel, which then
// finds it by itself. Pure.

import type { ConntrackEntry, ConntrackFilter } from "../kernel/index.ts";
import {
  type Address,
  formatAddress,
  type PortRange,
  portRangeSize,
  portsWithout,
  protocolNumber,
  sameAddress,
} from "../netip/index.ts";
import { hostAddressOf } from "./key.ts";
import type { AllowRule, PublishRule } from "./rules.ts";

/** Whether a connection is stale. */
export type Test = (entry: ConntrackEntry) => boolean;

/** Led by a mapping that went, unless by one that stays: a range that lost a port comes again as two. */
export function ledAway({ gone, stays }: Mappings): Test {
  const [goneByTarget, staysByTarget] = [gone, stays].map((rules) =>
    Map.groupBy(rules, ({ target }) => formatAddress(target)),
  );
  return (entry) => {
    const target = formatAddress(entry.reply.source);
    if (!entry.isLedElsewhere) return false; // asked for at its own address
    const leads = (rule: PublishRule) => isLedBy(rule, entry);
    return !!goneByTarget?.get(target)?.some(leads) && !staysByTarget?.get(target)?.some(leads);
  };
}

/** Mappings that went, and those that stay. */
export interface Mappings {
  readonly gone: readonly PublishRule[];
  readonly stays: readonly PublishRule[];
}

/** `ledAway` in filters, one for each port; undefined when they would be too many, or could not say it. */
export function ledFilters({ gone, stays }: Mappings): ConntrackFilter[] | undefined {
  const filters: ConntrackFilter[] = [];
  for (const rule of gone) {
    const same = stays.filter((other) => leadsLike(rule, other));
    const host = hostAddressOf(rule);
    // a filter cannot leave one address out
    if (!host && same.some((other) => hostAddressOf(other))) return undefined;
    const left = portsWithout(
      [rule.hostPorts],
      same.filter((other) => coversHost(other, host)).map(({ hostPorts }) => hostPorts),
    );
    const count = left.reduce((sum, ports) => sum + portRangeSize(ports), 0);
    if (filters.length + count > mostFilters) return undefined;
    filters.push(...left.flatMap(portsOf).map((port) => ledFilter(rule, port)));
  }
  return filters;
}

/** Ports that were reached at the container's own address and are no more, and those that are now. */
export interface Closings {
  readonly closed: readonly AllowRule[];
  readonly open: readonly AllowRule[];
}

/**
 * Asked for at a container's own address, at a port that was let through and is no more. Whoever may go on all the same,
 * say a neighbour on the bridge, is tracked anew with the next packet.
 */
export function shutOut({ closed, open }: Closings): Test {
  const lets =
    ({ original }: ConntrackEntry) =>
    (rule: AllowRule) =>
      protocolNumber[rule.protocol] === original.protocol &&
      sameAddress(rule.target, original.destination) &&
      holds(rule.targetPorts, original.destinationPort) &&
      (!isAddress(rule.from) || sameAddress(rule.from, original.source));
  return (entry) => !entry.isLedElsewhere && closed.some(lets(entry)) && !open.some(lets(entry));
}

/** `shutOut` in filters, one for each port; undefined when they would be too many. */
export function shutFilters({ closed, open }: Closings): ConntrackFilter[] | undefined {
  const filters: ConntrackFilter[] = [];
  for (const rule of closed) {
    const { protocol, target, from } = rule;
    const same = open.filter(
      (other) =>
        other.protocol === protocol &&
        sameAddress(other.target, target) &&
        (!isAddress(other.from) || (isAddress(from) && sameAddress(other.from, from))),
    );
    const left = portsWithout(
      [rule.targetPorts],
      same.map(({ targetPorts }) => targetPorts),
    );
    const count = left.reduce((sum, ports) => sum + portRangeSize(ports), 0);
    if (filters.length + count > mostFilters) return undefined;
    filters.push(...left.flatMap(portsOf).map((port) => shutFilter(rule, port)));
  }
  return filters;
}

function shutFilter({ protocol, target, from }: AllowRule, port: number): ConntrackFilter {
  return {
    family: target.family,
    protocol: protocolNumber[protocol],
    ...(isAddress(from) && { originalSource: from }),
    originalDestination: target,
    originalDestinationPort: port,
    isLedElsewhere: false,
  };
}

function isAddress(from: AllowRule["from"]): from is Address {
  return typeof from === "object";
}

/** To the host itself, at a port that is published now. */
export function keptHere(come: readonly PublishRule[], local: readonly Address[]): Test {
  const own = new Set(local.map(formatAddress));
  return ({ original, isLedElsewhere }) =>
    !isLedElsewhere &&
    own.has(formatAddress(original.destination)) &&
    come.some(
      (rule) =>
        protocolNumber[rule.protocol] === original.protocol &&
        holds(rule.hostPorts, original.destinationPort) &&
        isAt(rule, original.destination),
    );
}

/** `keptHere` in filters, one for each port and address of the host; undefined when they would be too many. */
export function keptFilters(
  come: readonly PublishRule[],
  local: readonly Address[],
): ConntrackFilter[] | undefined {
  const filters: ConntrackFilter[] = [];
  for (const rule of come) {
    const { family } = rule.target;
    const at = local.filter((address) => address.family === family && isAt(rule, address));
    if (filters.length + at.length * portRangeSize(rule.hostPorts) > mostFilters) return undefined;
    const protocol = protocolNumber[rule.protocol];
    for (const originalDestinationPort of portsOf(rule.hostPorts))
      for (const originalDestination of at)
        filters.push({
          family,
          protocol,
          originalDestination,
          originalDestinationPort,
          isLedElsewhere: false,
        });
  }
  return filters;
}

/** As many as take the kernel as long as one walk. */
const mostFilters = 32;

/** What a walk says of filters: all of these; nothing unless each part is known and they are few. */
export function exactly(...parts: readonly (readonly ConntrackFilter[] | undefined)[]): {
  exact?: readonly ConntrackFilter[];
} {
  if (!parts.every((part) => part !== undefined)) return {};
  const exact = parts.flat();
  return exact.length <= mostFilters ? { exact } : {};
}

function ledFilter(rule: PublishRule, port: number): ConntrackFilter {
  const host = hostAddressOf(rule);
  return {
    family: rule.target.family,
    protocol: protocolNumber[rule.protocol],
    ...(host && { originalDestination: host }),
    originalDestinationPort: port,
    replySource: rule.target,
    replySourcePort: rule.targetPorts.first + port - rule.hostPorts.first,
    isLedElsewhere: true,
  };
}

/** Whether both lead a port that they share to the same place. */
function leadsLike(one: PublishRule, other: PublishRule): boolean {
  const offset = ({ hostPorts, targetPorts }: PublishRule) => targetPorts.first - hostPorts.first;
  return (
    one.protocol === other.protocol && sameAddress(one.target, other.target) && offset(one) === offset(other)
  );
}

function coversHost(rule: PublishRule, address: Address | undefined): boolean {
  const host = hostAddressOf(rule);
  return host === undefined || (address !== undefined && sameAddress(host, address));
}

function portsOf({ first, last }: PortRange): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/** Whether the rule is what sent the flow's first packet where it went. */
function isLedBy(rule: PublishRule, { original, reply }: ConntrackEntry): boolean {
  const { hostPorts, targetPorts, protocol } = rule;
  const offset = (original.destinationPort ?? 0) - hostPorts.first;
  return (
    protocolNumber[protocol] === original.protocol &&
    holds(hostPorts, original.destinationPort) &&
    targetPorts.first + offset === reply.sourcePort &&
    isAt(rule, original.destination)
  );
}

function isAt(rule: PublishRule, address: Address): boolean {
  const host = hostAddressOf(rule);
  return host === undefined || sameAddress(host, address);
}

export function either(one: Test, other: Test): Test {
  return (entry) => one(entry) || other(entry);
}

function holds({ first, last }: PortRange, port: number | undefined): boolean {
  return port !== undefined && first <= port && port <= last;
}
