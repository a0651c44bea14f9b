// Connections that a published port leaves behind: when a mapping goes, the kernel still translates the flows it has
// tracked; when one comes, a sender of datagrams who was there before goes on reaching the host itself. Both end with the
// mapping's change, and only those.

import {
  type Conntrack,
  type ConntrackEntry,
  type Netlink,
  openConntrack,
  openNetlink,
} from "../kernel/index.ts";
import {
  type Address,
  type Family,
  formatAddress,
  type PortRange,
  type Protocol,
  protocolNumber,
  sameAddress,
} from "../netip/index.ts";
import type { RuleChange } from "./ledger.ts";
import type { PublishRule, Rule } from "./rules.ts";

/** Forgets tracked connections in one netns. */
export interface StaleFlows {
  /** Deletes the connections that a change of rules has made wrong; resolves with how many. */
  forget(change: RuleChange): Promise<number>;
  close(): Promise<void>;
}

/** Opens its sockets at the first change that needs them and keeps them. */
export function staleFlowsIn(netns: string | undefined): StaleFlows {
  let opening: Promise<{ conntrack: Conntrack; netlink: Netlink }> | undefined;
  const open = async () => {
    const [conntrack, netlink] = await Promise.all([openConntrack(netns), openNetlink(netns)]);
    return { conntrack, netlink };
  };
  return {
    async forget(change) {
      const kinds = kindsOf(change);
      if (kinds.length === 0) return 0;
      opening ??= open();
      const { conntrack, netlink } = await opening;
      const needsLocal = kinds.some(({ come }) => come.length > 0);
      const local = needsLocal ? (await netlink.addresses()).map(({ prefix }) => prefix.address) : [];
      let deleted = 0;
      for (const { family, protocol, gone, come, stays } of kinds) {
        const filter = { family, protocol: protocolNumber[protocol] };
        deleted += await conntrack.delete(filter, staleness({ gone, come, stays, local }));
      }
      return deleted;
    },
    async close() {
      const opened = await opening?.catch(() => undefined);
      await Promise.all([opened?.conntrack.close(), opened?.netlink.close()]);
    },
  };
}

interface Kind {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly gone: readonly PublishRule[];
  readonly come: readonly PublishRule[];
  readonly stays: readonly PublishRule[];
}

/** The change by family and protocol: what one walk through the connections deals with. */
function kindsOf({ removed, added }: RuleChange): Kind[] {
  const gone = removed.filter(isPublish);
  // a tcp client makes a new connection; datagrams of one sender are one flow for as long as they come
  const stays = added.filter(isPublish);
  const come = stays.filter(({ protocol }) => protocol !== "tcp");
  const names = new Map(
    [...gone, ...come].map(({ target, protocol }) => [`${target.family} ${protocol}`, { target, protocol }]),
  );
  return [...names.values()].map(({ target: { family }, protocol }) => {
    const isOfKind = (rule: PublishRule) => rule.target.family === family && rule.protocol === protocol;
    const [its, new_, staying] = [gone, come, stays].map((rules) => rules.filter(isOfKind));
    return { family, protocol, gone: its ?? [], come: new_ ?? [], stays: staying ?? [] };
  });
}

function isPublish(rule: Rule): rule is PublishRule {
  return rule.kind === "publish";
}

/** Tells whether a connection is one that the change has made wrong. */
export function staleness(change: {
  readonly gone: readonly PublishRule[];
  readonly come: readonly PublishRule[];
  /** All that were added, whatever the protocol. */
  readonly stays?: readonly PublishRule[];
  /** The host's own addresses. */
  readonly local: readonly Address[];
}): (entry: ConntrackEntry) => boolean {
  const goneByTarget = Map.groupBy(change.gone, ({ target }) => formatAddress(target));
  const staysByTarget = Map.groupBy(change.stays ?? [], ({ target }) => formatAddress(target));
  const local = new Set(change.local.map(formatAddress));
  return ({ original, reply }) => {
    const isTranslated = !sameAddress(original.destination, reply.source);
    if (isTranslated) {
      const target = formatAddress(reply.source);
      const leads = (rule: PublishRule) => isLedBy(rule, { original, reply });
      // a range that lost a port comes again as two: what is in them is led where it was
      return !!goneByTarget.get(target)?.some(leads) && !staysByTarget.get(target)?.some(leads);
    }
    if (!local.has(formatAddress(original.destination))) return false;
    return change.come.some(
      ({ hostAddress, hostPorts }) =>
        holds(hostPorts, original.destinationPort) &&
        (hostAddress === undefined || sameAddress(hostAddress, original.destination)),
    );
  };
}

/** Whether the rule is what sent the flow's first packet where it went. */
function isLedBy(
  { hostAddress, hostPorts, targetPorts }: PublishRule,
  { original, reply }: Pick<ConntrackEntry, "original" | "reply">,
): boolean {
  const offset = (original.destinationPort ?? 0) - hostPorts.first;
  return (
    holds(hostPorts, original.destinationPort) &&
    targetPorts.first + offset === reply.sourcePort &&
    (hostAddress === undefined || sameAddress(hostAddress, original.destination))
  );
}

function holds({ first, last }: PortRange, port: number | undefined): boolean {
  return port !== undefined && first <= port && port <= last;
}
