// Requests as the engine would make them, with everything that a test does not care about filled in.

import type { EndpointSpec, NetworkSpec, SandboxSpec } from "../../../src/cnm/index.ts";
import { type Address, type Prefix, parseAddress, parsePrefix } from "../../../src/netip/index.ts";
import { newId } from "../../../src/util/ids.ts";

/** docker0 as a daemon without options makes it. */
export const defaultBridge = {
  link: "docker0",
  mustExist: false,
  ipv6: false,
  icc: true,
  masquerade: true,
} as const;

export function networkSpec(name: string, part: Partial<NetworkSpec> = {}): NetworkSpec {
  return {
    name,
    driver: "bridge",
    internal: false,
    attachable: false,
    ingress: false,
    configOnly: false,
    ipam: { driver: "default", pools: [] },
    options: {},
    labels: {},
    ...part,
  };
}

export function endpointSpec(network: string, part: Partial<EndpointSpec> = {}): EndpointSpec {
  return { network, linkLocal: [], aliases: [], links: [], driverOptions: {}, gatewayPriority: 0, ...part };
}

export function sandboxSpec(containerName: string, part: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    containerId: newId(),
    containerName,
    hostname: containerName,
    netns: "own",
    sysctls: {},
    files: {},
    dns: {},
    extraHosts: [],
    exposedPorts: [],
    portBindings: [],
    publishAll: false,
    endpoints: [],
    ...part,
  };
}

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new TypeError(`not an address: ${text}`);
  return parsed;
}

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new TypeError(`not a prefix: ${text}`);
  return parsed;
}

export function pool(
  subnet: string,
  part: { range?: string; gateway?: string; aux?: Record<string, string> } = {},
) {
  return {
    subnet: prefix(subnet),
    ...(part.range && { range: prefix(part.range) }),
    ...(part.gateway && { gateway: address(part.gateway) }),
    auxiliaryAddresses: Object.fromEntries(
      Object.entries(part.aux ?? {}).map(([name, text]) => [name, address(text)]),
    ),
  };
}
