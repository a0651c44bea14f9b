// Drivers that are plugins: found when somebody names one, and remembered, so that what is on record can be restored
// while its plugin is not there yet.

import { createRemoteIpam, readIpamCapabilities } from "../../drivers/ipam-remote/index.ts";
import { createRemoteDriver, type RemoteCapabilities, readCapabilities } from "../../drivers/remote/index.ts";
import type { OtherDrivers, PluginDrivers } from "../cnm/index.ts";
import type {
  ClusterAccess,
  ClusterStay,
  IpamCapabilities,
  IpamDriver,
  NetworkDriver,
} from "../driverapi/index.ts";
import type { PluginCaller } from "../driverkit/index.ts";
import type { Plugins } from "../plugins/index.ts";
import type { Collection, Store } from "../store/index.ts";
import { errorMessage, notFound } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

interface Surroundings {
  readonly store: Store;
  readonly log: Log;
}

/** Network and IPAM drivers behind sockets, and what those of them hear of a cluster that reach across its hosts. */
export function createPluginDrivers(
  plugins: Plugins,
  { store, log }: Surroundings,
): PluginDrivers & { readonly inCluster: PluginsInCluster } {
  const inCluster = new PluginsInCluster(log);
  return {
    inCluster,
    network: new DriversOfKind<NetworkDriver, RemoteCapabilities>({
      plugins,
      known: store.collection("network plugins"),
      kind: "NetworkDriver",
      read: readCapabilities,
      create: (plugin, capabilities) => inCluster.note(createRemoteDriver(plugin, capabilities, log)),
    }),
    ipam: new DriversOfKind<IpamDriver, IpamCapabilities>({
      plugins,
      known: store.collection("ipam plugins"),
      kind: "IpamDriver",
      read: readIpamCapabilities,
      create: (plugin, capabilities) => createRemoteIpam(plugin, capabilities, log),
    }),
  };
}

/** Plugins come when they are named: before the host is in a cluster, or while it is. */
class PluginsInCluster {
  readonly #log: Log;
  readonly #drivers = new Set<NetworkDriver>();
  #cluster: ClusterAccess | undefined;
  #stays: readonly ClusterStay[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  note(driver: NetworkDriver): NetworkDriver {
    this.#drivers.add(driver);
    if (this.#cluster) void this.#enter(driver, this.#cluster);
    return driver;
  }

  async enterCluster(cluster: ClusterAccess): Promise<ClusterStay> {
    this.#cluster = cluster;
    for (const driver of this.#drivers) await this.#enter(driver, cluster);
    return {
      paths: () => [],
      tryPaths: async () => undefined,
      follow: () => () => undefined,
      end: async (options) => {
        const stays = this.#stays;
        this.#cluster = undefined;
        this.#stays = [];
        await Promise.all(stays.map((stay) => stay.end(options)));
      },
    };
  }

  async #enter(driver: NetworkDriver, cluster: ClusterAccess): Promise<void> {
    try {
      const stay = await driver.enterCluster?.(cluster);
      if (stay) this.#stays = [...this.#stays, stay];
    } catch (error) {
      this.#log.error(
        { driver: driver.name, reason: errorMessage(error) },
        "a plugin cannot enter the cluster",
      );
    }
  }
}

interface Parts<T, Capabilities> {
  readonly plugins: Plugins;
  /** By name: what a plugin said that it can do, the last time that it was asked. */
  readonly known: Collection<Capabilities>;
  /** As plugins call it. */
  readonly kind: string;
  readonly read: (plugin: PluginCaller) => Promise<Capabilities>;
  readonly create: (plugin: PluginCaller, capabilities: Capabilities) => T;
}

class DriversOfKind<T, Capabilities> implements OtherDrivers<T> {
  readonly #parts: Parts<T, Capabilities>;

  constructor(parts: Parts<T, Capabilities>) {
    this.#parts = parts;
  }

  async find(name: string): Promise<T | undefined> {
    const { plugins, kind, read, create } = this.#parts;
    const plugin = await plugins.find(name);
    if (!plugin) return undefined;
    if (!plugin.kinds.has(kind)) {
      const kinds = [...plugin.kinds].join(", ") || "nothing";
      throw notFound(`plugin "${name}" is no ${kind}: it implements ${kinds}`);
    }
    const caller = plugins.caller(name);
    const capabilities = await read(caller);
    await this.#remember(name, capabilities);
    return create(caller, capabilities);
  }

  recall(name: string): T | undefined {
    const { plugins, known, create } = this.#parts;
    const capabilities = known.get(name);
    return capabilities && create(plugins.caller(name), capabilities);
  }

  async names(): Promise<readonly string[]> {
    const { plugins, kind } = this.#parts;
    const names = await plugins.names();
    const kinds = await Promise.all(names.map((name) => plugins.kindsNow(name)));
    return names.filter((_, at) => kinds[at]?.has(kind));
  }

  isAway(name: string): boolean {
    return this.#parts.plugins.isAway(name);
  }

  follow(listener: () => void): () => void {
    return this.#parts.plugins.onAppear(listener);
  }

  async #remember(name: string, capabilities: Capabilities): Promise<void> {
    const { known } = this.#parts;
    if (JSON.stringify(known.get(name)) !== JSON.stringify(capabilities)) await known.put(name, capabilities);
  }
}
