// Rules in words, for people who look at a network: the key says which rule it is, the rest what it does.

import { type Address, formatAddress, formatPortRange, formatPrefix } from "../netip/index.ts";
import { ruleKey } from "./key.ts";
import type { BridgeRule, GuardRule, Rule } from "./rules.ts";

/** `publish 0.0.0.0:8080/tcp: to 172.18.0.2:80`. */
export function ruleWords(rule: Rule): string {
  const key = ruleKey(rule);
  switch (rule.kind) {
    case "bridge":
      return `${key}: ${bridgeWords(rule)}`;
    case "guard":
      return `${key}: ${guardWords(rule)}`;
    case "publish":
      return `${key}: to ${at(rule.target)}:${formatPortRange(rule.targetPorts)}`;
    case "open":
    case "allow":
    case "forwarding":
      return key;
  }
}

function bridgeWords(rule: BridgeRule): string {
  const { subnets, icc, internal, gatewayMode, source, trustedLinks, hostAccess } = rule;
  const sourceWords = (it: BridgeRule["source"][4]) => (typeof it === "string" ? it : formatAddress(it));
  const words = [
    subnets.map(formatPrefix).join(" "),
    icc ? "icc" : "no icc",
    internal && "internal",
    `gateway modes ${gatewayMode[4]}/${gatewayMode[6]}`,
    `source ${sourceWords(source[4])}/${sourceWords(source[6])}`,
    trustedLinks.length > 0 && `trusted ${trustedLinks.join(" ")}`,
    hostAccess !== undefined && hostAccess !== "all" && `host access ${hostAccess}`,
  ];
  return words.filter((word) => word !== false && word !== "").join(", ");
}

function guardWords({ mac, addresses, antispoof }: GuardRule): string {
  return [mac, ...addresses.map(formatAddress), `antispoof ${antispoof}`].join(", ");
}

function at(address: Address): string {
  const text = formatAddress(address);
  return address.family === 6 ? `[${text}]` : text;
}
