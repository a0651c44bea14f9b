// The PORTS column: runs of ports merged, the others one by one.

import type { ContainerInspect, Port } from "../wire.ts";

interface Run {
  readonly key: string;
  readonly first: number;
  last: number;
}

/** "0.0.0.0:80-81->80-81/tcp, 9000/udp": sorted, equal numbers on both sides merged into runs. */
export function formatPorts(ports: readonly Port[]): string {
  const finished: string[] = [];
  const mappings: string[] = [];
  const runs = new Map<string, Run>();
  for (const port of ports.toSorted(comparePorts)) {
    if (port.IP && port.PublicPort !== port.PrivatePort) {
      mappings.push(`${joinHostPort(port.IP, port.PublicPort ?? 0)}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = port.IP ? `${port.IP}/${port.Type}` : port.Type;
    const run = runs.get(key);
    if (run && port.PrivatePort === run.last + 1) {
      run.last = port.PrivatePort;
      continue;
    }
    if (run) finished.push(formatRun(run));
    runs.set(key, { key, first: port.PrivatePort, last: port.PrivatePort });
  }
  return [...finished, ...[...runs.values()].map(formatRun), ...mappings].join(", ");
}

/** host:port, with brackets around an IPv6 address. */
export function joinHostPort(host: string, port: number | string): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function formatRun(run: Run): string {
  const slash = run.key.lastIndexOf("/");
  const ip = slash < 0 ? "" : run.key.slice(0, slash);
  const range = run.first === run.last ? `${run.first}` : `${run.first}-${run.last}`;
  return `${ip === "" ? range : `${joinHostPort(ip, range)}->${range}`}/${run.key.slice(slash + 1)}`;
}

function comparePorts(a: Port, b: Port): number {
  const ipA = a.IP ?? "";
  const ipB = b.IP ?? "";
  if (a.PrivatePort !== b.PrivatePort) return a.PrivatePort - b.PrivatePort;
  if (ipA !== ipB) return ipA < ipB ? -1 : 1;
  if (a.PublicPort !== b.PublicPort) return (a.PublicPort ?? 0) - (b.PublicPort ?? 0);
  return a.Type < b.Type ? -1 : a.Type > b.Type ? 1 : 0;
}

/** Published ports by container port, as inspect has them. */
export type Ports = NonNullable<ContainerInspect["NetworkSettings"]["Ports"]>;

/** `80/tcp -> 0.0.0.0:8080`, one for each. */
export function portLines(ports: Ports): string[] {
  return Object.entries(ports).flatMap(([from, bindings]) =>
    (bindings ?? []).map((binding) => `${from} -> ${joinHostPort(binding.HostIp, binding.HostPort)}`),
  );
}
