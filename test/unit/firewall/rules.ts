// Rules for unit tests, in few words.

import type { AllowRule, BridgeRule, PublishRule } from "../../../src/firewall/index.ts";
import { type Address, parseAddress, parsePortRange, parsePrefix } from "../../../src/netip/index.ts";

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}

export function bridge(link: string, more: Partial<BridgeRule> = {}, subnets = ["10.1.0.0/24"]): BridgeRule {
  return {
    kind: "bridge",
    link,
    subnets: subnets.flatMap((text) => parsePrefix(text) ?? []),
    icc: true,
    internal: false,
    source: { 4: "masquerade", 6: "masquerade" },
    gatewayMode: { 4: "nat", 6: "nat" },
    trustedLinks: [],
    ...more,
  };
}

export function publish(host: string, target: string, ports: string, at?: string): PublishRule {
  return {
    kind: "publish",
    link: "br1",
    protocol: "tcp",
    hostPorts: range(host),
    target: address(target),
    targetPorts: range(ports),
    ...(at ? { hostAddress: address(at) } : {}),
  };
}

export function allow(target: string, ports: string, from?: string): AllowRule {
  return {
    kind: "allow",
    link: "br1",
    target: address(target),
    protocol: "tcp",
    targetPorts: range(ports),
    ...(from ? { from: address(from) } : {}),
  };
}

function range(text: string) {
  const parsed = parsePortRange(text);
  if (!parsed) throw new Error(`${text} are no ports`);
  return parsed;
}
