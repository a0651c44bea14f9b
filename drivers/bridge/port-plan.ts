// What a request's ports mean on a network: host addresses to listen on, where each leads, and which ports are reached
// directly. Pure functions; ports in a row are one thing.

import type { ExternalConnectivityRequest, PortBinding } from "../../src/driverapi/index.ts";
import {
  type Address,
  type Family,
  formatAddress,
  isUnspecified,
  type PortRange,
  type Protocol,
  portRangeSize,
} from "../../src/netip/index.ts";
import type { BridgeConfig } from "./options.ts";

/** The container's end: its addresses on the bridge. */
export interface Target {
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
}

/** A host address and the container address that it leads to. */
export interface Listener {
  readonly host: Address;
  readonly target: Address;
}

/** Container ports in a row, published on as many host ports, at every listener. */
export interface Row {
  readonly protocol: Protocol;
  readonly listeners: readonly Listener[];
  /** The first; the others follow as the host ports do. */
  readonly containerPort: number;
  readonly hostPorts: PortRange;
}

/** A container port for which a host port must be found. */
export interface Wish extends Omit<Row, "hostPorts"> {
  /** Any one of these; undefined: of the ephemeral ones. */
  readonly range: PortRange | undefined;
}

/** Container ports reached at the container's own address, without a host port. */
export interface DirectRow {
  readonly protocol: Protocol;
  readonly target: Address;
  readonly ports: PortRange;
}

export interface PortPlan {
  /** Those whose host ports were named. */
  readonly rows: readonly Row[];
  readonly wishes: readonly Wish[];
  readonly direct: readonly DirectRow[];
}

type PlanRequest = ExternalConnectivityRequest & { readonly target: Target };

export const everyIpv4: Address = { family: 4, value: 0n };
export const everyIpv6: Address = { family: 6, value: 0n };

/** Sorts out a request. Bindings that follow one another in both port numbers become one row. */
export function planPorts(
  config: BridgeConfig,
  request: PlanRequest,
  { hostHasIpv6 }: { readonly hostHasIpv6: boolean },
): PortPlan {
  const ways = waysOf(config, request);
  const rows: Row[] = [];
  const wishes: Wish[] = [];
  const direct: DirectRow[] = [];
  for (const binding of request.portBindings) {
    const { protocol, containerPort, hostPorts } = binding;
    const count = countOf(binding);
    const hosts = hostAddresses(binding, config, hostHasIpv6);
    const listeners = hosts.flatMap((host) => {
      const target = ways.translated(host);
      return target ? [{ host, target }] : [];
    });
    for (const target of ways.routed(hosts))
      direct.push({ protocol, target, ports: { first: containerPort, last: containerPort + count - 1 } });
    if (listeners.length === 0) continue;
    if (hostPorts && portRangeSize(hostPorts) === count)
      rows.push({ protocol, listeners, containerPort, hostPorts });
    else
      for (let at = 0; at < count; at++)
        wishes.push({ protocol, listeners, containerPort: containerPort + at, range: hostPorts });
  }
  return { rows: joined(rows), wishes, direct: joinedDirect(direct) };
}

/** Rows that lead the same way and follow one another become one; overlapping ones stay as they are. */
export function joined(rows: readonly Row[]): Row[] {
  return [...Map.groupBy(rows, wayOf).values()].flatMap((group) =>
    joinRuns(
      group.toSorted((a, b) => a.hostPorts.first - b.hostPorts.first),
      (row) => row.hostPorts,
      (row, hostPorts) => ({ ...row, hostPorts }),
    ),
  );
}

/** How many ports a binding is about. */
function countOf({ count = 1 }: Pick<PortBinding, "count">): number {
  return count;
}

/** Rows that have it in common occupy the same sockets for the same port. */
export function shapeOf({ protocol, listeners }: Pick<Row, "protocol" | "listeners">): string {
  return `${protocol} ${listeners.map(({ host }) => formatAddress(host)).join(",")}`;
}

/** Rows that have it in common lead a container port of both to the same place. */
export function wayOf(row: Row): string {
  const targets = row.listeners.map(({ target }) => formatAddress(target)).join(",");
  return `${shapeOf(row)} ${targets} ${row.hostPorts.first - row.containerPort}`;
}

/** Where host addresses lead, by the network's gateway modes. */
function waysOf(config: BridgeConfig, { gateways, target, ipv6Elsewhere }: PlanRequest) {
  const open: { readonly [F in Family]: Address | undefined } = {
    4: gateways.ipv4 ? target.ipv4 : undefined,
    6: gateways.ipv6 ? target.ipv6 : undefined,
  };
  const own = { 4: target.ipv4, 6: target.ipv6 };
  const modes = { 4: config.modeIpv4, 6: config.modeIpv6 };
  const isTranslating = (family: Family) => modes[family] === "nat" || modes[family] === "nat-unprotected";
  const through = { 4: isTranslating(4) ? open[4] : undefined, 6: isTranslating(6) ? open[6] : undefined };
  return {
    translated(host: Address): Address | undefined {
      // IPv6 clients of an IPv4-only container come through user space
      const fallback = host.family === 6 && !open[6] && !ipv6Elsewhere ? through[4] : undefined;
      return through[host.family] ?? fallback;
    },
    routed(hosts: readonly Address[]): Address[] {
      return ([4, 6] as const).flatMap((family) => {
        // whichever network is the way out: nobody comes by the host's addresses here
        const address = modes[family] === "routed" ? own[family] : undefined;
        return address && hosts.some((host) => host.family === family) ? [address] : [];
      });
    },
  };
}

/** Docker: a binding without an address takes the network's default; 0.0.0.0 there stands for both families. */
function hostAddresses(binding: PortBinding, config: BridgeConfig, hostHasIpv6: boolean): Address[] {
  if (binding.hostAddress) return [binding.hostAddress];
  const chosen = config.hostBinding;
  if (chosen && !(chosen.family === 4 && isUnspecified(chosen))) return [chosen];
  return hostHasIpv6 ? [everyIpv4, everyIpv6] : [everyIpv4];
}

function joinedDirect(rows: readonly DirectRow[]): DirectRow[] {
  const groups = Map.groupBy(rows, ({ protocol, target }) => `${protocol} ${formatAddress(target)}`);
  return [...groups.values()].flatMap((group) =>
    joinRuns(
      group.toSorted((a, b) => a.ports.first - b.ports.first),
      ({ ports }) => ports,
      (row, ports) => ({ ...row, ports }),
    ),
  );
}

function joinRuns<T>(
  sorted: readonly T[],
  portsOf: (row: T) => PortRange,
  put: (row: T, ports: PortRange) => T,
) {
  const runs: T[] = [];
  for (const row of sorted) {
    const run = runs.at(-1);
    if (run === undefined || portsOf(run).last + 1 !== portsOf(row).first) runs.push(row);
    else runs[runs.length - 1] = put(run, { first: portsOf(run).first, last: portsOf(row).last });
  }
  return runs;
}
