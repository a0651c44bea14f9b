// A whole `Host` on a network namespace that is not the machine's own: for labs and for the conformance kit.

import type { Host, HostSettings } from "../driverapi/index.ts";
import { createTunnelGuard, type OwnedFirewall } from "../firewall/index.ts";
import * as kernel from "../kernel/index.ts";
import { createParents } from "../parents/index.ts";
import { createPorts } from "../ports/index.ts";
import { type Log, silentLog } from "../util/log.ts";
import { createPrograms } from "./programs.ts";

export interface DriverHostParts {
  /** Path of the namespace that stands for the machine. */
  readonly netns: string;
  readonly netlink: kernel.Netlink;
  readonly firewall: OwnedFirewall;
  readonly forwarder: Host["forwarder"];
  readonly records: Host["records"];
  readonly namespaces: Host["netns"];
  readonly ports?: Host["ports"];
  readonly tunnels?: Host["tunnels"];
  readonly settings?: Partial<HostSettings>;
  readonly log?: Log;
}

/** Builds one; what it is made of is the caller's to close. */
export function createDriverHost({ netns, netlink, ...parts }: DriverHostParts): Host {
  const { log = silentLog } = parts;
  const sysctl = sysctlOf(netns);
  return {
    netlink,
    link: kernel,
    sysctl,
    firewall: parts.firewall,
    ports: parts.ports ?? createPorts({ netns }),
    forwarder: parts.forwarder,
    parents: createParents({ netlink, sysctl, hostHasIpv6: true, log }),
    netns: parts.namespaces,
    tunnels: parts.tunnels ?? createTunnelGuard({ netns, log }),
    programs: createPrograms({ netns }),
    records: parts.records,
    settings: { userlandProxy: false, ipv6: true, uplinkMtu: undefined, ipForward: true, ...parts.settings },
    log,
  };
}

function sysctlOf(netns: string): Host["sysctl"] {
  return {
    read: (key) => kernel.readSysctl(key, netns).catch(() => undefined),
    write: (key, value) => kernel.writeSysctl(key, value, netns),
    writeAll: (values) =>
      kernel.writeSysctls(
        Object.entries(values).map(([key, value]) => ({ key, value })),
        netns,
      ),
  };
}
