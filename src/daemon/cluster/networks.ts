// The cluster's networks on this host: what hands out their addresses, the controller's part in them, and the drivers',
// who try the paths to other hosts.

import { type ClusterIpam, createClusterIpam } from "../../../drivers/ipam-cluster/index.ts";
import type { Cluster } from "../../cluster/index.ts";
import type { ClusterEntry, Controller } from "../../cnm/index.ts";
import type { ClusterStay, NetworkDriver } from "../../driverapi/index.ts";
import type { NetworkChange } from "../../engine/membership.ts";
import type { ClusterPeerView, ClusterWarning } from "../../engine/types.ts";
import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { openSettings } from "./settings.ts";
import { forgetOwn, keepUp } from "./upkeep.ts";
import type { ClusterUser, EndOfUse } from "./users.ts";

/** A driver, or whoever else takes part. */
export type EntersCluster = Pick<NetworkDriver, "enterCluster">;

interface Entered extends ClusterEntry {
  readonly cluster: Cluster;
  readonly ipam: ClusterIpam;
  readonly graceMs: () => number;
}

/** Owns the IPAM driver of the cluster that the host is in. */
export class ClusterNetworks implements ClusterUser {
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  readonly #networkListeners = new Set<(change: NetworkChange) => void>();
  #drivers: readonly EntersCluster[] = [];
  #stays: readonly ClusterStay[] = [];
  #entering: Promise<void> = Promise.resolve();
  #isClosed = false;
  #entered: Entered | undefined;
  #controller: Controller | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** For a controller that is built while the host is in a cluster already. */
  async enter(cluster: Cluster): Promise<Entered> {
    if (this.#entered?.cluster === cluster) return this.#entered;
    const settings = await openSettings(cluster);
    const ipam = await createClusterIpam({
      cluster,
      clusterId: cluster.id,
      defaultPools: settings().subnetPools,
      graceMs: () => settings().graceMs,
      log: this.#log.child({ driver: "ipam-cluster" }),
    });
    this.#entered = {
      ...{ cluster, ipam, graceMs: () => settings().graceMs },
      changed: (action, { id, name, record }) => {
        for (const listener of this.#networkListeners) listener({ action, id, name, driver: record.driver });
      },
    };
    return this.#entered;
  }

  /** From now on clusters may come and go. */
  controlledBy(controller: Controller, drivers: readonly EntersCluster[]): void {
    this.#controller = controller;
    this.#drivers = drivers;
  }

  async begin(cluster: Cluster): Promise<EndOfUse> {
    const entry = await this.enter(cluster);
    const end = await this.#controller?.enterCluster(entry);
    this.#entering = this.#enterDrivers(cluster);
    await this.#entering;
    const endUpkeep = await keepUp(cluster, {
      graceMs: entry.graceMs,
      sweepPools: () => this.#sweepPools(entry.ipam),
      log: this.#log.child({ part: "cluster" }),
    });
    return async ({ leave, isSilent }) => {
      await endUpkeep();
      await this.#endStays({ leaves: leave });
      await end?.({ leaves: leave });
      this.#entered?.ipam.close();
      this.#entered = undefined;
      if (leave && !isSilent) await this.#forgetOwn(cluster);
    };
  }

  peers(): readonly ClusterPeerView[] {
    return this.#stays.flatMap((stay) => stay.paths());
  }

  warnings(): readonly ClusterWarning[] {
    return this.#stays
      .flatMap((stay) => stay.lacks?.() ?? [])
      .map(({ nodeId, lack }) => ({ nodeId, text: lack }));
  }

  async tryPaths(): Promise<void> {
    await Promise.all(this.#stays.map((stay) => stay.tryPaths()));
  }

  followNetworks(listener: (change: NetworkChange) => void): void {
    this.#networkListeners.add(listener);
  }

  followPeers(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** The daemon ends: the drivers' part does before their hands on the machine do, and begins no more. */
  async close({ keeps }: { readonly keeps: boolean }): Promise<void> {
    this.#isClosed = true;
    await this.#entering;
    await this.#endStays({ leaves: false, clears: !keeps });
  }

  async #endStays(options: Parameters<ClusterStay["end"]>[0]): Promise<void> {
    const stays = this.#stays;
    this.#stays = [];
    await Promise.all(stays.map((stay) => stay.end(options)));
  }

  /** A network that is being made here is not on the list yet; nor does the driver take its pool for left behind. */
  async #sweepPools(ipam: ClusterIpam): Promise<void> {
    const networks = this.#controller?.networks() ?? [];
    await ipam.sweep(new Set(networks.flatMap(({ record }) => record.pools.map(({ poolId }) => poolId))));
  }

  /** What stays the others take off the record when its time has come. */
  async #forgetOwn(cluster: Cluster): Promise<void> {
    await forgetOwn(cluster).catch((error: unknown) => {
      this.#log.debug({ reason: errorMessage(error) }, "cannot take this host's records along");
    });
  }

  async #enterDrivers(cluster: Cluster): Promise<void> {
    if (this.#isClosed) return;
    const entering = this.#drivers.map((driver) => driver.enterCluster?.(cluster));
    const entered = await Promise.allSettled(entering);
    this.#stays = entered.flatMap((it) => (it.status === "fulfilled" ? (it.value ?? []) : []));
    for (const it of entered)
      if (it.status === "rejected")
        this.#log.error({ reason: errorMessage(it.reason) }, "a driver cannot enter the cluster");
    for (const stay of this.#stays) stay.follow((change) => this.#heard(change));
  }

  #heard(change: "paths" | "lacks" | "mtu"): void {
    if (change !== "mtu") for (const listener of this.#listeners) listener();
    else
      this.#controller?.followUplink().catch((error) => {
        this.#log.error({ reason: errorMessage(error) }, "cannot give networks the cluster's MTU");
      });
  }
}
