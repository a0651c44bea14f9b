// Networks of the whole cluster: made and removed by agreement, seen on every host. A host that is cut off serves those
// that it knows.

import type { Change, ClusterAccess } from "../../cluster/index.ts";
import type { AddressLoss, IpamDriver, NetworkDriver } from "../../driverapi/index.ts";
import { formatAddress, sameAddress } from "../../netip/index.ts";
import { errorKind, unavailable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Undo } from "../../util/undo.ts";
import type { Background } from "../background.ts";
import type { DriverList } from "../driver-list.ts";
import { leaseAgain, releasePools } from "../leases.ts";
import { Network, type NetworkEndpoint } from "../network.ts";
import type { Networks } from "../networks.ts";
import type { NetworkRecord } from "../records.ts";
import { unpack } from "../stored.ts";
import { ClusterNames } from "./cluster-names.ts";
import { ClusterServices } from "./cluster-services.ts";
import type { LocalEndpoints } from "./local-endpoints.ts";
import { type EndpointLoss, lossesOf } from "./losses.ts";
import { NetworkUsers } from "./network-users.ts";
import { NetworkPublication } from "./publication.ts";
import { type GlobalNetworkRecord, type GlobalTables, openGlobalTables } from "./records.ts";
import { NetworkRemoval } from "./removal.ts";
import type { Service, ServiceRef } from "./services.ts";
import type { ToldNames } from "./told-names.ts";
import { Turns } from "./turns.ts";

/** A cluster that this host is in, and what hands out addresses there. */
export interface ClusterEntry {
  readonly cluster: ClusterAccess;
  readonly ipam: IpamDriver;
  /** Another host has made or removed a network. */
  readonly changed?: (action: "create" | "destroy", network: Network) => void;
}

export interface GlobalSurroundings {
  /** The controller's list, where they appear. */
  readonly networks: Networks;
  readonly drivers: Pick<DriverList<NetworkDriver>, "recall">;
  readonly ipamDrivers: Pick<DriverList<IpamDriver>, "recall">;
  readonly background: Background;
  /** Forgets what containers had on a network. */
  readonly forgetPlaces: (networkId: string) => Promise<void>;
  readonly lost: (loss: EndpointLoss) => void;
  /** What is on them here, and what resolvers know of the others: both outlive a cluster. */
  readonly local: LocalEndpoints;
  readonly told: ToldNames;
  readonly servicesChanged: (changed: readonly Service[], gone: readonly ServiceRef[]) => void;
  readonly log: Log;
}

/** This host's view of them, for as long as it is in the cluster. */
export class GlobalNetworks {
  readonly #entry: ClusterEntry;
  readonly #tables: GlobalTables;
  readonly #around: GlobalSurroundings;
  readonly #users: NetworkUsers;
  readonly #publication: NetworkPublication;
  readonly #removal: NetworkRemoval;
  readonly #names: ClusterNames;
  readonly services: ClusterServices;
  readonly #stops: (() => void)[] = [];
  /** What networks' drivers do. */
  readonly #turns: Turns;
  #isReady = false;

  private constructor(entry: ClusterEntry, tables: GlobalTables, around: GlobalSurroundings) {
    this.#entry = entry;
    this.#tables = tables;
    this.#around = around;
    const { cluster } = entry;
    this.#turns = new Turns(around.log);
    this.#publication = new NetworkPublication({ cluster, tables, log: around.log });
    this.#users = new NetworkUsers({ cluster, tables, background: around.background });
    this.#removal = new NetworkRemoval({ cluster, tables, users: this.#users });
    this.#names = new ClusterNames({ ...around, cluster, tables });
    this.services = new ClusterServices({ ...around, cluster, tables, changed: around.servicesChanged });
  }

  /** All that are known appear on the list. Then endpoints of old may be restored, and `ready` said. */
  static async enter(entry: ClusterEntry, around: GlobalSurroundings): Promise<GlobalNetworks> {
    const it = new GlobalNetworks(entry, await openGlobalTables(entry.cluster), around);
    it.#begin();
    await it.#turns.allSettled();
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
    if (leaves) for (const network of this.#all()) this.#leave(network);
    await this.#turns.allSettled();
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
    await this.#turns.settled(id);
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
    for (const record of known.toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1))) this.#appear(record);
    const stopLosses = ipam.followLosses?.((loss) => this.#addressLost(loss));
    this.#stops.push(
      this.#tables.networks.follow((changes) => this.#changed(changes)),
      cluster.followLife(() => this.#look()),
      ...(stopLosses ? [stopLosses] : []),
    );
  }

  #all(): Network[] {
    return this.#around.networks.all().filter(({ record }) => record.scope === "global");
  }

  #changed(changes: readonly Change<GlobalNetworkRecord>[]): void {
    for (const change of changes) {
      if (change.kind === "put") this.#hear(unpack(change.entry.value.network));
      else this.#vanish(change.before.key);
    }
  }

  #hear(record: NetworkRecord): void {
    const isNew = !this.#around.networks.get(record.id) && !this.#publication.underWay(record.id);
    this.#appear(record);
    const network = isNew ? this.#around.networks.get(record.id) : undefined;
    if (network) this.#entry.changed?.("create", network);
  }

  #appear(record: NetworkRecord): void {
    const { networks, drivers, log } = this.#around;
    const known = networks.get(record.id);
    if (known) {
      this.#keep(known);
      return;
    }
    const own = this.#publication.underWay(record.id);
    if (own) {
      networks.add(own);
      return;
    }
    const driver = drivers.recall(record.driver);
    const ipam = this.#ipamOf(record);
    if (!driver || !ipam) {
      log.warn(
        { network: record.name, driver: record.driver },
        "a network of the cluster needs a driver that this host lacks",
      );
      return;
    }
    const network = new Network(record, driver, ipam);
    // whoever connects to it first waits for the driver
    network.isMissing = true;
    networks.add(network);
    this.#turns.take(record.id, "make a network of the cluster", async () => {
      if (networks.get(record.id) !== network) return;
      for (const pool of record.pools) await leaseAgain(ipam, pool, record);
      await network.makeAgain();
    });
  }

  /** One that was here before this host entered the cluster again: its addresses are said to who hands them out now. */
  #keep(network: Network): void {
    const ipam = this.#ipamOf(network.record);
    if (!ipam || network.ipam === ipam || network.record.scope !== "global") return;
    network.ipam = ipam;
    this.#turns.take(network.id, "keep a network of the cluster", async () => {
      for (const pool of network.record.pools) await leaseAgain(ipam, pool, network.record);
      for (const { record } of network.endpoints.values()) {
        const { poolIpv4, poolIpv6, containerName: endpointName } = record;
        const { address, addressIpv6 } = record.interface;
        const onRecord = { purpose: "endpoint", endpointName, onRecord: true } as const;
        if (poolIpv4 && address)
          await ipam.requestAddress({ ...onRecord, poolId: poolIpv4, address: address.address });
        if (poolIpv6 && addressIpv6)
          await ipam.requestAddress({ ...onRecord, poolId: poolIpv6, address: addressIpv6.address });
      }
    });
  }

  #ipamOf({ ipam }: NetworkRecord): IpamDriver | undefined {
    return ipam.driver === "default" ? this.ipam : this.#around.ipamDrivers.recall(ipam.driver);
  }

  #vanish(networkId: string): void {
    const network = this.#around.networks.get(networkId);
    if (!network) return;
    this.#unlist(network, "the network was removed");
    if (!this.#removal.isUnderWay(networkId)) this.#entry.changed?.("destroy", network);
    this.#turns.take(networkId, "delete a network of the cluster", async () => {
      await network.driver.deleteNetwork({ networkId });
      await this.#around.forgetPlaces(networkId);
    });
  }

  #leave(network: Network): void {
    const { id: networkId } = network;
    this.#unlist(network, "the host has left the cluster");
    this.#turns.take(networkId, "forget a network of the cluster", async () => {
      await network.driver.forgetNetwork?.({ networkId });
      await this.#around.forgetPlaces(networkId);
    });
  }

  #unlist(network: Network, reason: string): void {
    this.#around.networks.remove(network);
    for (const loss of lossesOf(network, reason)) this.#around.lost(loss);
  }

  #addressLost({ poolId, address, reason }: AddressLoss): void {
    const why = `${formatAddress(address)} is another's now: ${reason}`;
    const isLost = ({ addresses }: NetworkEndpoint) => addresses.some((own) => sameAddress(own, address));
    const isOfPool = ({ record }: Network) => record.pools.some((pool) => pool.poolId === poolId);
    for (const network of this.#all().filter(isOfPool))
      for (const loss of lossesOf(network, why, isLost)) this.#around.lost(loss);
  }

  /** The store, or a host, has come or gone. */
  #look(): void {
    if (!this.#isReady || this.#entry.cluster.state !== "connected") return;
    this.#around.background.run("say which networks are in use", async () => {
      await this.#users.reconcile(this.#all());
      await this.#removal.unmarkOwn();
    });
  }

  /** Pools of networks that never came to be. */
  async #sweep(): Promise<void> {
    const pools = this.#all().flatMap(({ record }) => record.pools.map(({ poolId }) => poolId));
    await this.#entry.ipam.sweep?.(new Set(pools));
  }
}
