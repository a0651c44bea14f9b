// What published ports mean to the firewall and to the forwarder. Pure functions: a row is one rule, however long.

import type { AllowRule, Forward, OpenRule, PublishRule } from "../../src/driverapi/index.ts";
import { isLoopback, isUnspecified, type PortRange, portRangeSize } from "../../src/netip/index.ts";
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
  return rows.map(({ protocol, target, ports }) => ({
    kind: "allow",
    link,
    target,
    protocol,
    targetPorts: ports,
  }));
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

function targetPorts({ containerPort, hostPorts }: Row): PortRange {
  return { first: containerPort, last: containerPort + portRangeSize(hostPorts) - 1 };
}
