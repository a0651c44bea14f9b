// The networking part of a create request, from text to values.

import { joinBindings, joinExposed } from "../../engine/port-runs.ts";
import type {
  EndpointSpec,
  ExposedPorts,
  ExtraHost,
  NetworkingSpec,
  NetworkMode,
  PortBinding,
} from "../../engine/types.ts";
import { type PortRange, parsePortRange, portRangeSize } from "../../netip/index.ts";
import { invalid } from "../../util/errors.ts";
import { readEndpoint, readLink } from "../networks/endpoint.ts";
import type { CreateContainerRequest, HostConfig } from "../schemas/container-config.ts";
import { defined, nonEmpty, readAddress, readMac, readPorts } from "../text.ts";
import { type ApiVersion, isBefore } from "../version.ts";

/** Throws invalid on anything malformed. */
export function readNetworking(request: CreateContainerRequest, version: ApiVersion): NetworkingSpec {
  const host = request.HostConfig ?? {};
  const networkMode = readNetworkMode(host.NetworkMode ?? "");
  if (networkMode.kind === "container" && Object.keys(request.ExposedPorts ?? {}).length > 0)
    throw invalid("conflicting options: port exposing and the container type network mode");
  const bindings = Object.entries(host.PortBindings ?? {});
  const endpoints = readEndpoints(request, networkMode, version);
  const links = (host.Links ?? []).map(readLink);
  const isLegacyLinks = networkName(networkMode) === undefined || networkName(networkMode) === "bridge";
  return {
    ...defined({ hostname: nonEmpty(request.Hostname), domainname: nonEmpty(request.Domainname) }),
    networkDisabled: request.NetworkDisabled ?? false,
    networkMode,
    endpoints: isLegacyLinks ? endpoints : withLinks(endpoints, links),
    exposedPorts: exposedPorts([
      ...Object.keys(request.ExposedPorts ?? {}),
      ...bindings.map(([port]) => port),
    ]),
    portBindings: joinBindings(
      bindings.flatMap(([port, hosts]) => hosts.flatMap((it) => readBinding(port, it))),
    ),
    publishAllPorts: host.PublishAllPorts ?? false,
    dns: (host.Dns ?? []).map((text) => readAddress(text, "DNS server")),
    dnsSearch: host.DnsSearch ?? [],
    dnsOptions: host.DnsOptions ?? [],
    extraHosts: (host.ExtraHosts ?? []).map(readExtraHost),
    links: isLegacyLinks ? links : [],
    sysctls: host.Sysctls ?? {},
  };
}

/** "", default, none, host, container:<name or id>, or a network. */
function readNetworkMode(text: string): NetworkMode {
  if (text === "" || text === "default") return { kind: "default" };
  if (text === "none" || text === "host") return { kind: text };
  if (!text.startsWith("container:")) return { kind: "network", network: text };
  const container = text.slice("container:".length);
  if (container === "")
    throw invalid("invalid container network mode: container name or ID must not be empty");
  return { kind: "container", container };
}

/** The network a mode names: `bridge` for the default; undefined for modes without one. */
function networkName(mode: NetworkMode): string | undefined {
  if (mode.kind === "default") return "bridge";
  return mode.kind === "network" ? mode.network : undefined;
}

function readEndpoints(
  request: CreateContainerRequest,
  mode: NetworkMode,
  version: ApiVersion,
): readonly EndpointSpec[] {
  const given = Object.entries(request.NetworkingConfig?.EndpointsConfig ?? {});
  if (given.length > 1 && isBefore(version, 44)) {
    const names = given.map(([name]) => name).join(", ");
    throw invalid(`Container cannot be connected to network endpoints: ${names}`);
  }
  const own = mode.kind === "container" ? `container:${mode.container}` : undefined;
  const endpoints = given
    .filter(([name]) => name !== own)
    .map(([name, input]) => readEndpoint(name === "default" ? "bridge" : name, input));
  const main = networkName(mode);
  // Go's maps have lost the order in which the user named the networks, but for the first
  const listed = endpoints.filter(({ network }) => network === main);
  const first = listed.length > 0 || main === undefined ? listed : [readEndpoint(main, {})];
  const all = [...first, ...endpoints.filter(({ network }) => network !== main)];
  return withMac(all, { main, text: request.MacAddress });
}

// the container-wide address of old clients belongs to the main network
function withMac(
  endpoints: readonly EndpointSpec[],
  { main, text }: { main: string | undefined; text: string | undefined },
): readonly EndpointSpec[] {
  if (!text) return endpoints;
  if (main === undefined) throw invalid("conflicting options: mac-address and the network mode");
  const mac = readMac(text);
  return endpoints.map((endpoint) => {
    if (endpoint.network !== main) return endpoint;
    if (endpoint.mac !== undefined && endpoint.mac !== mac)
      throw invalid(
        "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
      );
    return { ...endpoint, mac };
  });
}

// on a user network --link is a private name on the main endpoint
function withLinks(
  endpoints: readonly EndpointSpec[],
  links: EndpointSpec["links"],
): readonly EndpointSpec[] {
  const [main, ...others] = endpoints;
  if (!main) return endpoints;
  // clients say them in both places
  const isSaid = (link: EndpointSpec["links"][number]) =>
    main.links.some(({ container, alias }) => container === link.container && alias === link.alias);
  return [{ ...main, links: [...main.links, ...links.filter((link) => !isSaid(link))] }, ...others];
}

function exposedPorts(texts: readonly string[]): readonly ExposedPorts[] {
  const byKey = new Map<string, ExposedPorts>();
  for (const text of texts) {
    const ports = readPorts(text);
    byKey.set(`${ports.range.first}-${ports.range.last}/${ports.protocol}`, ports);
  }
  return joinExposed([...byKey.values()]);
}

type HostPortInput = { readonly HostIp?: string; readonly HostPort?: string };

/** One binding, or one a port when a whole range is published on a range of the same size. Throws invalid. */
export function readBinding(port: string, { HostIp, HostPort }: HostPortInput): readonly PortBinding[] {
  const { protocol, range } = readPorts(port);
  const hostPorts = readHostPorts(HostPort ?? "");
  const address = HostIp ? { hostAddress: readAddress(HostIp, "host address") } : {};
  const count = portRangeSize(range);
  if (count === 1)
    return [{ protocol, containerPort: range.first, ...address, ...(hostPorts && { hostPorts }) }];
  if (hostPorts && portRangeSize(hostPorts) !== count)
    throw invalid(`invalid ranges specified for container and host Ports: ${port} and ${HostPort}`);
  return Array.from({ length: count }, (_, at) => ({
    protocol,
    containerPort: range.first + at,
    ...address,
    ...(hostPorts && { hostPorts: { first: hostPorts.first + at, last: hostPorts.first + at } }),
  }));
}

/** "" and 0: any free port. */
function readHostPorts(text: string): PortRange | undefined {
  if (text === "" || text === "0") return undefined;
  const range = parsePortRange(text);
  if (!range || range.first === 0) throw invalid(`invalid port specification: ${JSON.stringify(text)}`);
  return range;
}

/** `name:address` or `name=address`; the address may be `host-gateway` and may stand in brackets. */
function readExtraHost(text: string): ExtraHost {
  const [, name, value = ""] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  if (name === undefined) throw invalid(`bad format for add-host: ${JSON.stringify(text)}`);
  if (value === "host-gateway") return { name, address: value };
  return { name, address: readAddress(value.replace(/^\[(.*)\]$/, "$1"), "IP address in add-host") };
}

/** How inspect shows a mode. */
export function networkModeText(mode: NetworkMode): NonNullable<HostConfig["NetworkMode"]> {
  if (mode.kind === "container") return `container:${mode.container}`;
  return networkName(mode) ?? mode.kind;
}
