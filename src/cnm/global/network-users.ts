// Which hosts use a network of the cluster. A host says so before its first endpoint and takes it back after its last, so
// that one host can tell whether all are done with it.

import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterAccess } from "../../cluster/index.ts";
import { conflict, errorKind, notFound, unavailable } from "../../util/errors.ts";
import type { Background } from "../background.ts";
import type { Network } from "../network.ts";
import { type GlobalTables, mostTries } from "./records.ts";

export interface UsersSurroundings {
  readonly cluster: ClusterAccess;
  readonly tables: GlobalTables;
  readonly background: Background;
}

const retryMs = 100;

/** This host's part in the table of users. */
export class NetworkUsers {
  readonly #around: UsersSurroundings;
  /** By network: its use is being taken back. */
  readonly #leaving = new Map<string, Promise<void>>();

  constructor(around: UsersSurroundings) {
    this.#around = around;
  }

  /**
   * An endpoint is about to be: on the network's list already. Only a host's first one needs the store.
   *
   * @throws not-found, conflict when the network is being removed, unavailable
   */
  async use(network: Network): Promise<void> {
    await this.#leaving.get(network.id);
    if (this.#around.tables.users.get(this.#keyOf(network.id))) return;
    for (let tries = 0; tries < mostTries; tries++) if (await this.#isRegistered(network)) return;
    throw unavailable(`use network ${network.name}: other hosts change it all the time`);
  }

  /** An endpoint is off the network's list. Nobody waits for the store to hear of it. */
  left(network: Network): void {
    const { id } = network;
    if (network.endpoints.size > 0 || this.#leaving.has(id)) return;
    const { tables, background } = this.#around;
    if (!tables.users.get(this.#keyOf(id))) return;
    background.run("end the use of a network", async () => {
      const leaving = this.#takeBack(id).finally(() => this.#leaving.delete(id));
      // who begins to use it again waits for the end, however it ends
      this.#leaving.set(
        id,
        leaving.catch(() => undefined),
      );
      await leaving;
    });
  }

  /** Says again what is so: after a start, and after the store was away. */
  async reconcile(networks: readonly Network[]): Promise<void> {
    const { tables, cluster } = this.#around;
    const inUse = networks.filter(({ endpoints }) => endpoints.size > 0);
    const ids = new Set(inUse.map(({ id }) => id));
    for (const { key } of tables.users.entries()) {
      const [id = "", host] = key.split("/");
      if (host === cluster.self.id && !ids.has(id) && !this.#leaving.has(id)) await tables.users.delete(key);
    }
    for (const network of inUse) if (tables.networks.get(network.id)) await this.use(network);
  }

  /** Other hosts that use it; those that are on the cluster's record no more do not count. */
  others(networkId: string): string[] {
    const { tables, cluster } = this.#around;
    return [...tables.users.entries(`${networkId}/`)]
      .map(({ key }) => key.slice(networkId.length + 1))
      .filter((host) => host !== cluster.self.id && cluster.nodes.get(host) !== undefined);
  }

  /** Resolves when this host's own use is taken back that was about to be. */
  async settled(networkId: string): Promise<void> {
    await this.#leaving.get(networkId);
  }

  /** A member of the store that does not answer is another's matter; without any, `reconcile` says it later. */
  async #takeBack(networkId: string): Promise<void> {
    const { tables, cluster } = this.#around;
    for (let tries = 1; ; tries++) {
      try {
        return await tables.users.delete(this.#keyOf(networkId));
      } catch (error) {
        const isWorthwhile = ["unavailable", "cancelled"].includes(errorKind(error));
        if (!isWorthwhile || cluster.state === "frozen" || tries >= mostTries) throw error;
        await sleep(retryMs);
      }
    }
  }

  async #isRegistered({ id, name }: Network): Promise<boolean> {
    const { cluster, tables } = this.#around;
    const entry = tables.networks.get(id);
    if (!entry) throw notFound(`network ${name} not found`);
    const { removing, ...record } = entry.value;
    if (removing !== undefined && cluster.isAlive(removing))
      throw conflict(
        `network ${name} is being removed by ${cluster.nodes.get(removing)?.value.name ?? removing}`,
      );
    try {
      await cluster.commit((transaction) => {
        // who removes it changes the record first, so that one of the two is refused
        if (removing === undefined) transaction.require(tables.networks, entry);
        else transaction.replace(tables.networks, entry, record);
        transaction.put(tables.users, this.#keyOf(id), { since: new Date().toISOString() });
      });
      return true;
    } catch (error) {
      if (errorKind(error) === "conflict") return false;
      if (errorKind(error) !== "unavailable") throw error;
      throw unavailable(`this host does not use network ${name} yet, and the cluster's store is away`, error);
    }
  }

  #keyOf(networkId: string): string {
    return `${networkId}/${this.#around.cluster.self.id}`;
  }
}
