// The firewall's vocabulary: what drivers want, as values. No table, chain or rule of any back end is named here.
// A back end turns the sum of all owners' rules into kernel state (elements of maps and sets, mostly).

import type { Address, Family, Mac, PortRange, Prefix, Protocol } from "../netip/index.ts";

/** How packets reach a bridge network's containers from outside it (Docker's gateway modes). */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

/**
 * What containers of a network may reach of the host itself, at any of its addresses: everything, its published ports
 * alone, or nothing. Answers to what the host asks them always pass.
 */
export type HostAccess = "all" | "ports" | "none";

/**
 * What a container may claim to be. `off`: anything. `owned`: anything that belongs to nobody else on its bridge, so that
 * routers, virtual addresses and nested containers work; but it is never a router or a DHCP server to its neighbours.
 * `strict`: what it is and nothing else.
 */
export type Antispoof = "off" | "owned" | "strict";

/** One bridge network. Key: `link`. */
export interface BridgeRule {
  readonly kind: "bridge";
  /** Name of the bridge device. */
  readonly link: string;
  readonly subnets: readonly Prefix[];
  /** Containers on this bridge may talk to each other. */
  readonly icc: boolean;
  /** No traffic between the subnets and anything outside the bridge, published ports included. */
  readonly internal: boolean;
  /** Source address of packets that leave the bridge: `masquerade`, a fixed address (SNAT), or unchanged; per family. */
  readonly source: { readonly [F in Family]: "masquerade" | "keep" | Address };
  readonly gatewayMode: { readonly [F in Family]: GatewayMode };
  /** Host links from which allow rules for `trusted` let neighbours in although the mode is nat. */
  readonly trustedLinks: readonly string[];
  /** Default: all. */
  readonly hostAccess?: HostAccess;
  /**
   * Link group (IFLA_GROUP) that the bridge's ports wear and no other link: how a frame's bridge is told by its port.
   * Needed to keep containers apart and for guards.
   */
  readonly portGroup?: number;
  /** What the host is on the bridge, which no container may claim to be; absent: the host is not on it. */
  readonly self?: { readonly mac: Mac; readonly addresses: readonly Address[] };
}

/** One port of a bridge, and what the container behind it is. Key: `port`. */
export interface GuardRule {
  readonly kind: "guard";
  /** Bridge device. */
  readonly link: string;
  /** The host's end of the link: the port. */
  readonly port: string;
  /** The bridge's `portGroup`. */
  readonly portGroup: number;
  readonly mac: Mac;
  /** The container's own; the IPv6 link-local address that the MAC makes is among them unsaid. */
  readonly addresses: readonly Address[];
  readonly antispoof: Antispoof;
}

/**
 * Ports of the host itself that count as published: those that a process of the host (the forwarder) serves. Key: family,
 * protocol, host address and ports.
 */
export interface OpenRule {
  readonly kind: "open";
  readonly protocol: Protocol;
  readonly family: Family;
  /** Undefined: every address of the host of that family. */
  readonly hostAddress?: Address;
  readonly hostPorts: PortRange;
}

/** Host port(s) that lead to a container. Key: family, protocol, host address and ports. */
export interface PublishRule {
  readonly kind: "publish";
  /** Bridge device behind which the target is. */
  readonly link: string;
  readonly protocol: Protocol;
  /** A host's address, or undefined for every local address of the target's family. */
  readonly hostAddress?: Address;
  readonly hostPorts: PortRange;
  readonly target: Address;
  /** As many ports as `hostPorts`; the first host port leads to the first target port and so on. */
  readonly targetPorts: PortRange;
}

/**
 * Lets new flows reach a container's port directly, without translation (routed mode, published ports for trusted links,
 * legacy links). Those of one target, protocol and `from` do not overlap.
 */
export interface AllowRule {
  readonly kind: "allow";
  readonly link: string;
  /** Only from this address, or from the bridge's trusted links; undefined: from anywhere outside the bridge. */
  readonly from?: Address | "trusted";
  readonly target: Address;
  readonly protocol: Protocol;
  readonly targetPorts: PortRange;
}

/**
 * The host forwards because the daemon made it: what nobody lets through shall not be forwarded between its other links.
 * Under iptables that is the policy of FORWARD, set once and never taken back, as Docker has it; nftables leaves foreign
 * traffic to the host's own rules. Key: family.
 */
export interface ForwardingRule {
  readonly kind: "forwarding";
  readonly family: Family;
}

export type Rule = BridgeRule | GuardRule | PublishRule | OpenRule | AllowRule | ForwardingRule;

/** Packets with this mark (`mark & mask == value`) are let through whatever the rules say: the user's own word. */
export interface AcceptMark {
  readonly value: number;
  readonly mask: number;
}

/** What an owner's rules are compared by; two owners never hold the same key. */
export type RuleKey = string;

/** The firewall as its users see it. Desired state: `set` replaces all that the owner wanted before. */
export interface Firewall {
  /** `nftables`, `iptables` or `none`, as /info shows it. */
  readonly backend: "nftables" | "iptables" | "none";
  /**
   * Makes `rules` the owner's whole wish and waits until the kernel has it. `[]` removes the owner. Repeating a call
   * changes nothing. Calls that arrive while a transaction runs are merged into the next one.
   * @throws when a key is already held by another owner (conflict), or the kernel refuses; then nothing has changed
   */
  set(owner: string, rules: readonly Rule[]): Promise<void>;
  /** What an owner wants, a line for each rule: its key, and what it says. For people to read. */
  describe(owner: string): readonly string[];
}
