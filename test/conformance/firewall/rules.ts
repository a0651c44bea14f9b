// Rules of the packet suite in few words.

import type { AllowRule, BridgeRule, PublishRule, Rule } from "../../../src/firewall/index.ts";
import { type PortRange, type Protocol, parsePortRange, parsePrefix } from "../../../src/netip/index.ts";
import { address } from "./lab.ts";

/** What the ports of the town's bridges wear. */
export const portGroups = { br1: 0x7465_0001, br2: 0x7465_0002 } as const;

/** A bridge of the town with its subnets; an ordinary one unless told. */
export function bridge(link: "br1" | "br2", more: Partial<BridgeRule> = {}): BridgeRule {
  const number = link.slice(2);
  return {
    kind: "bridge",
    link,
    subnets: [`172.20.${number}.0/24`, `fd00:${number}::/64`].flatMap((text) => parsePrefix(text) ?? []),
    icc: true,
    internal: false,
    source: { 4: "masquerade", 6: "masquerade" },
    gatewayMode: { 4: "nat", 6: "nat" },
    trustedLinks: [],
    portGroup: portGroups[link],
    ...more,
  };
}

/** `publish("8080", "172.20.1.2", "80")`, on all addresses unless `at` is given. */
export function publish(
  hostPorts: string,
  target: string,
  targetPorts: string,
  { protocol = "tcp", at }: { protocol?: Protocol; at?: string } = {},
): PublishRule {
  return {
    kind: "publish",
    link: "br1",
    protocol,
    ...(at ? { hostAddress: address(at) } : {}),
    hostPorts: ports(hostPorts),
    target: address(target),
    targetPorts: ports(targetPorts),
  };
}

export function allow(target: string, targetPorts: string, from?: string): AllowRule {
  return {
    kind: "allow",
    link: "br1",
    protocol: "tcp",
    target: address(target),
    targetPorts: ports(targetPorts),
    ...(from ? { from: address(from) } : {}),
  };
}

/** Both bridges as they usually are, and more rules. */
export function usual(...rules: readonly Rule[]): Rule[] {
  return [bridge("br1"), bridge("br2"), ...rules];
}

function ports(text: string): PortRange {
  const range = parsePortRange(text);
  if (!range) throw new Error(`${text} are no ports`);
  return range;
}
