// The controller: networks and sandboxes of one daemon. It decides; drivers, IPAM drivers, the resolver and the kernel do.

import type { IpamDriver, NetworkDriver } from "../driverapi/index.ts";
import { type Netlink, setLink } from "../kernel/index.ts";
import type { ResolverPorts, Resolvers } from "../proxy/index.ts";
import type { Store } from "../store/index.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { Background } from "./background.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { createNetwork } from "./create-network.ts";
import { createSandbox } from "./create-sandbox.ts";
import { type DefaultBridgeConfig, ensureDefaultNetworks } from "./default-networks.ts";
import { deleteNetwork } from "./delete-network.ts";
import { Departures } from "./departures.ts";
import { describeNetwork } from "./describe.ts";
import { DriverList, type PluginDrivers } from "./driver-list.ts";
import { checkEndpoint } from "./endpoint-check.ts";
import type { HostFiles } from "./etc-files.ts";
import { GatewayDemand } from "./gateway-demand.ts";
import {
  type ClusterEntry,
  type EndpointLoss,
  GlobalNetworks,
  GlobalShare,
  type GlobalSurroundings,
  isGlobal,
  ToldNames,
} from "./global/index.ts";
import type { PublishedService, Service, ServiceControl } from "./global/services.ts";
import { hostPrefixes } from "./host-prefixes.ts";
import { type HostRoutes, plainHostRoutes } from "./host-routes.ts";
import { Memory } from "./memory.ts";
import type { NetnsMaker } from "./netns.ts";
import { NetnsPool } from "./netns-pool.ts";
import type { Network } from "./network.ts";
import { Networks } from "./networks.ts";
import { openRecords } from "./records.ts";
import { type LiveContainers, restore } from "./restore.ts";
import type { Sandbox } from "./sandbox.ts";
import { Sandboxes } from "./sandboxes.ts";
import type { EndpointSpec, NetworkDetails, NetworkSpec, SandboxSpec } from "./types.ts";

export interface ControllerOptions {
  readonly store: Store;
  readonly drivers: readonly NetworkDriver[];
  readonly ipamDrivers: readonly IpamDriver[];
  /** Drivers that are programs of others; absent: there are none. */
  readonly plugins?: PluginDrivers;
  readonly resolvers: Resolvers;
  readonly netns: NetnsMaker;
  /** Where pins of sandboxes' namespaces go; the daemon's own, below its exec-root. */
  readonly netnsFolder: string;
  /** How many namespaces to keep ready for the next starts; 2 when absent. */
  readonly readyNetns?: number;
  /** rtnetlink in the host's netns. */
  readonly hostNetlink: Netlink;
  /** A path of the host's netns. */
  readonly hostNetns: string;
  readonly hostHasIpv6: boolean;
  /** Texts of the host's files, or how to read them (again for each container). */
  readonly hostFiles: HostFiles | (() => Promise<HostFiles>);
  /** Absent: the host's routes are read whenever a subnet is to be chosen. */
  readonly hostRoutes?: HostRoutes;
  /** By driver: options of networks that say nothing themselves (`default-network-opts`). */
  readonly defaultNetworkOptions?: ControllerParts["defaultNetworkOptions"];
  /** Absent: no default bridge (`--bridge none`). */
  readonly defaultBridge?: DefaultBridgeConfig;
  /** Containers that run already: their sandboxes are served again, all others are removed. */
  readonly live: LiveContainers;
  /** The cluster that this host is in, as far as it is known at the start. */
  readonly cluster?: ClusterEntry;
  /** An endpoint cannot stay; whoever holds its container's lock is to disconnect it. */
  readonly endpointLost?: (loss: EndpointLoss) => void;
  readonly log: Log;
}

/**
 * The container network model as the engine sees it. Nothing here takes locks: the engine holds the container's around
 * calls for its sandbox. Errors are the clients' (see util/errors), with Docker's messages.
 */
export interface Controller extends ServiceControl {
  /** Names of network drivers, as /info lists them. */
  driverNames(): Promise<readonly string[]>;

  /** Drivers of these networks (and of their addresses) that are others' programs and do not answer at the moment. */
  awayDrivers(networkRefs: readonly string[]): readonly string[];
  /** Tells when drivers may have come that were away. */
  followDrivers(listener: () => void): () => void;

  /** @throws conflict (name), forbidden (predefined, overlap), invalid, not-found (driver) */
  createNetwork(spec: NetworkSpec): Promise<Network>;
  /** Full id, name, or start of an id. @throws not-found, invalid when ambiguous */
  network(ref: string): Network;
  /** Oldest first. */
  networks(): readonly Network[];
  /** What there is of a network in the kernel and in the firewall, endpoint by endpoint. @throws not-found */
  describeNetwork(ref: string): Promise<NetworkDetails>;
  /** @throws not-found, forbidden (predefined, in use) */
  deleteNetwork(ref: string): Promise<void>;
  /** What `connect` would refuse of a container that does not run. @throws not-found, invalid, forbidden */
  checkEndpoint(spec: EndpointSpec): void;

  /** Makes the sandbox of a container, with all its endpoints; one that is left over goes first. */
  createSandbox(spec: SandboxSpec): Promise<Sandbox>;
  /** The sandbox of a container that runs. */
  sandbox(containerId: string): Sandbox | undefined;

  /**
   * This host is in a cluster: its networks appear. One that was there at the start is entered already. What is answered
   * ends it, before the cluster does; when the host leaves for good the networks go.
   */
  enterCluster(entry: ClusterEntry): Promise<(options: { readonly leaves: boolean }) => Promise<void>>;

  /** The container is no more: nothing of it is remembered for a next start. */
  forgetContainer(containerId: string): Promise<void>;

  /**
   * Whether a container, which runs or is about to, can do its work, as its health check says. One that cannot leaves
   * names that others have too, and services, on networks of the cluster. Without a word a container is ready.
   */
  setReady(containerId: string, isReady: boolean): void;

  /** The uplink's MTU may have changed: networks that follow it do, and so do the links of their containers. */
  followUplink(): Promise<void>;

  /** A sandbox's resolver listens on other ports than before. */
  redirectDns(sandboxId: string, ports: ResolverPorts): Promise<void>;

  /** Resolves when deletions that follow their answer are done. */
  settle(): Promise<void>;
  /**
   * Ends the controller. When it `keeps` everything stays as it is and is served again after the next start; else
   * everything in the kernel goes too, and only records stay. It keeps when a sandbox lives, unless it is told.
   */
  close(options?: { readonly keeps: boolean }): Promise<void>;
}

/** Restores what is on record, sweeps what a crash left, makes the default networks. */
export async function createController(options: ControllerOptions): Promise<Controller> {
  const parts = partsOf(options);
  const sandboxes = new Sandboxes(parts);
  // before endpoints are restored that are on its networks
  const { cluster } = options;
  const surroundings = globalSurroundings(parts, sandboxes, options);
  const globals = cluster && (await GlobalNetworks.enter(cluster, surroundings));
  parts.globals.current = globals;
  await restore(parts, sandboxes, options.live);
  await ensureDefaultNetworks(parts, options.hostNetlink, options.defaultBridge);
  parts.netnsPool.fill();
  await globals?.ready();
  return new NetworkController(parts, sandboxes, surroundings);
}

/**
 * How long a daemon that ends waits for links to be deleted: the kernel takes some 16 ms per bridge, one after the other
 * (rcu_barrier in br_multicast_dev_del of net/bridge/br_multicast.c), and systemd allows 90 s.
 */
const patienceMs = 60_000;

class NetworkController implements Controller {
  readonly #parts: ControllerParts;
  readonly #sandboxes: Sandboxes;
  readonly #globalSurroundings: GlobalSurroundings;

  constructor(parts: ControllerParts, sandboxes: Sandboxes, globalSurroundings: GlobalSurroundings) {
    this.#parts = parts;
    this.#sandboxes = sandboxes;
    this.#globalSurroundings = globalSurroundings;
  }

  driverNames(): Promise<readonly string[]> {
    return this.#parts.drivers.names();
  }

  awayDrivers(networkRefs: readonly string[]): readonly string[] {
    const { networks, drivers, ipamDrivers } = this.#parts;
    const records = networkRefs.flatMap((ref) => networks.lookUp(ref)?.record ?? []);
    const away = records.flatMap(({ driver, ipam }) => [
      ...(drivers.isAway(driver) ? [driver] : []),
      ...(ipamDrivers.isAway(ipam.driver) ? [ipam.driver] : []),
    ]);
    return [...new Set(away)];
  }

  followDrivers(listener: () => void): () => void {
    const stops = [this.#parts.drivers.follow(listener), this.#parts.ipamDrivers.follow(listener)];
    return () => {
      for (const stop of stops) stop();
    };
  }

  createNetwork(spec: NetworkSpec): Promise<Network> {
    return createNetwork(this.#parts, spec);
  }

  network(ref: string): Network {
    return this.#parts.networks.find(ref);
  }

  describeNetwork(ref: string): Promise<NetworkDetails> {
    return describeNetwork(this.#sandboxes, this.network(ref));
  }

  networks(): readonly Network[] {
    return this.#parts.networks.all();
  }

  async deleteNetwork(ref: string): Promise<void> {
    await deleteNetwork(this.#parts, this.network(ref));
  }

  checkEndpoint(spec: EndpointSpec): void {
    checkEndpoint(this.network(spec.network), spec);
  }

  createSandbox(spec: SandboxSpec): Promise<Sandbox> {
    return createSandbox(this.#parts, this.#sandboxes, spec);
  }

  sandbox(containerId: string): Sandbox | undefined {
    return this.#sandboxes.get(containerId);
  }

  async enterCluster(entry: ClusterEntry): Promise<(options: { readonly leaves: boolean }) => Promise<void>> {
    const { globals } = this.#parts;
    if (!globals.current) {
      globals.current = await GlobalNetworks.enter(entry, this.#globalSurroundings);
      await globals.current.ready();
    }
    const entered = globals.current;
    return async (options) => {
      if (globals.current === entered) globals.current = undefined;
      await entered.end(options);
    };
  }

  async forgetContainer(containerId: string): Promise<void> {
    const { memory, records, globals } = this.#parts;
    globals.local.setReady(containerId, true);
    if (!memory.hasAny({ containerId })) return;
    await records.store.commit((transaction) => memory.forgetAll(transaction, { containerId }));
  }

  setReady(containerId: string, isReady: boolean): void {
    if (!this.#parts.globals.local.setReady(containerId, isReady)) return;
    const sandbox = this.sandbox(containerId);
    if (sandbox) this.#parts.background.run("say who is ready", () => sandbox.announceAgain());
  }

  services(networkId?: string): readonly Service[] {
    return this.#parts.globals.services(networkId);
  }

  async publishService(
    networkId: string,
    name: string,
    ports: readonly PublishedService[],
  ): Promise<Service> {
    return await this.#parts.globals.publishService(this.network(networkId).id, name, ports);
  }

  async unpublishService(
    networkId: string,
    name: string,
    ports: readonly PublishedService[],
  ): Promise<Service> {
    return await this.#parts.globals.unpublishService(this.network(networkId).id, name, ports);
  }

  followServices(listener: Parameters<ServiceControl["followServices"]>[0]): () => void {
    return this.#parts.globals.followServices(listener);
  }

  async followUplink(): Promise<void> {
    const drivers = this.#parts.drivers.all();
    const changed = (await Promise.all(drivers.map((driver) => driver.followUplink?.() ?? []))).flat();
    if (changed.length === 0) return;
    this.#parts.log.info(
      { networks: changed.length, mtu: changed[0]?.mtu },
      "networks follow the uplink's MTU",
    );
    const mtus = new Map(changed.map(({ networkId, mtu }) => [networkId, mtu]));
    await Promise.all(this.#sandboxes.all().map((sandbox) => sandbox.followMtus(mtus)));
  }

  async redirectDns(sandboxId: string, ports: ResolverPorts): Promise<void> {
    const sandbox = this.#sandboxes.all().find(({ id }) => id === sandboxId);
    await sandbox?.redirectDns(ports);
  }

  async settle(): Promise<void> {
    await this.#settleDrivers();
    await this.#parts.background.settle();
    await this.#parts.globals.current?.settle();
    await this.#settleDrivers();
  }

  async close(options?: { readonly keeps: boolean }): Promise<void> {
    const sandboxes = this.#sandboxes.all();
    await this.#parts.netnsPool.close();
    await this.settle();
    await Promise.all(sandboxes.map((sandbox) => sandbox.release()));
    if (options?.keeps ?? sandboxes.length > 0) return;
    // records stay: the next start makes the same again
    // and a cluster's networks are not this host's to delete
    const real = this.networks().filter((network) => !network.record.configOnly && !isGlobal(network));
    await Promise.all(real.map((network) => this.#takeAway(network)));
    await this.#settleDrivers({ withinMs: patienceMs });
  }

  /** What a driver cannot delete now, its sweep will at the next start; the others' go. */
  async #takeAway({ driver, id, name }: Network): Promise<void> {
    if (!driver.capabilities.replay) return;
    try {
      await driver.deleteNetwork({ networkId: id });
    } catch (error) {
      this.#parts.log.warn({ network: name, reason: errorMessage(error) }, "cannot take a network away");
    }
  }

  async #settleDrivers(options?: { readonly withinMs: number }): Promise<void> {
    await Promise.all(this.#parts.drivers.all().map((driver) => driver.settle?.(options)));
  }
}

function globalSurroundings(
  parts: ControllerParts,
  sandboxes: Sandboxes,
  options: ControllerOptions,
): GlobalSurroundings {
  const { records, memory, networks, globals, drivers, ipamDrivers, background, log } = parts;
  const logLoss = (loss: EndpointLoss) => log.error(loss, "an endpoint cannot stay on its network");
  return {
    networks,
    drivers,
    ipamDrivers,
    background,
    forgetPlaces: (networkId) =>
      records.store.commit((transaction) => memory.forgetAll(transaction, { networkId })),
    lost: options.endpointLost ?? logLoss,
    local: globals.local,
    told: new ToldNames(parts.resolvers, background),
    servicesChanged: (changed, gone) => {
      sandboxes.servicesChanged(new Set([...changed, ...gone].map(({ networkId }) => networkId)));
      globals.tellServices(changed, gone);
    },
    log,
  };
}

function partsOf(options: ControllerOptions): ControllerParts {
  const { hostNetlink, hostNetns, log } = options;
  const files = options.hostFiles;
  const hostFiles = typeof files === "function" ? files : async () => files;
  const background = new Background(log);
  const records = openRecords(options.store);
  const hostRoutes = options.hostRoutes ?? plainHostRoutes(hostNetlink);
  return {
    records,
    memory: new Memory(records),
    networks: new Networks(),
    globals: new GlobalShare(),
    gatewayDemand: new GatewayDemand(),
    drivers: new DriverList(options.drivers, options.plugins?.network),
    ipamDrivers: new DriverList(options.ipamDrivers, options.plugins?.ipam),
    resolvers: options.resolvers,
    netns: options.netns,
    netnsFolder: options.netnsFolder,
    netnsPool: new NetnsPool({
      maker: options.netns,
      folder: options.netnsFolder,
      size: options.readyNetns ?? 2,
      background,
    }),
    hostNetns,
    moveLink: (name, netns) => hostNetlink.send(setLink(name, { netns })),
    returnLink: ({ netlink }, { index, name }) =>
      netlink.send(
        setLink(index, { up: false }),
        setLink(index, { name }),
        setLink(index, { netns: hostNetns }),
      ),
    hostPrefixes: async () => hostPrefixes(hostRoutes, await hostFiles()),
    hostRoutes,
    defaultNetworkOptions: options.defaultNetworkOptions ?? {},
    hostFiles,
    hostHasIpv6: options.hostHasIpv6,
    background,
    departures: new Departures(),
    log,
  };
}
