// Which network stack a container lives in: contradictions refused at create, the sandbox asked for at start.

import type { SandboxSpec } from "../cnm/index.ts";
import type { Address } from "../netip/index.ts";
import { conflict, errorKind, internal, invalid, notFound } from "../util/errors.ts";
import { shortId } from "../util/ids.ts";
import type { Container } from "./container.ts";
import { containerFolder } from "./folders.ts";
import type { EngineContext } from "./parts.ts";
import type { ContainerSpec, EndpointSpec } from "./types.ts";

/** Checks what can be known before the container exists. @throws in Docker's words; returns warnings */
export function checkNetworking(context: EngineContext, spec: ContainerSpec): string[] {
  const mode = spec.networkMode;
  if (mode.kind === "container") checkShared(context, spec, mode.container);
  if (mode.kind === "host") checkHost(spec);
  const exclusive = mode.kind === "none" || mode.kind === "host" || mode.kind === "container";
  const others = spec.endpoints.filter(({ network }) => network !== mode.kind);
  if (exclusive && others.length > 0) throw exclusiveError(mode.kind);
  if (!exclusive) for (const endpoint of spec.endpoints) checkEndpoint(context, endpoint);
  checkEach(spec);
  const publishes = spec.portBindings.length > 0 || spec.publishAllPorts;
  return mode.kind === "host" && publishes
    ? ["Published ports are discarded when using host network mode"]
    : [];
}

// a network may be made between create and start; a 404 here would send clients looking for the image
function checkEndpoint(context: EngineContext, endpoint: EndpointSpec): void {
  try {
    context.controller.checkEndpoint(endpoint);
  } catch (error) {
    if (errorKind(error) !== "not-found") throw error;
  }
}

/** Each network once, by whatever names it was called, and each interface's name. */
function checkEach({ endpoints }: ContainerSpec): void {
  const networks = endpoints.map(({ network }) => network);
  const twice = networks.find((network, at) => networks.indexOf(network) !== at);
  if (twice !== undefined) throw invalid(`container cannot be connected to network ${twice} twice`);
  const names = endpoints.flatMap(({ driverOptions }) => driverOptions[interfaceNameOption] || []);
  const same = names.find((name, at) => names.indexOf(name) !== at);
  if (same !== undefined) throw invalid(`invalid value for ${interfaceNameOption}: ${same} is there twice`);
}

const interfaceNameOption = "com.docker.network.endpoint.ifname";

/** Networks by their names where they are there already, however the client called them. */
export function withNetworkNames({ controller }: EngineContext, spec: ContainerSpec): ContainerSpec {
  const nameOf = (ref: string): string => {
    try {
      return controller.network(ref).name;
    } catch {
      // to be made before the start, perhaps; or no network at all, which is told later
      return ref;
    }
  };
  const endpoints = spec.endpoints.map((endpoint) => ({ ...endpoint, network: nameOf(endpoint.network) }));
  return { ...spec, endpoints };
}

function exclusiveError(kind: "none" | "host" | "container"): Error {
  if (kind === "none") {
    return invalid(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
  if (kind === "host") return invalid("container cannot be connected to host network and another network");
  return invalid(
    "container sharing network namespace with another container or host cannot be connected to any other network",
  );
}

function checkHost(spec: ContainerSpec): void {
  if (spec.links.length > 0) {
    throw invalid(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
  const namespaced = Object.keys(spec.sysctls).find((key) => key.startsWith("net."));
  if (namespaced) throw invalid(`sysctl "${namespaced}" not allowed in host network namespace`);
}

function checkShared(context: EngineContext, spec: ContainerSpec, target: string): void {
  context.registry.find(target);
  const clashes: readonly [boolean, string][] = [
    [spec.hostname !== undefined, "hostname and the network mode"],
    [spec.dns.length > 0, "dns and the network mode"],
    [spec.extraHosts.length > 0, "custom host-to-IP mapping and the network mode"],
    [
      spec.links.length > 0,
      "container type network can't be used with links. This would result in undefined behavior",
    ],
    [
      spec.portBindings.length > 0 || spec.publishAllPorts,
      "port publishing and the container type network mode",
    ],
  ];
  const clash = clashes.find(([isThere]) => isThere);
  if (clash) throw invalid(`conflicting options: ${clash[1]}`);
}

/** The files that a container sees as /etc/hosts and so on. */
export interface EtcFiles {
  readonly hosts: string;
  readonly resolvConf: string;
  readonly hostname: string;
}

/** Where a container's files are: its own, or those of the container whose network it shares. */
export function etcFiles(context: EngineContext, container: Container): EtcFiles {
  const mode = container.record.spec.networkMode;
  const folder = containerFolder(context, mode.kind === "container" ? mode.container : container.id);
  return { hosts: `${folder}/hosts`, resolvConf: `${folder}/resolv.conf`, hostname: `${folder}/hostname` };
}

/** The name that the container's UTS namespace gets; undefined: it shares another's. */
export function hostnameOf(context: EngineContext, container: Container): string {
  const { spec } = container.record;
  const mode = spec.networkMode;
  if (mode.kind === "container") {
    const owner = context.registry.get(mode.container);
    // it may have been removed since: the name that it had by default is as good as any
    return owner ? hostnameOf(context, owner) : shortId(mode.container);
  }
  if (spec.hostname !== undefined) return spec.hostname;
  return mode.kind === "host" || spec.utsMode === "host" ? context.settings.hostname : shortId(container.id);
}

/** The netns path of the container whose network stack is shared. @throws conflict when it does not run */
export function sharedNetns(context: EngineContext, ref: string): string {
  const owner = context.registry.find(ref);
  if (!owner.running) throw conflict(`cannot join network namespace of a non running container: ${owner.id}`);
  const mode = owner.record.spec.networkMode;
  if (mode.kind === "container") return sharedNetns(context, mode.container);
  return `/proc/${owner.running.task.pid}/ns/net`;
}

/** The sandbox to ask the controller for. */
export function sandboxSpec(context: EngineContext, container: Container): SandboxSpec {
  const { spec } = container.record;
  const { dns } = context.settings;
  const files = etcFiles(context, container);
  const mode = spec.networkMode;
  const search = spec.dnsSearch.length > 0 ? spec.dnsSearch : dns.search;
  const options = spec.dnsOptions.length > 0 ? spec.dnsOptions : dns.options;
  return {
    containerId: container.id,
    containerName: container.name,
    hostname: hostnameOf(context, container),
    ...(spec.domainname && { domainname: spec.domainname }),
    netns: mode.kind === "host" ? "host" : "own",
    sysctls: spec.sysctls,
    files: { hosts: files.hosts, resolvConf: files.resolvConf },
    dns: {
      ...(spec.dns.length > 0 && { servers: spec.dns }),
      ...(dns.servers.length > 0 && { fallbackServers: dns.servers }),
      ...(search.length > 0 && { search }),
      ...(options.length > 0 && { options }),
    },
    extraHosts: spec.extraHosts.flatMap(({ name, address }) =>
      (address === "host-gateway" ? hostGateways(context) : [address]).map((it) => ({ name, address: it })),
    ),
    exposedPorts: exposedOf(spec),
    portBindings: spec.portBindings,
    publishAll: spec.publishAllPorts,
    endpoints: withLegacyLinks(context, container, endpointSpecs(spec)),
  };
}

/** Exposed ports in the model's words. */
export function exposedOf({ exposedPorts }: ContainerSpec): SandboxSpec["exposedPorts"] {
  return exposedPorts.map(({ protocol, range: { first, last } }) => ({
    protocol,
    port: first,
    ...(last > first && { count: last - first + 1 }),
  }));
}

function endpointSpecs(spec: ContainerSpec): readonly EndpointSpec[] {
  const { kind } = spec.networkMode;
  if (kind !== "none" && kind !== "host") return spec.networkDisabled ? [] : spec.endpoints;
  return spec.endpoints.length > 0 ? spec.endpoints : [plainEndpoint(kind)];
}

/** Links of the default bridge, to containers by id: their names may change. @throws internal unless those run */
function withLegacyLinks(
  context: EngineContext,
  { name, record }: Container,
  endpoints: readonly EndpointSpec[],
): readonly EndpointSpec[] {
  const links = record.spec.links.map(({ container, alias }) => {
    const linked = context.registry.find(container);
    if (!linked.running)
      throw internal(`Cannot link to a non running container: /${linked.name} AS /${name}/${alias}`);
    return { container: linked.id, alias };
  });
  if (links.length === 0) return endpoints;
  return endpoints.map((endpoint) =>
    endpoint.network === "bridge" ? { ...endpoint, links: [...endpoint.links, ...links] } : endpoint,
  );
}

/** An endpoint without any wish. */
function plainEndpoint(network: string): EndpointSpec {
  return { network, linkLocal: [], aliases: [], links: [], driverOptions: {}, gatewayPriority: 0 };
}

/** What `host-gateway` stands for: what the operator said, else the gateways of the default bridge. */
function hostGateways(context: EngineContext): readonly Address[] {
  if (context.settings.hostGateways.length > 0) return context.settings.hostGateways;
  const bridge = context.controller
    .networks()
    .find(({ record }) => record.predefined && record.driver === "bridge");
  const gateways = bridge?.record.pools.flatMap(({ gateway }) => (gateway ? [gateway] : [])) ?? [];
  if (gateways.length === 0) {
    throw notFound("unable to derive the IP value for host-gateway: there is no default bridge");
  }
  return gateways;
}
