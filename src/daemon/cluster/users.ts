// What stands on a cluster: it begins when the host is in one, and ends before that does.

import type { Cluster } from "../../cluster/index.ts";
import type { ClusterPeerView } from "../../engine/types.ts";

/** `leave`: the host goes for good, and nothing of the cluster stays on it. */
export type EndOfUse = (options: { readonly leave: boolean }) => Promise<void>;

export interface ClusterUser {
  begin(cluster: Cluster): Promise<EndOfUse>;
  /** How the paths to other hosts are, as far as that was tried. */
  peers(): readonly ClusterPeerView[];
}
