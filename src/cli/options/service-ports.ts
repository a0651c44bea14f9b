// Ports of services on the command line: `8080:80/tcp` to publish one, `8080/tcp` to name one.

import { cut } from "./checks.ts";

export interface ServicePortArg {
  readonly Protocol: string;
  readonly PublishedPort: number;
  readonly TargetPort: number;
}

/** `[PUBLISHED:]TARGET[/PROTOCOL]`, ranges as `8080-8081:80-81`. @throws Error that names the port */
export function parseServicePorts(spec: string): readonly ServicePortArg[] {
  const { ports, protocol } = splitProtocol(spec);
  const parts = ports.split(":");
  if (parts.length > 2)
    throw new Error(
      `invalid port ${spec}: a service's ports are open on every host, an address cannot be given`,
    );
  const target = parseRange(parts.at(-1) ?? "", spec);
  const published = parts.length === 2 ? parseRange(parts[0] ?? "", spec) : target;
  if (published.length !== target.length)
    throw new Error(`invalid port ${spec}: ${published.length} ports cannot lead to ${target.length}`);
  return published.map((port, at) => ({
    Protocol: protocol,
    PublishedPort: port,
    TargetPort: target[at] ?? port,
  }));
}

/** `PUBLISHED[/PROTOCOL]`, or as it was published. @throws Error that names the port */
export function parsePublishedPorts(spec: string): readonly Omit<ServicePortArg, "TargetPort">[] {
  const { ports, protocol } = splitProtocol(spec);
  const parts = ports.split(":");
  if (parts.length > 2) throw new Error(`invalid port ${spec}`);
  return parseRange(parts[0] ?? "", spec).map((port) => ({ Protocol: protocol, PublishedPort: port }));
}

function splitProtocol(spec: string): { ports: string; protocol: string } {
  const { before, after, found } = cut(spec, "/");
  const protocol = found ? after.toLowerCase() : "tcp";
  if (!["tcp", "udp", "sctp"].includes(protocol))
    throw new Error(`invalid port ${spec}: ${JSON.stringify(after)} is none of tcp, udp, sctp`);
  return { ports: before, protocol };
}

function parseRange(text: string, spec: string): number[] {
  const { before, after, found } = cut(text, "-");
  const [first, last] = [before, found ? after : before].map((port) => readPort(port, spec));
  if (first === undefined || last === undefined || last < first)
    throw new Error(`invalid port ${spec}: ${text} is not a range`);
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
}

function readPort(text: string, spec: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw new Error(`invalid port ${spec}: ${JSON.stringify(text)} is not a port`);
  return port;
}
