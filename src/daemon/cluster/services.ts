// Ports of services are open while the host is in a cluster, and its networks are there.

import type { Ingress } from "../../cnm/index.ts";
import type { ClusterUser } from "./users.ts";

/** The same, with ingress on top: it begins after the networks and ends before them. */
export function withServices(networks: ClusterUser, ingress: Ingress): ClusterUser {
  return {
    async begin(cluster) {
      const end = await networks.begin(cluster);
      await ingress.begin(cluster);
      return async (options) => {
        await ingress.end({ leaves: options.leave });
        await end(options);
      };
    },
    peers: () => networks.peers(),
    warnings: () => networks.warnings(),
    tryPaths: () => networks.tryPaths(),
    followNetworks: (listener) => networks.followNetworks(listener),
    followPeers: (listener) => networks.followPeers(listener),
  };
}
