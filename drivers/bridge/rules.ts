// What a bridge network and its published ports mean to the firewall. Pure functions from values to rules.

import type { BridgeRule, EndpointInterface, GuardRule } from "../../src/driverapi/index.ts";
import { type Address, subnetOf } from "../../src/netip/index.ts";
import { addressesOf, type BridgeLink, portGroup } from "./bridge-link.ts";
import type { BridgeConfig } from "./options.ts";

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
  own: {
    readonly port: string;
    readonly interface: EndpointInterface;
    readonly linkLocal?: readonly Address[];
  },
): GuardRule | undefined {
  const { macAddress: mac, address, addressIpv6 } = own.interface;
  if (!mac) return undefined;
  return {
    kind: "guard",
    link: config.link,
    port: own.port,
    portGroup: portGroup(bridge),
    mac,
    addresses: [
      ...[address, addressIpv6].flatMap((prefix) => prefix?.address ?? []),
      ...(own.linkLocal ?? []),
    ],
    antispoof: config.antispoof,
  };
}
