// Networks of the cluster, while this host is in one.

import { forbidden, unavailable } from "../../util/errors.ts";
import type { Undo } from "../../util/undo.ts";
import type { Network } from "../network.ts";
import type { GlobalNetworks } from "./global-networks.ts";

export {
  type ClusterEntry,
  type EndpointLoss,
  GlobalNetworks,
  type GlobalSurroundings,
} from "./global-networks.ts";

/** What the controller's pieces ask about networks that may be the cluster's. Without a cluster there are none. */
export class GlobalShare {
  current: GlobalNetworks | undefined;

  /** @throws forbidden when this host is in no cluster */
  require(driver: string): GlobalNetworks {
    if (!this.current)
      throw forbidden(
        `driver "${driver}" needs a cluster, and this host is in none that has answered yet: form one with ` +
          '"tsdocker cluster init", join one with "tsdocker cluster join", or start the daemon with --cluster-store',
      );
    return this.current;
  }

  /** An endpoint is about to be on a network. @throws see `NetworkUsers.use` */
  async use(network: Network): Promise<void> {
    if (!isGlobal(network)) return;
    if (!this.current) throw unavailable(`network ${network.name} is a cluster's, and this host is in none`);
    await this.current.use(network);
  }

  /** An endpoint is off a network. */
  left(network: Network): void {
    if (isGlobal(network)) this.current?.left(network);
  }

  async publish(network: Network, undo: Undo): Promise<void> {
    await this.require(network.record.driver).publish(network, undo);
  }
}

export function isGlobal({ record }: Pick<Network, "record">): boolean {
  return record.scope === "global" && !record.configOnly;
}
