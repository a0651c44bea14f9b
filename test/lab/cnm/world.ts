// A controller on a lab host: real kernel, real firewall, real ports; the proxy's two halves only write down what they
// were told.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import createBridgeDriver from "../../../drivers/bridge/index.ts";
import createCniDriver from "../../../drivers/cni/index.ts";
import createHostDriver from "../../../drivers/host/index.ts";
import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import createNullIpam from "../../../drivers/ipam-null/index.ts";
import createIpvlanDriver from "../../../drivers/ipvlan/index.ts";
import createMacvlanDriver from "../../../drivers/macvlan/index.ts";
import createNoneDriver from "../../../drivers/none/index.ts";
import {
  type Controller,
  type ControllerOptions,
  createController,
  createNetnsMaker,
  type PluginDrivers,
  watchHostRoutes,
} from "../../../src/cnm/index.ts";
import type { Host, HostSettings } from "../../../src/driverapi/index.ts";
import { createDriverHost, createDriverNamespaces } from "../../../src/driverhost/index.ts";
import { createFirewall, createGuards, type OwnedFirewall } from "../../../src/firewall/index.ts";
import * as kernel from "../../../src/kernel/index.ts";
import { setBalance } from "../../../src/kernel/nftables/index.ts";
import type { Prefix } from "../../../src/netip/index.ts";
import { createPorts, type PortLease, type Ports } from "../../../src/ports/index.ts";
import type { Forward, Forwarder, ResolverConfig, Resolvers, ZoneRecord } from "../../../src/proxy/index.ts";
import { openStore, type Store } from "../../../src/store/index.ts";
import { type Log, silentLog } from "../../../src/util/log.ts";
import type { LabHost } from "../lab.ts";
import { defaultBridge } from "./specs.ts";

/** The proxy as a notebook. */
export class ProxyNotes implements Forwarder, Resolvers {
  readonly forwards = new Map<string, readonly Forward[]>();
  readonly resolvers = new Map<string, ResolverConfig>();
  readonly records = new Map<string, ZoneRecord>();
  readonly redirects = new Map<string, { readonly udp: number; readonly tcp: number }>();

  async setForwards(owner: string, forwards: readonly Forward[]): Promise<void> {
    if (forwards.length > 0) this.forwards.set(owner, forwards);
    else this.forwards.delete(owner);
  }

  async setResolver(sandboxId: string, config: ResolverConfig | undefined) {
    if (!config) return void this.resolvers.delete(sandboxId);
    this.resolvers.set(sandboxId, config);
    return { udp: 10053, tcp: 10054 };
  }

  async setRecord(endpointId: string, record: ZoneRecord | undefined): Promise<void> {
    if (record) this.records.set(endpointId, record);
    else this.records.delete(endpointId);
  }

  /** Names that resolve on a network, with how many endpoints each has. */
  names(networkId: string): string[] {
    return [...this.records.values()]
      .flatMap((record) => (record.networkId === networkId ? record.names : []))
      .sort();
  }
}

/** What a daemon builds around a controller. */
export interface World extends AsyncDisposable {
  readonly controller: Controller;
  readonly proxy: ProxyNotes;
  readonly store: Store;
  readonly firewall: OwnedFirewall;
  readonly host: Host;
  /** Scratch folder for the files of containers. */
  readonly folder: string;
  /** Ends the daemon without any clean-up, as a crash does; the next world can go on in the same folder. */
  crash(): Promise<void>;
}

export interface WorldOptions {
  readonly settings?: Partial<HostSettings>;
  /** Networks follow the lab host's uplink, and chosen subnets its routes, as they change. */
  readonly watchesHost?: boolean;
  readonly defaultNetworkOptions?: ControllerOptions["defaultNetworkOptions"];
  readonly defaultPools?: readonly { readonly base: Prefix; readonly size: number }[];
  /** Default: nftables. */
  readonly backend?: OwnedFirewall["backend"];
  readonly defaultBridge?: ControllerOptions["defaultBridge"] | "none";
  /** Drivers that are others' programs; absent: there are none. */
  readonly plugins?: (surroundings: { readonly store: Store; readonly log: Log }) => PluginDrivers;
  /** One that forwards, in place of the notebook. */
  readonly forwarder?: Forwarder;
  /** Go on where a crashed world stopped. */
  readonly folder?: string;
  readonly live?: ReadonlySet<string>;
  readonly log?: Log;
  readonly wrapDriver?: (
    driver: ReturnType<typeof createBridgeDriver>,
  ) => ReturnType<typeof createBridgeDriver>;
}

/** Ports that close with their process, which here is the test's. */
class CountedPorts implements Ports {
  readonly #real: Ports;
  readonly #leases = new Set<PortLease>();

  constructor(real: Ports) {
    this.#real = real;
  }

  async reserve(requests: Parameters<Ports["reserve"]>[0]): Promise<PortLease[]> {
    const leases = await this.#real.reserve(requests);
    for (const lease of leases) this.#leases.add(lease);
    return leases;
  }

  close(): void {
    for (const lease of this.#leases) lease.release();
  }
}

/** The hands that a driver gets on a lab host. */
export async function labDriverHost(
  lab: LabHost,
  parts: {
    readonly firewall: OwnedFirewall;
    readonly proxy: ProxyNotes;
    readonly store: Store;
    readonly ports?: Ports;
    readonly settings?: Partial<HostSettings>;
    readonly log?: Log;
  },
): Promise<Host> {
  const { netns, netlink } = lab;
  const { proxy, store, ...rest } = parts;
  return createDriverHost({
    ...rest,
    netns,
    netlink,
    forwarder: proxy,
    records: store.collection("driver"),
    namespaces: createDriverNamespaces({
      folder: `${netns}-netns`,
      driver: "lab",
      guards: createGuards(),
      log: parts.log ?? silentLog,
    }),
  });
}

export async function createWorld(lab: LabHost, options: WorldOptions = {}): Promise<World> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "tsdocker-world-")));
  const log = options.log ?? silentLog;
  const store = openStore(join(folder, "store"));
  const proxy = new ProxyNotes();
  const firewall = await createFirewall({ backend: options.backend ?? "nftables", netns: lab.netns });
  const ports = new CountedPorts(createPorts({ netns: lab.netns }));
  const notebook = await labDriverHost(lab, {
    ports,
    firewall,
    proxy,
    store,
    log,
    ...(options.settings && { settings: options.settings }),
  });
  const host = { ...notebook, ...(options.forwarder && { forwarder: options.forwarder }) };
  const built: { controller?: Controller } = {};
  const hostRoutes = options.watchesHost
    ? await watchHostRoutes({
        netlink: lab.netlink,
        netns: lab.netns,
        uplinkChanged: () => void built.controller?.followUplink().catch((error) => log.error(error)),
        log,
      })
    : undefined;
  if (hostRoutes) Object.defineProperty(host.settings, "uplinkMtu", { get: () => hostRoutes.uplinkMtu });
  const wrap = options.wrapDriver ?? ((driver) => driver);
  const ipamOptions = { defaultPools: options.defaultPools ?? [], hostId: "lab" };
  const { defaultBridge: bridge = defaultBridge } = options;
  const controller = await createController({
    store,
    drivers: [
      wrap(createBridgeDriver(host)),
      createCniDriver({ ...host, records: store.collection("driver cni") }),
      createHostDriver(host),
      createIpvlanDriver(host),
      createMacvlanDriver(host),
      createNoneDriver(host),
    ],
    ipamDrivers: [createDefaultIpam(ipamOptions), createNullIpam(ipamOptions)],
    resolvers: proxy,
    netns: createNetnsMaker(async (netns, ports) => {
      if (ports) proxy.redirects.set(netns, ports);
      else proxy.redirects.delete(netns);
    }, setBalance),
    netnsFolder: `${lab.netns}-netns`,
    hostNetlink: lab.netlink,
    hostNetns: lab.netns,
    hostHasIpv6: true,
    hostFiles: {
      hosts: "127.0.0.1\tlocalhost\n",
      resolvConf: "nameserver 192.0.2.53\nsearch example.org\n",
      resolvedConf: "",
    },
    ...(hostRoutes && { hostRoutes }),
    ...(options.plugins && { plugins: options.plugins({ store, log }) }),
    ...(options.defaultNetworkOptions && { defaultNetworkOptions: options.defaultNetworkOptions }),
    ...(bridge !== "none" && { defaultBridge: bridge }),
    live: options.live ?? new Set(),
    log,
  });
  built.controller = controller;
  await firewall.start();
  await controller.followUplink();
  return {
    controller,
    proxy,
    store,
    firewall,
    host,
    folder,
    async crash() {
      await controller.settle();
      hostRoutes?.close();
      ports.close();
      await firewall.close();
      await store.close();
    },
    async [Symbol.asyncDispose]() {
      for (const network of controller.networks()) {
        for (const { containerId } of (await network.view()).members)
          await controller.sandbox(containerId)?.delete();
      }
      hostRoutes?.close();
      await controller.close();
      await firewall.stop();
      await store.close();
      await kernel.deleteNetnsFolder(`${lab.netns}-netns`);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
