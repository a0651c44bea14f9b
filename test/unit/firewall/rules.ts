// Rules for unit tests, in few words.

import type {
  AllowRule,
  Antispoof,
  BridgeRule,
  GuardRule,
  OpenRule,
  PublishRule,
} from "../../../src/firewall/index.ts";
import {
  type Address,
  type Mac,
  parseAddress,
  parseMac,
  parsePortRange,
  parsePrefix,
} from "../../../src/netip/index.ts";

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}

export function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (!parsed) throw new Error(`${text} is no MAC`);
  return parsed;
}

export function guard(
  port: string,
  own: string,
  addresses: readonly string[],
  antispoof: Antispoof = "owned",
): GuardRule {
  return {
    kind: "guard",
    link: "br1",
    port,
    portGroup: 7,
    mac: mac(own),
    addresses: addresses.map(address),
    antispoof,
  };
}

export function open(hostPorts: string, family: 4 | 6, at?: string): OpenRule {
  return {
    kind: "open",
    protocol: "tcp",
    family,
    hostPorts: range(hostPorts),
    ...(at ? { hostAddress: address(at) } : {}),
  };
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

/** `from`: an address, `trusted`, or anywhere. */
export function allow(target: string, ports: string, from?: string): AllowRule {
  return {
    kind: "allow",
    link: "br1",
    target: address(target),
    protocol: "tcp",
    targetPorts: range(ports),
    ...(from ? { from: from === "trusted" ? from : address(from) } : {}),
  };
}

function range(text: string) {
  const parsed = parsePortRange(text);
  if (!parsed) throw new Error(`${text} are no ports`);
  return parsed;
}
