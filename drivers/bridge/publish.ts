// Publishing: host ports reserved, translated by the firewall, and forwarded in user space where the kernel cannot. What
// is published already and still wished is not touched.

import type {
  ExternalConnectivityRequest,
  Host,
  PortLease,
  PublishedPort,
} from "../../src/driverapi/index.ts";
import { formatAddress, portRangeSize, portsWithout } from "../../src/netip/index.ts";
import { conflict } from "../../src/util/errors.ts";
import { Undo } from "../../src/util/undo.ts";
import { continued, keptRows } from "./kept-ports.ts";
import type { BridgeConfig } from "./options.ts";
import { heldOf, missing, reserve, shapeOfLease } from "./port-leases.ts";
import {
  type DirectRow,
  everyIpv4,
  everyIpv6,
  planPorts,
  type Row,
  shapeOf,
  type Target,
} from "./port-plan.ts";
import { allowRules, directRules, forwardsOf, openRules, publishRules } from "./port-rules.ts";

/** An endpoint's ports as they are open now. */
export interface Publication {
  readonly owner: string;
  readonly rows: readonly Row[];
  readonly direct: readonly DirectRow[];
  readonly leases: readonly PortLease[];
}

interface PublishContext {
  readonly host: Host;
  readonly config: BridgeConfig;
  /** What the endpoint publishes now. */
  readonly before?: Publication | undefined;
}

/**
 * Makes a request's ports the endpoint's published ports, all or none: on failure `before` is as it was. On success
 * `before` is no more.
 */
export async function publishPorts(
  { host, config, before }: PublishContext,
  request: ExternalConnectivityRequest & { readonly target: Target },
): Promise<Publication> {
  await using undo = new Undo(host.log);
  const owner = request.endpointId;
  const plan = planPorts(config, request, { hostHasIpv6: host.settings.ipv6 });
  const kept = keptRows(plan.wishes, { plan: plan.rows, before: before?.rows ?? [] });
  const known = [...plan.rows, ...kept.rows];
  refuseTwice(known);
  const opened = await reserve(host, missing(known, before?.leases ?? []), kept.open);
  undo.defer("release host ports", () => {
    for (const lease of opened.leases) lease.release();
  });
  const leases = [...(before?.leases ?? []), ...opened.leases];
  const now: Publication = {
    owner,
    rows: continued([...known, ...opened.rows], before?.rows ?? []),
    direct: plan.direct,
    leases,
  };
  undo.defer("put rules of ports back", () => host.firewall.set(owner, rulesOf({ host, config }, before)));
  const rules = rulesOf({ host, config }, now);
  if (rules.length > 0 || before) await host.firewall.set(owner, rules);
  undo.defer("put forwards back", () => tellForwarder(host, owner, before));
  if (leases.length > 0 || before) await tellForwarder(host, owner, now);
  undo.forget();
  return await withoutGone(host, now);
}

/** Closes all of an endpoint's ports, in an order that lets nobody in between. May be repeated. */
export async function unpublishPorts(host: Host, { owner, leases }: Publication): Promise<void> {
  await using undo = new Undo(host.log);
  undo.defer("release host ports", () => {
    for (const lease of leases) lease.release();
  });
  undo.defer("remove rules of ports", () => host.firewall.set(owner, []));
  undo.defer("end forwards", () => host.forwarder.setForwards(owner, [], []));
}

/** The published ports as they are shown. */
export function shownPorts({ rows, direct }: Publication): PublishedPort[] {
  const translated = rows.flatMap(({ protocol, listeners, containerPort, hostPorts }) =>
    listeners.map(({ host }) => ({
      protocol,
      containerPort,
      hostAddress: host,
      hostPort: hostPorts.first,
      ...counted(portRangeSize(hostPorts)),
    })),
  );
  const reached = direct.map(({ protocol, target, ports }) => ({
    protocol,
    containerPort: ports.first,
    hostAddress: target.family === 4 ? everyIpv4 : everyIpv6,
    hostPort: 0,
    ...counted(portRangeSize(ports)),
  }));
  return [...translated, ...reached];
}

function counted(count: number): { count?: number } {
  return count === 1 ? {} : { count };
}

/** Lets go of the host ports that no row needs any more, and has the proxy do so. */
async function withoutGone(host: Host, now: Publication): Promise<Publication> {
  const needed = Map.groupBy(now.rows, shapeOf);
  let isLess = false;
  for (const lease of now.leases) {
    const rows = needed.get(shapeOfLease(lease)) ?? [];
    const gone = portsWithout(
      heldOf(lease),
      rows.map(({ hostPorts }) => hostPorts),
    );
    for (const part of gone) lease.release(part);
    isLess ||= gone.length > 0;
  }
  if (!isLess) return now;
  const after = { ...now, leases: now.leases.filter(({ parked }) => parked.length > 0) };
  await tellForwarder(host, now.owner, after);
  return after;
}

function tellForwarder(host: Host, owner: string, publication: Publication | undefined): Promise<void> {
  if (!publication) return host.forwarder.setForwards(owner, [], []);
  const { rows, leases } = publication;
  const forwards = forwardsOf(rows, host.settings.userlandProxy);
  const held = leases.flatMap(({ parked }) => parked);
  return host.forwarder.setForwards(owner, forwards, held);
}

function rulesOf(
  { host, config }: Pick<PublishContext, "host" | "config">,
  publication: Publication | undefined,
) {
  if (!publication) return [];
  const { rows, direct } = publication;
  return [
    ...publishRules(config.link, rows),
    ...directRules(config, rows, { everywhere: host.settings.allowDirectRouting }),
    ...allowRules(config.link, direct),
    ...openRules(rows),
  ];
}

/** The same host port asked for twice in one request. */
function refuseTwice(rows: readonly Row[]): void {
  for (const group of Map.groupBy(rows, shapeOf).values()) {
    const sorted = group.toSorted((a, b) => a.hostPorts.first - b.hostPorts.first);
    for (const [at, row] of sorted.entries()) {
      const next = sorted[at + 1];
      const [listener] = row.listeners;
      if (next && listener && next.hostPorts.first <= row.hostPorts.last)
        throw conflict(
          `Bind for ${formatAddress(listener.host)}:${next.hostPorts.first} failed: port is already allocated`,
        );
    }
  }
}
