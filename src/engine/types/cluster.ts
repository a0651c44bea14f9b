// The cluster that this host is in, or may form or join.

import type { Address, Prefix } from "../../netip/index.ts";

/** What a host is willing to be; `auto` leaves it to the cluster. */
export type ClusterWish = "member" | "node" | "auto";
/** A member keeps a copy of the store and helps to agree; a node does not. */
export type ClusterRole = "member" | "node";

/** How this host takes part. What is absent the daemon's settings say, or the host itself. */
export interface ClusterPlace {
  /** Under which address the others reach this host: `eth0`, an address, either with the port at which hosts join. */
  readonly advertise?: string;
  /** Where hosts that join are heard; as `advertise` when absent. */
  readonly listen?: string;
  /** UDP port of the tunnels. */
  readonly dataPort?: number;
}

export interface ClusterFounding extends ClusterPlace {
  /** What subnets of global networks are chosen from; empty: the built-in ones. */
  readonly subnetPools: readonly { readonly base: Prefix; readonly size: number }[];
}

export interface ClusterJoining extends ClusterPlace {
  readonly token: string;
  /** Members that are asked, one after the other: `host` or `host:port`. */
  readonly remotes: readonly string[];
  readonly wish: ClusterWish;
}

export interface ClusterNodeView {
  readonly id: string;
  /** For people: the hostname. */
  readonly name: string;
  readonly address: Address;
  readonly dataPort: number;
  readonly version: string;
  readonly role: ClusterRole;
  /** Whether its lease lives, as far as the store last said. */
  readonly isUp: boolean;
  readonly isSelf: boolean;
}

/** Whether packets truly pass the tunnel to another host, as this one last tried. */
export interface ClusterPeerView {
  readonly nodeId: string;
  /** `narrow`: small packets pass, and those that networks send do not. `away`: the host is down, and so no wonder. */
  readonly state: "ok" | "narrow" | "down" | "away";
  /** Of a small packet; undefined: none came back. */
  readonly roundTripMs?: number;
  /** Bytes of the largest IP packet that came back, the tunnel's headers aside; undefined: none did. */
  readonly mtu?: number;
  /** What is wrong with the path and what to do, in words; absent: nothing. */
  readonly trouble?: string;
  readonly checkedAt?: Date;
}

/** Something on a host that somebody should see to; what is said of paths and members is said there. */
export interface ClusterWarning {
  readonly nodeId: string;
  /** What is not as it should be, and why. */
  readonly text: string;
}

/** Whether one more member may fail, as asked of each. */
export interface ClusterHealth {
  /** Members with a vote, and how many of them answer. */
  readonly voters: number;
  readonly healthy: number;
  /** How many more may fail before nothing can be agreed on; below zero: nothing can be now. */
  readonly tolerates: number;
  /** What somebody should see to, in words. */
  readonly warnings: readonly string[];
}

export interface ClusterView {
  readonly id: string;
  /** `frozen`: the store is away. What is known stays in force; what must be agreed on is refused. */
  readonly state: "connected" | "frozen";
  /** Why it is frozen, in words. */
  readonly trouble?: string;
  /** Of the store, as far as this host has followed it. */
  readonly revision: number;
  /** This host's id. */
  readonly nodeId: string;
  /** `own`: members run by the daemons. `external`: `--cluster-store`. */
  readonly store: { readonly kind: "own" | "external"; readonly address: string };
  /** Sorted by name. */
  readonly nodes: readonly ClusterNodeView[];
  readonly peers: readonly ClusterPeerView[];
  readonly warnings: readonly ClusterWarning[];
}

/** A join token on record; its text is told once, when it is made. */
export interface ClusterToken {
  readonly id: string;
  readonly admits: ClusterRole;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly used: number;
  /** How often it may be used; absent: until it expires. */
  readonly uses?: number;
}

export interface ClusterTokenRequest {
  readonly admits: ClusterRole;
  /** Absent: a day. */
  readonly lifetimeMs?: number;
  readonly uses?: number;
  /** Tokens for the same role that were made before are good no longer. */
  readonly rotate: boolean;
}

/** What a host needs to join. */
export interface ClusterInvitation {
  readonly token: string;
  /** `host` or `host:port` of a member. */
  readonly remote: string;
}

export interface ClusterOperations {
  /** Errors: conflict when this host is in a cluster, invalid for an address that is not its own. */
  init(
    founding: ClusterFounding,
  ): Promise<{ readonly nodeId: string; readonly invitation: ClusterInvitation }>;
  /** Errors: as init; unauthorized and forbidden for the token; unavailable when no remote answers. */
  join(joining: ClusterJoining): Promise<{ readonly nodeId: string; readonly role: ClusterRole }>;
  /** Errors: conflict, unless forced, while containers here use its networks or members would be too few. */
  leave(options: { readonly force: boolean }): Promise<void>;
  /** How the members of the store are; absent while none answers, and where the operator runs it. */
  health(): Promise<ClusterHealth | undefined>;
  /** Asks nobody: what this host knows. Errors: conflict, as all that follow, when this host is in no cluster. */
  inspect(): Promise<ClusterView>;
  /** `ref` is an id, the start of one, or a name. Errors: conflict for a host that is up, unless forced. */
  removeNode(ref: string, options: { readonly force: boolean }): Promise<void>;
  tokens(): Promise<readonly ClusterToken[]>;
  createToken(request: ClusterTokenRequest): Promise<ClusterInvitation>;
}
