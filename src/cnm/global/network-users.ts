// Which hosts use a network of the cluster. A host says so before its first endpoint and takes it back some time after its
// last, so that one host can tell whether all are done with it, and none asks the store for each container that it starts.

import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterAccess } from "../../cluster/index.ts";
import { conflict, errorKind, notFound, unavailable } from "../../util/errors.ts";
import type { Background } from "../background.ts";
import type { Network } from "../network.ts";
import { type GlobalNetworkRecord, type GlobalTables, mostTries } from "./records.ts";

export interface UsersSurroundings {
  readonly cluster: ClusterAccess;
  readonly tables: GlobalTables;
  readonly background: Background;
}

const retryMs = 100;
/** For how long an end of use is not said, unless somebody removes the network: the next container may be about to come. */
const restMs = 5_000;

/** This host's part in the table of users. */
export class NetworkUsers {
  readonly #around: UsersSurroundings;
  /** By network: its use is being taken back. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** By network: it is not in use, and that is not said yet. */
  readonly #resting = new Map<string, NodeJS.Timeout>();
  readonly #stop: () => void;

  constructor(around: UsersSurroundings) {
    this.#around = around;
    this.#stop = around.tables.networks.follow((changes) => {
      for (const change of changes)
        if (change.kind === "delete") this.#wake(change.before.key);
        else if (this.#isGoing(change.entry.value)) this.#leave(change.entry.key);
    });
  }

  /**
   * An endpoint is about to be: on the network's list already. Only a host's first one needs the store.
   *
   * @throws not-found, conflict when the network is being removed, unavailable
   */
  async use(network: Network): Promise<void> {
    this.#wake(network.id);
    await this.#leaving.get(network.id);
    if (this.#around.tables.users.get(this.#keyOf(network.id))) return;
    for (let tries = 0; tries < mostTries; tries++) if (await this.#isRegistered(network)) return;
    throw unavailable(`use network ${network.name}: other hosts change it all the time`);
  }

  /** An endpoint is off the network's list. Nobody waits for the store to hear of it. */
  left(network: Network): void {
    const { id } = network;
    if (network.endpoints.size > 0 || this.#leaving.has(id)) return;
    const { tables } = this.#around;
    if (!tables.users.get(this.#keyOf(id))) return;
    this.#wake(id);
    this.#resting.set(id, setTimeout(() => this.#leave(id), restMs).unref());
    const entry = tables.networks.get(id);
    if (entry && this.#isGoing(entry.value)) this.#leave(id);
  }

  /** Says at once what is not said yet, unless the store is away. */
  async end(): Promise<void> {
    this.#stop();
    const isAway = this.#around.cluster.state === "frozen";
    for (const id of [...this.#resting.keys()])
      if (isAway) this.#wake(id);
      else this.#leave(id);
    await Promise.all(this.#leaving.values());
  }

  /** Says again what is so: after a start, and after the store was away. */
  async reconcile(networks: readonly Network[]): Promise<void> {
    const { tables, cluster } = this.#around;
    const inUse = networks.filter(({ endpoints }) => endpoints.size > 0);
    const ids = new Set(inUse.map(({ id }) => id));
    for (const { key } of tables.users.entries()) {
      const [id = "", host] = key.split("/");
      const isKnown = ids.has(id) || this.#leaving.has(id) || this.#resting.has(id);
      if (host === cluster.self.id && !isKnown) await tables.users.delete(key);
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

  /** Another host removes it. */
  #isGoing({ removing }: GlobalNetworkRecord): boolean {
    return removing !== undefined && removing !== this.#around.cluster.self.id;
  }

  #wake(id: string): void {
    clearTimeout(this.#resting.get(id));
    this.#resting.delete(id);
  }

  #leave(id: string): void {
    if (!this.#resting.has(id)) return;
    this.#wake(id);
    const leaving = this.#takeBack(id).finally(() => this.#leaving.delete(id));
    // who begins to use it again waits for the end, however it ends
    this.#leaving.set(
      id,
      leaving.catch(() => undefined),
    );
    this.#around.background.run("end the use of a network", () => leaving);
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
