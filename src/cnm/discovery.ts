// Service discovery: the records that name endpoints, and the resolver of one sandbox.

import type { NameServer } from "../dns/index.ts";
import { type Address, prefixContains, sameAddress } from "../netip/index.ts";
import type { ResolverConfig, Resolvers } from "../proxy/index.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import { byGatewayOrder } from "./gateway.ts";
import type { Netns } from "./netns.ts";
import type { NetworkEndpoint } from "./network.ts";
import { networkDns } from "./network-options.ts";

type Tellers = Pick<ControllerParts, "resolvers" | "globals">;

/**
 * Makes an endpoint's names known: here when it resolves, on other hosts soon after. On networks without names nothing is
 * said.
 */
export async function announce({ resolvers, globals }: Tellers, endpoint: Endpoint): Promise<void> {
  const { names, networkId } = endpoint.record;
  if (names.length === 0) return;
  const isReady = globals.announce(endpoint);
  await resolvers.setRecord(endpoint.id, {
    networkId,
    networkName: endpoint.networkName,
    endpointId: endpoint.id,
    names,
    addresses: endpoint.addresses,
    ...(!isReady && { isReady }),
  });
}

/** Takes an endpoint's names back. May be repeated. */
export async function withdraw({ resolvers, globals }: Tellers, endpoint: Endpoint): Promise<void> {
  globals.withdraw(endpoint.id);
  if (endpoint.record.names.length > 0) await resolvers.setRecord(endpoint.id, undefined);
}

/** Endpoints on networks whose containers have names, in the order in which their networks win. */
export function namedEndpoints(endpoints: readonly Endpoint[]): Endpoint[] {
  return endpoints
    .filter(({ network, isHidden }) => network.isUserDefined && !isHidden)
    .toSorted(byGatewayOrder);
}

/** The name servers that a sandbox's networks, or their drivers, say it shall ask, in gateway order. */
export function networkServers(endpoints: readonly Endpoint[]): Address[] {
  const servers = endpoints
    .toSorted(byGatewayOrder)
    .flatMap(({ network, record }) => [...networkDns(network.record), ...(record.dnsServers ?? [])]);
  return servers.filter((server, at) => servers.findIndex((other) => sameAddress(other, server)) === at);
}

/**
 * The servers that a sandbox may ask. One without a way out asks nobody but servers that somebody chose for it and that
 * are beside it on its networks; a gateway's address is the host's, which would ask on.
 */
export function reachable(
  servers: readonly NameServer[],
  endpoints: readonly Endpoint[],
): readonly NameServer[] {
  if (endpoints.some(({ isExternal }) => isExternal)) return servers;
  return servers.filter(({ from, address }) => from === "sandbox" && isBeside(address, endpoints));
}

function isBeside(server: Address, endpoints: readonly Endpoint[]): boolean {
  const pools = endpoints.flatMap(({ network }) => network.record.pools);
  if (pools.some(({ gateway }) => sameAddress(gateway, server))) return false;
  return pools.some(({ subnet }) => subnet.length > 0 && prefixContains(subnet, server));
}

/** Names that only this sandbox knows: its links, resolved to endpoints that are there now. */
export function privateNames(endpoints: readonly Endpoint[]): Record<string, string[]> {
  const names: Record<string, string[]> = {};
  for (const endpoint of namedEndpoints(endpoints)) {
    for (const { container, alias } of endpoint.record.spec.links) {
      const linked = linkedEndpoint(endpoint, container);
      if (linked) names[alias] = [...(names[alias] ?? []), linked.id];
    }
  }
  return names;
}

/** The endpoint of a linked container on the same network. */
export function linkedEndpoint({ network }: Endpoint, container: string): NetworkEndpoint | undefined {
  return [...network.endpoints.values()].find(
    ({ record }) => record.containerName === container || record.containerId === container,
  );
}

/** The resolver of one sandbox: started with its first named endpoint, ended with the sandbox. */
export class SandboxResolver {
  readonly #resolvers: Resolvers;
  readonly #sandboxId: string;
  #shown: string | undefined;
  #hasEnded = false;

  constructor(resolvers: Resolvers, sandboxId: string) {
    this.#resolvers = resolvers;
    this.#sandboxId = sandboxId;
  }

  get isRunning(): boolean {
    return this.#shown !== undefined;
  }

  /** Starts it or changes what it knows. Repeating a call changes nothing; after `end` none does. */
  async set(netns: Netns, config: Omit<ResolverConfig, "netns">): Promise<void> {
    const whole = { ...config, netns: netns.path };
    const shown = JSON.stringify(whole, (_, value) =>
      typeof value === "bigint" ? value.toString(16) : value,
    );
    if (shown === this.#shown || this.#hasEnded) return;
    const isFirst = !this.#shown;
    // until it has answered nobody knows what it knows; `end` ends it all the same
    this.#shown = "";
    const ports = await this.#resolvers.setResolver(this.#sandboxId, whole);
    // links of others are refreshed without this container's lock: it may be on its way out
    if (this.#hasEnded) return void (await this.#resolvers.setResolver(this.#sandboxId, undefined));
    if (isFirst) await netns.setDnsRedirect(ports);
    this.#shown = shown;
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    if (this.#shown === undefined) return;
    this.#shown = undefined;
    await this.#resolvers.setResolver(this.#sandboxId, undefined);
  }
}
