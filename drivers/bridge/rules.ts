// What a bridge network and its published ports mean to the firewall. Pure functions from values to rules.

import type {
  AllowRule,
  BridgeRule,
  EndpointInterface,
  GuardRule,
  PublishedPort,
  PublishRule,
} from "../../src/driverapi/index.ts";
import {
  type Address,
  formatAddress,
  isUnspecified,
  type Protocol,
  subnetOf,
} from "../../src/netip/index.ts";
import { addressesOf, type BridgeLink, portGroup } from "./bridge-link.ts";
import type { BridgeConfig } from "./options.ts";

/** A published port and the container's address that it leads to. */
export interface Mapping extends PublishedPort {
  readonly target: Address;
}

/** Isolation, masquerade and gateway modes of one network. */
export function bridgeRule(config: BridgeConfig, bridge: Pick<BridgeLink, "index" | "mac">): BridgeRule {
  const pools = [...config.ipv4, ...config.ipv6];
  const source = (mode: BridgeConfig["modeIpv4"], address: Address | undefined) => {
    if (!config.masquerade || config.internal || mode === "routed" || mode === "isolated") return "keep";
    return address ?? "masquerade";
  };
  return {
    kind: "bridge",
    link: config.link,
    subnets: pools.map(({ pool }) => subnetOf(pool)),
    icc: config.icc,
    internal: config.internal,
    source: { 4: source(config.modeIpv4, config.sourceIpv4), 6: source(config.modeIpv6, config.sourceIpv6) },
    gatewayMode: { 4: config.modeIpv4, 6: config.modeIpv6 },
    trustedLinks: config.trustedLinks,
    hostAccess: config.hostAccess,
    portGroup: portGroup(bridge),
    ...(bridge.mac && {
      self: { mac: bridge.mac, addresses: addressesOf(config).map(({ address }) => address) },
    }),
  };
}

/** What the container behind a port is; undefined before it has a MAC. */
export function guardRule(
  config: BridgeConfig,
  bridge: Pick<BridgeLink, "index">,
  own: { readonly port: string; readonly interface: EndpointInterface },
): GuardRule | undefined {
  const { macAddress: mac, address, addressIpv6 } = own.interface;
  if (!mac) return undefined;
  return {
    kind: "guard",
    link: config.link,
    port: own.port,
    portGroup: portGroup(bridge),
    mac,
    addresses: [address, addressIpv6].flatMap((prefix) => prefix?.address ?? []),
    antispoof: config.antispoof,
  };
}

/** Translations for mappings; neighbours in both port numbers become one rule, which costs as much as one port. */
export function publishRules(link: string, mappings: readonly Mapping[]): PublishRule[] {
  const rules: PublishRule[] = [];
  for (const { first, last } of runs(mappings)) {
    rules.push({
      kind: "publish",
      link,
      protocol: first.protocol,
      ...(isUnspecified(first.hostAddress) ? {} : { hostAddress: first.hostAddress }),
      hostPorts: { first: first.hostPort, last: last.hostPort },
      target: first.target,
      targetPorts: { first: first.containerPort, last: last.containerPort },
    });
  }
  return rules;
}

/** Ports that are reached at the container's own address (routed mode). */
export function allowRules(
  link: string,
  ports: readonly { readonly protocol: Protocol; readonly containerPort: number; readonly target: Address }[],
): AllowRule[] {
  const mappings = ports.map((port) => ({ ...port, hostAddress: port.target, hostPort: port.containerPort }));
  return runs(mappings).map(({ first, last }) => ({
    kind: "allow",
    link,
    target: first.target,
    protocol: first.protocol,
    targetPorts: { first: first.containerPort, last: last.containerPort },
  }));
}

interface Run {
  readonly first: Mapping;
  readonly last: Mapping;
}

/** Splits mappings into longest runs in which both ports go up by one. */
function runs(mappings: readonly Mapping[]): Run[] {
  // keys are made once per mapping: a thousand ports are an ordinary case
  return [...Map.groupBy(mappings, targetKey).values()].flatMap(runsOfTarget);
}

function runsOfTarget(mappings: readonly Mapping[]): Run[] {
  const found: { first: Mapping; last: Mapping }[] = [];
  for (const mapping of mappings.toSorted(
    (a, b) => a.hostPort - b.hostPort || a.containerPort - b.containerPort,
  )) {
    const run = found.at(-1);
    if (run && follows(run.last, mapping)) run.last = mapping;
    else found.push({ first: mapping, last: mapping });
  }
  return found;
}

function follows(a: Mapping, b: Mapping): boolean {
  return b.hostPort === a.hostPort + 1 && b.containerPort === a.containerPort + 1;
}

function targetKey({ protocol, hostAddress, target }: Mapping): string {
  return `${protocol} ${formatAddress(hostAddress)} ${formatAddress(target)}`;
}
