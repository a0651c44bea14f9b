// Rules of the packet suite in few words.

import type {
  AllowRule,
  Antispoof,
  BridgeRule,
  GuardRule,
  OpenRule,
  PublishRule,
  Rule,
} from "../../../src/firewall/index.ts";
import {
  type Mac,
  type PortRange,
  type Protocol,
  parseMac,
  parsePortRange,
  parsePrefix,
} from "../../../src/netip/index.ts";
import { address } from "./lab.ts";
import { macs } from "./town.ts";

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
    self: { mac: mac(macs[link]), addresses: [`172.20.${number}.1`, `fd00:${number}::1`].map(address) },
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

/** `from`: an address, `trusted`, or anywhere. */
export function allow(target: string, targetPorts: string, from?: string): AllowRule {
  return {
    kind: "allow",
    link: "br1",
    protocol: "tcp",
    target: address(target),
    targetPorts: ports(targetPorts),
    ...(from ? { from: from === "trusted" ? from : address(from) } : {}),
  };
}

/** The three containers on our bridges, guarded. */
export function guards(antispoof: Antispoof): GuardRule[] {
  const guard = (link: "br1" | "br2", number: number, own: Mac): GuardRule => ({
    kind: "guard",
    link,
    port: `p${link.slice(2)}-${number}`,
    portGroup: portGroups[link],
    mac: own,
    addresses: [`172.20.${link.slice(2)}.${number + 2}`, `fd00:${link.slice(2)}::${number + 2}`].map(address),
    antispoof,
  });
  return [guard("br1", 0, mac(macs.c1)), guard("br1", 1, mac(macs.c2)), guard("br2", 0, mac(macs.c3))];
}

/** A port of the host that counts as published. */
export function open(
  port: string,
  family: 4 | 6,
  { protocol = "tcp" }: { protocol?: Protocol } = {},
): OpenRule {
  return { kind: "open", protocol, family, hostPorts: ports(port) };
}

function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (!parsed) throw new Error(`${text} is no MAC`);
  return parsed;
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
