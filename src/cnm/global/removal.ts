// How a network of the cluster is removed: marked, so that nobody begins to use it, and gone from the record when no host
// uses it.

import type { ClusterAccess, Entry, SharedTable } from "../../cluster/index.ts";
import { conflict, errorKind, forbidden } from "../../util/errors.ts";
import type { Network } from "../network.ts";
import type { NetworkUsers } from "./network-users.ts";
import { type GlobalNetworkRecord, type GlobalTables, keyOn, mostTries } from "./records.ts";
import { portKey } from "./service-ports.ts";

/** How long a removal waits for other hosts whose last endpoint may just be going. */
const usersMs = 500;
/** How long for those that have none any more, and are there to say so: they may be busy. */
const idleUsersMs = 5_000;

/** Writes of one transaction, at most. */
const mostAtOnce = 100;

export interface RemovalSurroundings {
  readonly cluster: ClusterAccess;
  readonly tables: GlobalTables;
  readonly users: NetworkUsers;
}

/** This host's removals. */
export class NetworkRemoval {
  readonly #around: RemovalSurroundings;
  readonly #removing = new Set<string>();

  constructor(around: RemovalSurroundings) {
    this.#around = around;
  }

  /** Takes a network off the record. @throws forbidden while some host uses it; unavailable */
  async remove(network: Network): Promise<void> {
    const { id } = network;
    this.#removing.add(id);
    try {
      await this.#around.users.settled(id);
      const marked = await this.#mark(network);
      if (marked) await this.#removeMarked(network, marked);
    } finally {
      this.#removing.delete(id);
    }
  }

  /** Whether this host removes it just now. */
  isUnderWay(networkId: string): boolean {
    return this.#removing.has(networkId);
  }

  /** A removal that lost the store half-way, or a crash, leaves a mark. */
  async unmarkOwn(): Promise<void> {
    const { cluster, tables } = this.#around;
    for (const entry of tables.networks.entries())
      if (entry.value.removing === cluster.self.id && !this.#removing.has(entry.key))
        await this.#unmark(entry);
  }

  /** Undefined: it is gone already. Nobody begins to use a network that is marked. */
  async #mark({ id }: Network): Promise<Entry<GlobalNetworkRecord> | undefined> {
    const { cluster, tables } = this.#around;
    for (let tries = 0; tries < mostTries; tries++) {
      const entry = tables.networks.get(id);
      if (!entry) return undefined;
      try {
        return await tables.networks.replace(entry, { ...entry.value, removing: cluster.self.id });
      } catch (error) {
        if (errorKind(error) !== "conflict") throw error;
      }
    }
    throw conflict("remove network: other hosts change it all the time");
  }

  async #removeMarked(network: Network, marked: Entry<GlobalNetworkRecord>): Promise<void> {
    const { cluster, tables } = this.#around;
    const { id, name } = network;
    const others = await this.#usersAfterAll(id);
    if (others.length > 0 || network.endpoints.size > 0) {
      await this.#unmark(marked);
      const hosts = others.map((host) => cluster.nodes.get(host)?.value.name ?? host).join(", ");
      throw forbidden(
        `error while removing network: network ${name} has active endpoints on ${hosts || "this host"}`,
      );
    }
    const left = this.#remains(id);
    await cluster.commit((transaction) => {
      transaction.remove(tables.networks, marked);
      if (tables.names.get(name)?.value.networkId === id) transaction.delete(tables.names, name);
      for (const { table, key } of left.slice(0, mostAtOnce)) transaction.delete(table, key);
    });
    for (let at = mostAtOnce; at < left.length; at += mostAtOnce)
      await cluster.commit((transaction) => {
        for (const { table, key } of left.slice(at, at + mostAtOnce)) transaction.delete(table, key);
      });
  }

  /** What hosts that are gone left on it, and its services with their ports. Their addresses go with the pools. */
  #remains(id: string): { readonly table: SharedTable<unknown>; readonly key: string }[] {
    const { users, endpoints, services, ports } = this.#around.tables;
    const prefix = keyOn(id, "");
    const published = [...services.entries(prefix)].flatMap(({ value }) => value.published);
    return [
      ...[users, endpoints, services].flatMap((table) =>
        [...table.entries(prefix)].map(({ key }) => ({ table, key })),
      ),
      ...published.map((port) => ({ table: ports, key: portKey(port) })),
    ];
  }

  /** Whose last endpoint has just gone says so in a moment. */
  async #usersAfterAll(networkId: string): Promise<readonly string[]> {
    const others = () => this.#around.users.others(networkId);
    await this.#until(networkId, () => others().length === 0, usersMs);
    await this.#until(networkId, () => !others().some((host) => this.#isIdle(networkId, host)), idleUsersMs);
    return others();
  }

  /** A host that is there, and has no endpoint on the network. */
  #isIdle(networkId: string, host: string): boolean {
    const { cluster, tables } = this.#around;
    if (!cluster.isAlive(host)) return false;
    return [...tables.endpoints.entries(keyOn(networkId, ""))].every(({ value }) => value.node !== host);
  }

  /** Resolves when that is so by what the cluster knows of the network's users, or the time is over. */
  async #until(networkId: string, isSo: () => boolean, timeoutMs: number): Promise<void> {
    if (isSo()) return;
    const { tables } = this.#around;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => isSo() && resolve();
    const stops = [tables.users, tables.endpoints].map((table) => table.follow(look, keyOn(networkId, "")));
    const timer = setTimeout(resolve, timeoutMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      for (const stop of stops) stop();
    }
  }

  async #unmark(marked: Entry<GlobalNetworkRecord>): Promise<void> {
    const { removing: _, ...record } = marked.value;
    try {
      await this.#around.tables.networks.replace(marked, record);
    } catch (error) {
      // whoever changed it has unmarked it, or removed it
      if (errorKind(error) !== "conflict") throw error;
    }
  }
}
