// Who may tunnel with this host: the hosts of the cluster, while this one carries a network.

import type { ClusterAccess, Host } from "../../src/driverapi/index.ts";
import { errorMessage } from "../../src/util/errors.ts";
import { Encryption } from "./encryption.ts";

/** Keeps the guard of tunnels in line with the hosts on record. */
export class Peers {
  readonly #host: Pick<Host, "tunnels" | "log">;
  readonly #encryption: Encryption;
  readonly #holders = new Set<string>();
  #cluster: ClusterAccess | undefined;
  #unfollow: (() => void) | undefined;

  constructor(host: Pick<Host, "tunnels" | "log">, encryption = new Encryption(host)) {
    this.#host = host;
    this.#encryption = encryption;
    encryption.onChange = () => this.#refresh();
  }

  /** Resolves when the guard is in force; before the network's tunnels are opened. */
  async hold(networkId: string, cluster: ClusterAccess): Promise<void> {
    this.#holders.add(networkId);
    this.#follow(cluster);
    await this.#set();
  }

  /** With the last network the guard goes. */
  async release(networkId: string): Promise<void> {
    if (!this.#holders.delete(networkId) || this.#holders.size > 0) return;
    this.#follow(undefined);
    await this.#host.tunnels.set(undefined);
  }

  /** The daemon ends: the guard stays what it is. */
  rest(): void {
    this.#follow(undefined);
  }

  /** After a start: a guard that nobody needs any more goes. */
  async sweep(): Promise<void> {
    if (this.#holders.size === 0) await this.#host.tunnels.set(undefined);
  }

  #follow(cluster: ClusterAccess | undefined): void {
    if (this.#cluster === cluster) return;
    this.#unfollow?.();
    this.#cluster = cluster;
    this.#unfollow = cluster?.nodes.follow(() => this.#refresh());
  }

  #refresh(): void {
    this.#set().catch((error) => {
      this.#host.log.error(
        { reason: errorMessage(error) },
        "cannot tell the guard of tunnels who is in the cluster",
      );
    });
  }

  async #set(): Promise<void> {
    const cluster = this.#cluster;
    if (!cluster) return;
    const nodes = [...cluster.nodes.entries()].map(({ value }) => value);
    // without the store after a start nobody is known: what an earlier process set stays in force
    if (!nodes.some(({ id }) => id === cluster.self.id) && cluster.state === "frozen") return;
    const all = [cluster.self, ...nodes];
    await this.#host.tunnels.set({
      ports: [...new Set(all.map(({ dataPort }) => dataPort))],
      self: cluster.self.address,
      nodes: all.map(({ address }) => address),
      encryption: this.#encryption.wish(cluster.self, nodes),
    });
  }
}
