// The cluster's networks on this host: what hands out their addresses, and the controller's part in them.

import { type ClusterIpam, createClusterIpam } from "../../../drivers/ipam-cluster/index.ts";
import type { Cluster } from "../../cluster/index.ts";
import type { ClusterEntry, Controller } from "../../cnm/index.ts";
import type { ClusterPeerView } from "../../engine/types.ts";
import type { Log } from "../../util/log.ts";
import { readSubnetPools } from "./settings.ts";
import type { ClusterUser, EndOfUse } from "./users.ts";

interface Entered extends ClusterEntry {
  readonly cluster: Cluster;
  readonly ipam: ClusterIpam;
}

/** Owns the IPAM driver of the cluster that the host is in. */
export class ClusterNetworks implements ClusterUser {
  readonly #log: Log;
  #entered: Entered | undefined;
  #controller: Controller | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** For a controller that is built while the host is in a cluster already. */
  async enter(cluster: Cluster): Promise<ClusterEntry> {
    if (this.#entered?.cluster === cluster) return this.#entered;
    const ipam = await createClusterIpam({
      cluster,
      clusterId: cluster.id,
      defaultPools: await readSubnetPools(cluster),
      log: this.#log.child({ driver: "ipam-cluster" }),
    });
    this.#entered = { cluster, ipam };
    return this.#entered;
  }

  /** From now on clusters may come and go. */
  controlledBy(controller: Controller): void {
    this.#controller = controller;
  }

  async begin(cluster: Cluster): Promise<EndOfUse> {
    const entry = await this.enter(cluster);
    const end = await this.#controller?.enterCluster(entry);
    return async ({ leave }) => {
      await end?.({ leaves: leave });
      this.#entered?.ipam.close();
      this.#entered = undefined;
    };
  }

  peers(): readonly ClusterPeerView[] {
    return [];
  }
}
