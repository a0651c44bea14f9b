// The firewall's vocabulary: what drivers want, as values. No table, chain or rule of any back end is named here.
// A back end turns the sum of all owners' rules into kernel state (elements of maps and sets, mostly).

import type { Address, Family, PortRange, Prefix, Protocol } from "../netip/index.ts";

/** How packets reach a bridge network's containers from outside it (Docker's gateway modes). */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

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
  /** Host links from which container addresses may be reached directly although the mode is nat. */
  readonly trustedLinks: readonly string[];
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

/** Lets new flows reach a container's port directly, without translation (routed mode, legacy links). */
export interface AllowRule {
  readonly kind: "allow";
  readonly link: string;
  /** Only from this address; undefined: from anywhere outside the bridge. */
  readonly from?: Address;
  readonly target: Address;
  readonly protocol: Protocol;
  readonly targetPorts: PortRange;
}

export type Rule = BridgeRule | PublishRule | AllowRule;

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
}
