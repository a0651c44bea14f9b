// What the engine asks of whoever keeps this host's membership. The daemon implements it.

import type {
  ClusterFounding,
  ClusterHealth,
  ClusterInvitation,
  ClusterJoining,
  ClusterRole,
  ClusterToken,
  ClusterTokenRequest,
  ClusterView,
} from "./types.ts";

/** What another host did to a network of the cluster. */
export interface NetworkChange {
  readonly action: "create" | "destroy";
  readonly id: string;
  readonly name: string;
  readonly driver: string;
}

export interface Membership {
  /** What this host knows of its cluster; undefined: it is in none. */
  view(): ClusterView | undefined;
  /** Tells whenever the view may have changed. */
  follow(listener: () => void): () => void;

  /** Tells of networks that other hosts make and remove. */
  followNetworks(listener: (change: NetworkChange) => void): () => void;

  /** Asks every member. @throws unavailable when not even their list can be had */
  health(): Promise<ClusterHealth | undefined>;

  found(founding: ClusterFounding): Promise<void>;
  join(joining: ClusterJoining): Promise<ClusterRole>;
  /**
   * Ends the membership. Forced, it also does so when the store is away or members become too few; what others have on
   * record of this host stays then.
   */
  leave(options: { readonly force: boolean }): Promise<void>;
  /** Forgets another host for good: its certificates are good no longer, its addresses are free. */
  removeNode(id: string): Promise<void>;

  tokens(): readonly ClusterToken[];
  createToken(request: Omit<ClusterTokenRequest, "rotate">): Promise<ClusterInvitation>;
  removeToken(id: string): Promise<void>;
}
