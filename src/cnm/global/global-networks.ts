// Networks of the whole cluster: made and removed by agreement, seen on every host. A host that is cut off serves those
// that it knows.

import type { Change, ClusterAccess } from "../../cluster/index.ts";
import type { IpamDriver } from "../../driverapi/index.ts";
import { errorKind, unavailable } from "../../util/errors.ts";
import type { Undo } from "../../util/undo.ts";
import type { Background } from "../background.ts";
import { releasePools } from "../leases.ts";
import type { Network } from "../network.ts";
import type { NetworkRecord } from "../records.ts";
import { unpack } from "../stored.ts";
import { ClusterNames } from "./cluster-names.ts";
import { ClusterServices } from "./cluster-services.ts";
import { ListedNetworks, type ListSurroundings } from "./listed-networks.ts";
import type { LocalEndpoints } from "./local-endpoints.ts";
import { NetworkUsers } from "./network-users.ts";
import { NetworkPublication } from "./publication.ts";
import { type GlobalNetworkRecord, type GlobalTables, openGlobalTables } from "./records.ts";
import { NetworkRemoval } from "./removal.ts";
import type { Service, ServiceRef } from "./services.ts";
import type { ToldNames } from "./told-names.ts";

/** A cluster that this host is in, and what hands out addresses there. */
export interface ClusterEntry {
  readonly cluster: ClusterAccess;
  readonly ipam: IpamDriver;
  /** Another host has made or removed a network. */
  readonly changed?: (action: "create" | "destroy", network: Network) => void;
}

export interface GlobalSurroundings extends ListSurroundings {
  readonly background: Background;
  /** What is on them here, and what resolvers know of the others: both outlive a cluster. */
  readonly local: LocalEndpoints;
  readonly told: ToldNames;
  readonly servicesChanged: (changed: readonly Service[], gone: readonly ServiceRef[]) => void;
}

/** This host's view of them, for as long as it is in the cluster. */
export class GlobalNetworks {
  readonly #entry: ClusterEntry;
  readonly #tables: GlobalTables;
  readonly #around: GlobalSurroundings;
  readonly #users: NetworkUsers;
  readonly #publication: NetworkPublication;
  readonly #listed: ListedNetworks;
  readonly #removal: NetworkRemoval;
  readonly #names: ClusterNames;
  readonly services: ClusterServices;
  readonly #stops: (() => void)[] = [];
  #isReady = false;

  private constructor(entry: ClusterEntry, tables: GlobalTables, around: GlobalSurroundings) {
    this.#entry = entry;
    this.#tables = tables;
    this.#around = around;
    const { cluster } = entry;
    this.#publication = new NetworkPublication({ cluster, tables, log: around.log });
    this.#listed = new ListedNetworks({ ...around, ipam: entry.ipam, publication: this.#publication });
    this.#users = new NetworkUsers({ cluster, tables, background: around.background });
    this.#removal = new NetworkRemoval({ cluster, tables, users: this.#users });
    this.#names = new ClusterNames({ ...around, cluster, tables });
    this.services = new ClusterServices({ ...around, cluster, tables, changed: around.servicesChanged });
  }

  /** All that are known appear on the list. Then endpoints of old may be restored, and `ready` said. */
  static async enter(entry: ClusterEntry, around: GlobalSurroundings): Promise<GlobalNetworks> {
    const it = new GlobalNetworks(entry, await openGlobalTables(entry.cluster), around);
    it.#begin();
    await it.#listed.allSettled();
    return it;
  }

  get ipam(): IpamDriver {
    return this.#entry.ipam;
  }

  /** What was here before is on the networks' lists again. Resolves when the names of the networks in use are served. */
  async ready(): Promise<void> {
    this.#isReady = true;
    this.#entry.ipam.open?.();
    this.#look();
    this.#around.background.run("sweep address pools", async () => this.#sweep());
    await this.#names.ready();
    this.services.ready();
  }

  /** Resolves when other hosts have heard of what is here, or the store does not answer. */
  async settle(): Promise<void> {
    await this.#names.settle();
    await this.services.settle();
  }

  /** Ends here; the networks stay what they are. When the host `leaves` for good they go from its list. */
  async end({ leaves }: { readonly leaves: boolean }): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.services.end({ leaves });
    await this.#users.end();
    await this.#names.end({ leaves });
    // others go on with them: nothing but this host's list changes
    if (leaves) for (const network of this.#listed.all()) this.#listed.leave(network);
    await this.#listed.allSettled();
  }

  /** Puts a network on record. @throws see `NetworkPublication.publish` */
  async publish(network: Network, undo: Undo): Promise<void> {
    await this.#publication.publish(network, undo);
  }

  /** Removes a network from all hosts. @throws forbidden while some host uses it; unavailable */
  async remove(network: Network): Promise<void> {
    const { id, name } = network;
    try {
      await this.#removal.remove(network);
    } catch (error) {
      if (errorKind(error) !== "unavailable") throw error;
      throw unavailable(`remove network ${name}: the cluster's store is away`, error);
    }
    await this.#listed.settled(id);
    await releasePools(network.ipam, network.record.pools);
  }

  /** An endpoint is about to be on a network. @throws see `NetworkUsers.use` */
  async use(network: Network): Promise<void> {
    await this.#users.use(network);
    await this.#names.use(network);
  }

  /** An endpoint is off a network. */
  left(network: Network): void {
    this.#names.left(network);
    this.#users.left(network);
  }

  #begin(): void {
    const { cluster, ipam } = this.#entry;
    const known = [...this.#tables.networks.entries()].map(({ value }) => unpack(value.network));
    for (const record of known.toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1)))
      this.#listed.appear(record);
    const stopLosses = ipam.followLosses?.((loss) => this.#listed.addressLost(loss));
    this.#stops.push(
      this.#tables.networks.follow((changes) => this.#changed(changes)),
      cluster.followLife(() => this.#look()),
      ...(stopLosses ? [stopLosses] : []),
    );
  }

  #changed(changes: readonly Change<GlobalNetworkRecord>[]): void {
    for (const change of changes) {
      if (change.kind === "put") this.#hear(unpack(change.entry.value.network));
      else this.#vanish(change.before.key);
    }
  }

  #hear(record: NetworkRecord): void {
    const isNew = !this.#around.networks.get(record.id) && !this.#publication.underWay(record.id);
    this.#listed.appear(record);
    const network = isNew ? this.#around.networks.get(record.id) : undefined;
    if (network) this.#entry.changed?.("create", network);
  }

  #vanish(networkId: string): void {
    const network = this.#around.networks.get(networkId);
    if (!network) return;
    this.#listed.delete(network);
    if (!this.#removal.isUnderWay(networkId)) this.#entry.changed?.("destroy", network);
  }

  /** The store, or a host, has come or gone. */
  #look(): void {
    if (!this.#isReady || this.#entry.cluster.state !== "connected") return;
    this.#around.background.run("say which networks are in use", async () => {
      await this.#users.reconcile(this.#listed.all());
      await this.#removal.unmarkOwn();
    });
  }

  /** Pools of networks that never came to be. */
  async #sweep(): Promise<void> {
    const pools = this.#listed.all().flatMap(({ record }) => record.pools.map(({ poolId }) => poolId));
    await this.#entry.ipam.sweep?.(new Set(pools));
  }
}
