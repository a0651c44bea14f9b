// What published ports mean to the firewall and to the forwarder. Pure functions: a row is one rule, however long.

import type { AllowRule, Forward, OpenRule, PublishRule } from "../../src/driverapi/index.ts";
import {
  formatAddress,
  isLoopback,
  isUnspecified,
  type PortRange,
  portRangeSize,
} from "../../src/netip/index.ts";
import type { BridgeConfig } from "./options.ts";
import type { DirectRow, Listener, Row } from "./port-plan.ts";

/** Translations for all that the kernel translates. */
export function publishRules(link: string, rows: readonly Row[]): PublishRule[] {
  return rows.flatMap((row) =>
    row.listeners.filter(isTranslated).map(({ host, target }) => ({
      kind: "publish" as const,
      link,
      protocol: row.protocol,
      ...(isUnspecified(host) ? {} : { hostAddress: host }),
      hostPorts: row.hostPorts,
      target,
      targetPorts: targetPorts(row),
    })),
  );
}

/** Published ports that the forwarder serves: to networks that reach no other ports of the host they are open all the same. */
export function openRules(rows: readonly Row[]): OpenRule[] {
  return rows.flatMap((row) =>
    row.listeners
      .filter((listener) => row.protocol !== "sctp" && !isTranslated(listener) && !isLoopback(listener.host))
      .map(({ host }) => ({
        kind: "open" as const,
        protocol: row.protocol,
        family: host.family,
        ...(isUnspecified(host) ? {} : { hostAddress: host }),
        hostPorts: row.hostPorts,
      })),
  );
}

/** Ports that are reached at the container's own address (routed mode). */
export function allowRules(link: string, rows: readonly DirectRow[]): AllowRule[] {
  const places = Map.groupBy(rows, ({ protocol, target }) => `${protocol} ${formatAddress(target)}`);
  return [...places.values()].flatMap((group) =>
    group.slice(0, 1).flatMap(({ protocol, target }) =>
      united(group.map(({ ports }) => ports)).map((targetPorts) => ({
        kind: "allow" as const,
        link,
        target,
        protocol,
        targetPorts,
      })),
    ),
  );
}

/**
 * Published ports that neighbours on trusted links, or with `everywhere` all neighbours, reach at the container's own
 * address too. What is published on a loopback address is meant for the host alone. Of the modes only nat is closed.
 */
export function directRules(
  config: BridgeConfig,
  rows: readonly Row[],
  { everywhere = false }: { readonly everywhere?: boolean | undefined } = {},
): AllowRule[] {
  if (config.trustedLinks.length === 0 && !everywhere) return [];
  const modes = { 4: config.modeIpv4, 6: config.modeIpv6 };
  const direct = rows.flatMap((row) =>
    row.listeners
      .filter((listener) => isTranslated(listener) && !isLoopback(listener.host))
      .filter(({ target }) => modes[target.family] === "nat")
      .map(({ target }) => ({ protocol: row.protocol, target, ports: targetPorts(row) })),
  );
  const rules = allowRules(config.link, direct);
  return everywhere ? rules : rules.map((rule) => ({ ...rule, from: "trusted" }));
}

/** What is forwarded in user space: all that is not translated, [::] for the sake of ::1, or everything if asked. */
export function forwardsOf(rows: readonly Row[], everything: boolean): Forward[] {
  return rows.flatMap(({ protocol, listeners, hostPorts, containerPort }) =>
    // the kernel has no proxying of SCTP to offer, and neither do we
    protocol === "sctp"
      ? []
      : listeners
          .filter((listener) => everything || !isTranslated(listener) || isIpv6Wildcard(listener))
          .map(({ host, target }) => ({
            protocol,
            listen: host,
            listenPorts: hostPorts,
            target,
            targetPort: containerPort,
          })),
  );
}

/** The kernel translates within a family, and never from ::1, which it does not let out of the loopback link. */
function isTranslated({ host, target }: Listener): boolean {
  return host.family === target.family && !(host.family === 6 && isLoopback(host));
}

function isIpv6Wildcard({ host }: Listener): boolean {
  return host.family === 6 && isUnspecified(host);
}

/** The same ports in as few ranges as there can be. */
function united(ranges: readonly PortRange[]): PortRange[] {
  const runs: PortRange[] = [];
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    const run = runs.at(-1);
    if (run && first <= run.last + 1)
      runs[runs.length - 1] = { first: run.first, last: Math.max(run.last, last) };
    else runs.push({ first, last });
  }
  return runs;
}

function targetPorts({ containerPort, hostPorts }: Row): PortRange {
  return { first: containerPort, last: containerPort + portRangeSize(hostPorts) - 1 };
}
