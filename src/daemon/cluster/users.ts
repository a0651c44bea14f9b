// What stands on a cluster: it begins when the host is in one, and ends before that does.

import type { CloseOptions, Cluster } from "../../cluster/index.ts";
import type { NetworkChange } from "../../engine/membership.ts";
import type { ClusterPeerView, ClusterWarning } from "../../engine/types.ts";

/** `leave`: the host goes for good, and nothing of the cluster stays on it. `isSilent`: the store is not there to be told. */
export type EndOfUse = (options: Pick<CloseOptions, "leave" | "isSilent">) => Promise<void>;

export interface ClusterUser {
  /** Tells of networks that other hosts make and remove. */
  followNetworks(listener: (change: NetworkChange) => void): void;
  begin(cluster: Cluster): Promise<EndOfUse>;
  /** How the paths to other hosts are, as far as that was tried. */
  peers(): readonly ClusterPeerView[];
  /** What hosts lack that they should have. */
  warnings(): readonly ClusterWarning[];
  /** Tries paths now; takes a moment at most. */
  tryPaths(): Promise<void>;
  /** Tells when a path or a warning is another one than before. */
  followPeers(listener: () => void): void;
}
