// -p and --expose.

import { isIP } from "node:net";
import { quote } from "../flags/numbers.ts";
import type { PortBinding } from "../wire.ts";
import { cut } from "./checks.ts";

export interface PortArgs {
  readonly exposed: Record<string, object>;
  readonly bindings: Record<string, PortBinding[]>;
}

/** `[ip:][host[-end]:]container[-end][/proto]`, each, and what is only exposed. Throws Docker's texts. */
export function parsePorts(publish: readonly string[], expose: readonly string[]): PortArgs {
  const exposed: Record<string, object> = {};
  const bindings: Record<string, PortBinding[]> = {};
  for (const spec of publish.map(plainSpec)) {
    for (const { port, binding } of parsePortSpec(spec)) {
      exposed[port] = {};
      const known = bindings[port];
      if (known) known.push(binding);
      else bindings[port] = [binding];
    }
  }
  for (const spec of expose) {
    for (const port of parseExpose(spec)) exposed[port] = {};
  }
  return { exposed, bindings };
}

/** `target=80,published=8080,protocol=tcp` as `8080:80/tcp`. */
function plainSpec(spec: string): string {
  if (!spec.includes("=")) return spec;
  const parts: Record<string, string> = { protocol: "tcp" };
  for (const field of spec.split(",")) {
    const { before, after, found } = cut(field, "=");
    if (!found || before === "") {
      throw new Error(`invalid publish opts format (should be name=value but got '${field}')`);
    }
    parts[before] = after;
  }
  return `${parts.published ?? ""}:${parts.target ?? ""}/${parts.protocol}`;
}

interface Mapping {
  readonly port: string;
  readonly binding: PortBinding;
}

function parsePortSpec(spec: string): Mapping[] {
  const { ip, hostPort, containerPort: rest } = splitSpec(spec);
  const { proto, port: containerPort } = splitProto(rest);
  const address = stripBrackets(ip);
  if (address !== "" && isIP(address) === 0) throw new Error(`invalid IP address: ${address}`);
  if (containerPort === "") throw new Error(`no port specified: ${spec}<empty>`);
  const container = range(containerPort, () => `invalid containerPort: ${containerPort}`);
  const host = hostPort === "" ? undefined : range(hostPort, () => `invalid hostPort: ${hostPort}`);
  const isSingle = container.first === container.last;
  if (host && host.last - host.first !== container.last - container.first && !isSingle) {
    throw new Error(
      `invalid ranges specified for container and host Ports: ${containerPort} and ${hostPort}`,
    );
  }
  checkProto(proto);
  const mappings: Mapping[] = [];
  for (let offset = 0; offset <= container.last - container.first; offset++) {
    const shown = host ? `${host.first + offset}` : "";
    const chosen = host && isSingle && host.first !== host.last ? `${shown}-${host.last}` : shown;
    mappings.push({
      port: `${container.first + offset}/${proto.toLowerCase()}`,
      binding: { HostIp: address, HostPort: chosen },
    });
  }
  return mappings;
}

function splitSpec(spec: string): { ip: string; hostPort: string; containerPort: string } {
  const parts = spec.split(":");
  return {
    containerPort: parts.at(-1) ?? "",
    hostPort: parts.at(-2) ?? "",
    ip: parts.slice(0, -2).join(":"),
  };
}

function stripBrackets(ip: string): string {
  if (!ip.startsWith("[")) return ip;
  if (!ip.endsWith("]")) throw new Error(`invalid IP address ${ip}: address ${ip}:: missing ']' in address`);
  return ip.slice(1, -1);
}

/** `80/udp`; tcp when nothing is said. */
function splitProto(spec: string): { proto: string; port: string } {
  const [port = "", proto = ""] = spec.split("/");
  if (port === "") return { proto: "", port: "" };
  return { proto: proto || "tcp", port };
}

function checkProto(proto: string): void {
  if (!["tcp", "udp", "sctp"].includes(proto.toLowerCase())) throw new Error(`invalid proto: ${proto}`);
}

function range(text: string, why: (cause: string) => string): { first: number; last: number } {
  const [first = "", last = first] = text.split("-");
  const bad = [first, last].find((port) => !/^\d+$/.test(port) || Number(port) > 65535);
  if (bad !== undefined) {
    const cause = /^\d+$/.test(bad) ? "value out of range" : "invalid syntax";
    throw new Error(why(`strconv.ParseUint: parsing ${quote(bad)}: ${cause}`));
  }
  if (Number(last) < Number(first)) throw new Error(why(`invalid range specified for port: ${text}`));
  return { first: Number(first), last: Number(last) };
}

function parseExpose(spec: string): string[] {
  if (spec.includes(":")) throw new Error(`invalid port format for --expose: ${spec}`);
  const { proto, port } = splitProto(spec);
  if (port === "") {
    throw new Error(`invalid range format for --expose: ${spec}, error: empty string specified for ports`);
  }
  const { first, last } = range(
    port,
    (cause) => `invalid range format for --expose: ${spec}, error: ${cause}`,
  );
  return Array.from({ length: last - first + 1 }, (_, offset) => `${first + offset}/${proto}`);
}
