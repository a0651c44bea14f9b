// What rules are compared by: the key says which rule it is, the text whether it is still the same.

import { formatAddress, formatPortRange, isUnspecified } from "../netip/index.ts";
import type { OpenRule, PublishRule, Rule, RuleKey } from "./rules.ts";

/** The key of a rule, as the rules' own comments define it. */
export function ruleKey(rule: Rule): RuleKey {
  switch (rule.kind) {
    case "bridge":
      return `bridge ${rule.link}`;
    case "guard":
      return `guard ${rule.port}`;
    case "publish":
      return `publish ${publishedAt(rule)}`;
    case "forwarding":
      return `forwarding ${rule.family}`;
    case "open":
      return `open ${rule.family} ${openAt(rule)}`;
    case "allow": {
      const from = typeof rule.from === "object" ? formatAddress(rule.from) : (rule.from ?? "any");
      const to = `${formatAddress(rule.target)} ${rule.protocol} ${formatPortRange(rule.targetPorts)}`;
      return `allow ${rule.link} ${from} ${to}`;
    }
  }
}

/** A text that two rules share when they want the same. */
export function ruleText(rule: Rule): string {
  return JSON.stringify(rule, (_, value) => (typeof value === "bigint" ? value.toString() : value));
}

function openAt({ hostAddress, hostPorts, protocol }: OpenRule): string {
  const address = hostAddress ? formatAddress(hostAddress) : "any";
  return `${address} ${formatPortRange(hostPorts)}/${protocol}`;
}

/** `0.0.0.0:8080-8090/tcp`, for keys and messages. */
export function publishedAt(rule: PublishRule): string {
  const host = hostAddressOf(rule);
  const any = rule.target.family === 4 ? "0.0.0.0" : "::";
  const address = host ? formatAddress(host) : any;
  const shown = address.includes(":") ? `[${address}]` : address;
  return `${shown}:${formatPortRange(rule.hostPorts)}/${rule.protocol}`;
}

/** The one host address of a published port; undefined for every address, in whichever way that was said. */
export function hostAddressOf(rule: Pick<PublishRule, "hostAddress">) {
  return rule.hostAddress && !isUnspecified(rule.hostAddress) ? rule.hostAddress : undefined;
}
