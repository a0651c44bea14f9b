// Clusters on the wire. Docker has no such thing; the spelling is its swarm's where that fits.

import { boolean, integer, list, object, type Static, string } from "./decode.ts";

const place = { AdvertiseAddr: string, ListenAddr: string, DataPort: integer };

export const initClusterRequest = object("ClusterInitRequest", {
  ...place,
  SubnetPools: list(object("SubnetPool", { Base: string, Size: integer })),
});
export type InitClusterRequest = Static<typeof initClusterRequest>;

export const joinClusterRequest = object("ClusterJoinRequest", {
  ...place,
  JoinToken: string,
  RemoteAddrs: list(string),
  Role: string,
});
export type JoinClusterRequest = Static<typeof joinClusterRequest>;

export const clusterTokenRequest = object("ClusterTokenRequest", {
  Role: string,
  Lifetime: integer,
  Uses: integer,
  Rotate: boolean,
});
export type ClusterTokenInput = Static<typeof clusterTokenRequest>;

/** What a host needs to join; `Token` is told here and never again. */
export interface ClusterInvitationBody {
  readonly Token: string;
  /** `host` or `host:port`. */
  readonly Remote: string;
}

export interface InitClusterResponse extends ClusterInvitationBody {
  readonly NodeID: string;
}

export interface JoinClusterResponse {
  readonly NodeID: string;
  readonly Role: string;
}

/** GET /cluster. */
export interface ClusterInspect {
  readonly ID: string;
  /** `connected` or `frozen`. */
  readonly State: string;
  /** Why it is frozen; "" while it is not. */
  readonly Trouble: string;
  readonly Revision: number;
  /** This host's. */
  readonly NodeID: string;
  /** `own` or `external`. */
  readonly Store: { readonly Kind: string; readonly Address: string };
  readonly Nodes: readonly ClusterNodeBody[];
  readonly Peers: readonly ClusterPeerBody[];
  readonly Warnings: readonly ClusterWarningBody[];
  /** With `health`, while the store answers: how its members are, as asked of each. */
  readonly Health?: ClusterHealthBody;
}

/** Something on a host that somebody should see to. */
export interface ClusterWarningBody {
  readonly NodeID: string;
  readonly Text: string;
}

export interface ClusterHealthBody {
  readonly Voters: number;
  readonly Healthy: number;
  /** How many more may fail before nothing can be agreed on. */
  readonly Tolerates: number;
  readonly Warnings: readonly string[];
}

/** One of GET /cluster/nodes. */
export interface ClusterNodeBody {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly DataPort: number;
  /** `member` or `node`. */
  readonly Role: string;
  /** `up` or `down`. */
  readonly Status: string;
  readonly Version: string;
  readonly Self: boolean;
}

/** How the tunnel to another host was when it was last tried. */
export interface ClusterPeerBody {
  readonly NodeID: string;
  /** `ok`, `narrow` (small packets pass, and those that networks send do not), `down`, or `away` with a host that is. */
  readonly Path: string;
  readonly RoundTripMs?: number;
  readonly MTU?: number;
  readonly Trouble: string;
  readonly CheckedAt?: string;
}

/** One of GET /cluster/tokens. */
export interface ClusterTokenBody {
  readonly ID: string;
  readonly Role: string;
  readonly CreatedAt: string;
  readonly ExpiresAt: string;
  readonly Used: number;
  readonly Uses?: number;
}
