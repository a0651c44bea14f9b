// Hosts on an underlay, an overlay driver on each, and a cluster in memory between them. Containers are namespaces that
// join by hand what the controller would attach.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { createOverlayDriverWith } from "../../../drivers/overlay/index.ts";
import type { FakeCluster, FakeHost } from "../../../src/cluster/index.ts";
import type {
  ClusterAccess,
  ClusterStay,
  Host,
  JoinRequest,
  NetworkDriver,
  PoolData,
} from "../../../src/driverapi/index.ts";
import { createDriverNamespaces, type OwnedNamespaces } from "../../../src/driverhost/index.ts";
import { ClusterSession, replaced } from "../../../src/driververify/stages/cluster-session.ts";
import { createFirewall, createGuards, createTunnelGuard } from "../../../src/firewall/index.ts";
import {
  addAddress,
  addRoute,
  createNetns,
  deleteNetns,
  deleteNetnsFolder,
  setLink,
} from "../../../src/kernel/index.ts";
import { formatAddress, type Mac } from "../../../src/netip/index.ts";
import { openStore } from "../../../src/store/index.ts";
import { type Log, silentLog } from "../../../src/util/log.ts";
import { prefix } from "../../unit/kernel/values.ts";
import { inside } from "../cnm/inside.ts";
import { labDriverHost, ProxyNotes } from "../cnm/world.ts";
import { LabHost, type Segment } from "../lab.ts";
import { ShortCuts, untilItsEnd } from "./overlay-short-cuts.ts";
import "../matchers.ts";

export const networkId = "b1".repeat(32);

export function pool(subnet: string, gateway?: string): PoolData {
  return {
    addressSpace: "global",
    pool: prefix(subnet),
    ...(gateway && { gateway: prefix(`${gateway}/${subnet.split("/")[1]}`) }),
    auxAddresses: {},
  };
}

export interface NetworkWish {
  readonly id?: string;
  readonly generic?: Readonly<Record<string, string>>;
  readonly internal?: boolean;
  readonly ipv4?: readonly PoolData[];
  readonly ipv6?: readonly PoolData[];
}

const blue4 = [pool("10.9.0.0/24", "10.9.0.1")];
const blue6 = [pool("fd09::/64", "fd09::1")];

/** A machine with a daemon's overlay driver. */
export class OverlayHost implements AsyncDisposable {
  readonly lab: LabHost;
  readonly cluster: FakeHost;
  readonly host: Host;
  readonly shortCuts: ShortCuts;
  driver: NetworkDriver;
  #session: ClusterSession;
  #endOfLinks: () => Promise<void> = async () => undefined;
  #stay: ClusterStay | undefined;
  readonly #namespaces: OwnedNamespaces;
  readonly #sweepMs: number;
  readonly #restMs: number;
  readonly #close: () => Promise<void>;
  readonly #containers = new Set<OverlayContainer>();
  readonly #networks = new Map<string, NetworkWish>();

  constructor(parts: {
    readonly lab: LabHost;
    readonly cluster: FakeHost;
    readonly host: Host;
    readonly shortCuts: ShortCuts;
    readonly namespaces: OwnedNamespaces;
    readonly sweepMs: number;
    readonly restMs: number;
    readonly close: () => Promise<void>;
  }) {
    this.lab = parts.lab;
    this.cluster = parts.cluster;
    this.host = parts.host;
    this.shortCuts = parts.shortCuts;
    this.#session = new ClusterSession(parts.cluster);
    this.#sweepMs = parts.sweepMs;
    this.#restMs = parts.restMs;
    this.driver = this.#createDriver();
    this.#namespaces = parts.namespaces;
    this.#close = parts.close;
  }

  /** What the daemon of now sees of the cluster. */
  get access(): ClusterAccess {
    return this.#session.access;
  }

  async createNetwork(wish: NetworkWish = {}): Promise<void> {
    const { id = networkId, generic = {}, internal = false, ipv4 = blue4, ipv6 = blue6 } = wish;
    this.#networks.set(id, wish);
    const enable = { enableIpv4: ipv4.length > 0, enableIpv6: ipv6.length > 0 };
    await this.driver.createNetwork({
      networkId: id,
      networkName: `n${id.slice(0, 2)}`,
      options: { ...enable, internal, generic },
      ipv4Data: ipv4,
      ipv6Data: ipv6,
    });
  }

  /** A container with these addresses, `10.9.0.2/24` and alike. */
  async run(name: string, addresses: readonly string[], id = networkId): Promise<OverlayContainer> {
    const container = await OverlayContainer.start(this, name, { addresses, networkId: id });
    this.#containers.add(container);
    return container;
  }

  /** The netns of a network. */
  netns(id = networkId): string {
    return `${this.lab.netns}-netns/overlay-${id.slice(0, 12)}`;
  }

  /** What `bridge fdb`, `ip neigh` and the like say there. */
  async inside(...command: readonly [string, ...string[]]): Promise<string> {
    const [file, ...args] = command;
    return await new LabHost("", this.netns(), this.lab.netlink).run(file, ...args);
  }

  /** The daemon ends without a word, and another one starts and replays what is on record. */
  async restart(gone: readonly OverlayContainer[] = []): Promise<void> {
    this.#session.end();
    await this.#endOfLinks();
    await this.#stay?.end({ leaves: false });
    await this.#namespaces.close();
    this.#session = new ClusterSession(this.cluster);
    this.driver = this.#createDriver();
    for (const wish of this.#networks.values()) await this.createNetwork(wish);
    const live = [...this.#containers].filter((container) => !gone.includes(container));
    for (const container of live) await container.replay(this.driver);
    await this.driver.sweep?.({
      networkIds: new Set(this.#networks.keys()),
      endpointIds: new Set(live.map(({ endpointId }) => endpointId)),
    });
  }

  /** Tries the paths to other hosts, as a daemon does for as long as it is in a cluster. */
  async enterCluster(): Promise<ClusterStay> {
    const { enterCluster } = this.driver;
    if (!enterCluster) throw new TypeError("the driver enters no clusters");
    this.#stay = await enterCluster.call(this.driver, this.#session.access);
    return this.#stay;
  }

  #createDriver(): NetworkDriver {
    const cluster = this.#session.access;
    const probes = { everyMs: 100, apartMs: 1, patienceMs: 300, sweepMs: this.#sweepMs };
    const intervals = { sweepMs: this.#sweepMs, restMs: this.#restMs, probes };
    const { link, end } = untilItsEnd(this.host.link);
    this.#endOfLinks = end;
    return createOverlayDriverWith({ ...this.host, link, cluster }, intervals);
  }

  forget(container: OverlayContainer): void {
    this.#containers.delete(container);
  }

  async deleteNetwork(id = networkId): Promise<void> {
    this.#networks.delete(id);
    await this.driver.deleteNetwork({ networkId: id });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of [...this.#containers]) await container.stop();
    await this.driver.settle?.();
    for (const id of [...this.#networks.keys()]) await this.deleteNetwork(id).catch(() => undefined);
    await this.#stay?.end({ leaves: true });
    await this.#namespaces.close();
    await this.#close();
  }
}

/** Namespaces in which nothing is ever heard. */
function deaf(namespaces: OwnedNamespaces): OwnedNamespaces {
  const open = async (name: string) =>
    replaced(await namespaces.open(name), { watch: async () => undefined });
  return replaced<OwnedNamespaces>(namespaces, { open });
}

let endpoints = 0;

/** A namespace with an endpoint in it. */
export class OverlayContainer {
  readonly endpointId = `${(++endpoints).toString(16).padStart(7, "0")}${"e".repeat(57)}`;
  readonly host: LabHost;
  readonly addresses: readonly string[];
  readonly #owner: OverlayHost;
  readonly #networkId: string;
  readonly #path: string;
  mac: Mac | undefined;

  private constructor(owner: OverlayHost, host: LabHost, wish: ContainerWish) {
    this.#owner = owner;
    this.host = host;
    this.addresses = wish.addresses;
    this.#networkId = wish.networkId;
    this.#path = host.netns;
  }

  static async start(owner: OverlayHost, name: string, wish: ContainerWish): Promise<OverlayContainer> {
    const path = `${owner.lab.netns}-netns/${name}`;
    await createNetns(path);
    const container = new OverlayContainer(owner, await inside(name, path), wish);
    try {
      await container.#join();
      return container;
    } catch (error) {
      await container.end();
      throw error;
    }
  }

  /** Its address of a family, in text. */
  address(family: 4 | 6 = 4): string {
    const own = this.addresses.map(prefix).find(({ address }) => address.family === family);
    return own ? formatAddress(own.address) : "";
  }

  /** One packet; rejects when nothing comes back within ten seconds, or what `-W` says. */
  async ping(other: OverlayContainer, family: 4 | 6 = 4, ...options: readonly string[]): Promise<string> {
    const words = [`-${family}`, "-c1", "-W10", ...options, other.address(family)];
    return await this.host.run("busybox", "ping", ...words);
  }

  /** As a daemon's start does for a container that runs. */
  async replay(driver: NetworkDriver): Promise<void> {
    await this.#create(driver);
    await driver.rejoin?.(this.#request());
  }

  async stop(): Promise<void> {
    const { driver } = this.#owner;
    const ref = { networkId: this.#networkId, endpointId: this.endpointId };
    this.#owner.forget(this);
    await driver.leave(ref);
    await this.end();
    await driver.deleteEndpoint({ ...ref, sandboxIsGone: true });
  }

  /** The namespace alone: nobody tells the driver. */
  async end(): Promise<void> {
    await this.host.close();
    await deleteNetns(this.#path);
  }

  #request(): JoinRequest {
    return {
      networkId: this.#networkId,
      endpointId: this.endpointId,
      sandboxKey: this.#path,
      freeIndex: 2,
      suggestedName: "eth0",
    };
  }

  async #create(driver: NetworkDriver) {
    const own = this.addresses.map(prefix);
    const address = own.find((it) => it.address.family === 4);
    const addressIpv6 = own.find((it) => it.address.family === 6);
    return await driver.createEndpoint({
      networkId: this.#networkId,
      endpointId: this.endpointId,
      interface: { ...(address && { address }), ...(addressIpv6 && { addressIpv6 }) },
      options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} },
    });
  }

  async #join(): Promise<void> {
    const { driver } = this.#owner;
    this.mac = (await this.#create(driver)).macAddress;
    const { link, staticRoutes } = await driver.join(this.#request());
    const index = link?.indexInSandbox ?? 0;
    const { netlink } = this.host;
    await netlink.send(
      setLink("lo", { up: true }),
      ...this.addresses.map((text) =>
        addAddress({ link: index, prefix: prefix(text), noDad: text.includes(":") }),
      ),
      setLink(index, { up: true }),
      ...staticRoutes.map(({ destination }) =>
        addRoute({ family: destination.address.family, destination, link: index }),
      ),
    );
  }
}

interface ContainerWish {
  readonly addresses: readonly string[];
  readonly networkId: string;
}

export interface HostOptions {
  /** Of the underlay. */
  readonly family?: 4 | 6;
  readonly log?: Log;
  /** Stand-ins for what the driver asks the kernel room. */
  readonly link?: Partial<Host["link"]>;
  /** What its kernel would lack for the guard of tunnels. */
  readonly lack?: string;
  /** Hears of no change in the kernel, and looks by itself as often as this. */
  readonly looksEveryMs?: number;
  /** How long networks stay after their last container, while it is in the cluster. Default: no longer. */
  readonly restMs?: number;
}

/** A machine on the underlay that is a host of the cluster. */
export async function overlayHost(
  segment: Segment,
  cluster: FakeCluster,
  name: string,
  { family = 4, link = {}, log = silentLog, lack, looksEveryMs, restMs = 0 }: HostOptions = {},
): Promise<OverlayHost> {
  const lab = await segment.host(name);
  const address = lab.addresses.find((own) => own.family === family);
  const node = await cluster.addNode(name, address ? { address } : {});
  const folder = await mkdtemp(join(tmpdir(), "tsdocker-overlay-"));
  const store = openStore(join(folder, "store"));
  const firewall = await createFirewall({ backend: "nftables", netns: lab.netns });
  const proxy = new ProxyNotes();
  const notebook = await labDriverHost(lab, { firewall, proxy, store, log });
  const netnsFolder = `${lab.netns}-netns`;
  const guards = createGuards();
  const namespaces = createDriverNamespaces({ folder: netnsFolder, driver: "overlay", guards, log });
  const tunnels = createTunnelGuard({ netns: lab.netns, log });
  const shortCuts = new ShortCuts();
  return new OverlayHost({
    lab,
    cluster: node,
    shortCuts,
    host: {
      ...notebook,
      link: shortCuts.noting({ ...notebook.link, ...link }),
      netns: looksEveryMs === undefined ? namespaces : deaf(namespaces),
      tunnels: lack === undefined ? tunnels : { set: (wish) => tunnels.set(wish), lack },
      cluster: node,
    },
    namespaces,
    sweepMs: looksEveryMs ?? 60_000,
    restMs,
    close: async () => {
      await tunnels.stop();
      await firewall.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
      await deleteNetnsFolder(netnsFolder);
    },
  });
}

/** Counts what a host's tunnels send from now on: all of it, and what the underlay would have to take apart. */
export async function countTunnels({ lab }: OverlayHost) {
  await lab.run(
    "nft",
    "add table inet count; add chain inet count out { type filter hook postrouting priority 200; }",
  );
  await lab.run("nft", "add rule inet count out udp dport 4789 meta length gt 1500 counter");
  await lab.run("nft", "add rule inet count out udp dport 4789 counter");
  return async () => {
    const text = await lab.run("nft", "list", "table", "inet", "count");
    const [tooLong = 0, all = 0] = [...text.matchAll(/counter packets (\d+)/g)].map(([, count]) =>
      Number(count),
    );
    return { all, tooLong };
  };
}

/** Sends frames to everybody on the network. */
export async function broadcast({ host }: OverlayContainer, count: number): Promise<void> {
  await host.run("ip", "neigh", "replace", "10.9.0.250", "lladdr", "ff:ff:ff:ff:ff:ff", "dev", "eth0");
  const datagram = "echo hello > /dev/udp/10.9.0.250/9";
  await host.run("bash", "-c", Array.from({ length: count }, () => datagram).join("; "));
}

/** Until the rows are gone. */
export async function expectNoPing(from: OverlayContainer, to: OverlayContainer): Promise<void> {
  const tried = () =>
    from.ping(to, 4, "-W1").then(
      () => "answered",
      () => "silence",
    );
  await expect.poll(tried).toBe("silence");
}

/** Until the rows are there. */
export async function expectPing(
  from: OverlayContainer,
  to: OverlayContainer,
  family: 4 | 6 = 4,
): Promise<void> {
  const tried = () =>
    from.ping(to, family, "-W1").then(
      () => "answered",
      (error) => String(error),
    );
  await expect.poll(tried).toBe("answered");
}
