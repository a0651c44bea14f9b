// A controller's surroundings without a kernel: everything writes what it was told into one transcript, and the nth
// step can be made to fail.

import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import createNullIpam from "../../../drivers/ipam-null/index.ts";
import { type Controller, type ControllerOptions, createController } from "../../../src/cnm/index.ts";
import type { Balanced, Netns, NetnsMaker } from "../../../src/cnm/netns.ts";
import type { IpamDriver, NetworkDriver } from "../../../src/driverapi/index.ts";
import type { Link, Netlink, Request } from "../../../src/kernel/index.ts";
import { formatAddress, type Prefix, randomMac } from "../../../src/netip/index.ts";
import type { Resolvers } from "../../../src/proxy/index.ts";
import type { Collection, Store } from "../../../src/store/index.ts";
import { silentLog } from "../../../src/util/log.ts";

/** Counts steps, writes them down, and fails one of them. */
export class Steps {
  readonly transcript: string[] = [];
  #count = 0;
  #failAt: number | undefined;

  /** The nth step from now on fails; undefined: none. */
  failAt(step: number | undefined): void {
    this.#count = 0;
    this.#failAt = step;
  }

  get count(): number {
    return this.#count;
  }

  take(words: string): void {
    this.#count++;
    if (this.#count === this.#failAt) throw new Error(`injected: ${words}`);
    this.transcript.push(words);
  }
}

/** rtnetlink whose links are what the test put there; requests only leave their words. */
export class FakeNetlink implements Netlink {
  readonly present: Link[] = [];
  readonly #steps: Steps;
  readonly #place: string;

  constructor(steps: Steps, place: string) {
    this.#steps = steps;
    this.#place = place;
  }

  async send(...requests: readonly Request[]): Promise<void> {
    for (const { words } of requests) this.#steps.take(`${this.#place}: ${words}`);
  }

  sendAside(...requests: readonly Request[]): Promise<void> {
    return this.send(...requests);
  }

  links = async () => this.present;
  link = async (ref: number | string) =>
    this.present.find(({ index, name }) => index === ref || name === ref);
  addresses = async () => [];
  routes = async () => [];
  neighbours = async () => [];
  fdb = async () => [];
  filters = async () => [];
  close = async () => undefined;
  [Symbol.asyncDispose] = async () => undefined;
}

/** Namespaces that exist by name only. */
export class FakeNetnsMaker implements NetnsMaker {
  readonly pins = new Set<string>();
  readonly redirects = new Map<string, object>();
  /** By path. */
  readonly balances = new Map<string, readonly Balanced[]>();
  readonly announced: string[] = [];
  readonly #steps: Steps;

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  async create(path: string): Promise<Netns> {
    this.#steps.take("netns add");
    this.pins.add(path);
    return await this.open(path);
  }

  async open(path: string): Promise<Netns> {
    if (!this.pins.has(path)) throw new Error(`no netns at ${path}`);
    const steps = this.#steps;
    return {
      path,
      netlink: new FakeNetlink(steps, "sandbox"),
      writeSysctls: async (values) => {
        for (const [key, value] of Object.entries(values)) steps.take(`sandbox: sysctl ${key}=${value}`);
      },
      // what is lost here is said again: no step that could fail
      sendFrames: async (link, frames) => {
        this.announced.push(`if${link} ${frames.length}`);
      },
      setDnsRedirect: async (ports) => {
        steps.take("sandbox: redirect dns");
        if (ports) this.redirects.set(path, ports);
      },
      setBalance: async (services) => {
        steps.take("sandbox: balance");
        if (services) this.balances.set(path, services);
        else this.balances.delete(path);
      },
      close: async () => undefined,
      remove: async () => this.removePin(path),
    };
  }

  /** PIDs of the processes whose namespaces were pinned again. */
  readonly pinnedAgain: number[] = [];

  async pinAgain(path: string, pid: number): Promise<boolean> {
    if (this.pins.has(path)) return false;
    this.pins.add(path);
    this.pinnedAgain.push(pid);
    return true;
  }

  async removePin(path: string): Promise<void> {
    this.pins.delete(path);
    this.redirects.delete(path);
    this.balances.delete(path);
  }

  list = async () => [...this.pins].map((path) => path.slice(path.lastIndexOf("/") + 1));
}

/** A driver that keeps count of what it has. */
export class FakeDriver implements NetworkDriver {
  readonly name: string;
  readonly capabilities: NetworkDriver["capabilities"];
  readonly networks = new Set<string>();
  readonly endpoints = new Map<string, "created" | "joined">();
  readonly published = new Set<string>();
  readonly #internal = new Set<string>();
  readonly #steps: Steps;

  constructor(steps: Steps, name = "bridge", capabilities: Partial<NetworkDriver["capabilities"]> = {}) {
    this.#steps = steps;
    this.name = name;
    this.capabilities = { scope: "local", connectivityScope: "local", replay: true, ...capabilities };
  }

  async createNetwork(request: Parameters<NetworkDriver["createNetwork"]>[0]): Promise<void> {
    this.#steps.take(`${this.name}: create network ${request.networkName}`);
    this.networks.add(request.networkId);
    if (request.options.internal) this.#internal.add(request.networkId);
  }

  async deleteNetwork({ networkId }: { networkId: string }): Promise<void> {
    this.networks.delete(networkId);
  }

  async createEndpoint(request: Parameters<NetworkDriver["createEndpoint"]>[0]) {
    this.#steps.take(`${this.name}: create endpoint`);
    this.endpoints.set(request.endpointId, "created");
    return { ...request.interface, macAddress: request.interface.macAddress ?? randomMac() };
  }

  async deleteEndpoint({ endpointId }: { endpointId: string }): Promise<void> {
    this.endpoints.delete(endpointId);
  }

  async join(request: Parameters<NetworkDriver["join"]>[0]): ReturnType<NetworkDriver["join"]> {
    this.#steps.take(`${this.name}: join ${request.suggestedName} if${request.freeIndex}`);
    this.endpoints.set(request.endpointId, "joined");
    return {
      link: { srcName: request.suggestedName, dstPrefix: "eth", indexInSandbox: request.freeIndex },
      ...(!this.#internal.has(request.networkId) && { gateway: { family: 4, value: 1n } as const }),
      staticRoutes: [],
      disableGatewayService: false,
    };
  }

  async leave({ endpointId }: { endpointId: string }): Promise<void> {
    if (this.endpoints.has(endpointId)) this.endpoints.set(endpointId, "created");
  }

  async programExternalConnectivity(
    request: Parameters<NonNullable<NetworkDriver["programExternalConnectivity"]>>[0],
  ) {
    this.#steps.take(
      `${this.name}: publish ${request.portBindings.map(({ containerPort }) => containerPort).join(",")}`,
    );
    this.published.add(request.endpointId);
    return request.portBindings.map(({ protocol, containerPort, hostPorts }) => ({
      protocol,
      containerPort,
      hostAddress: { family: 4 as const, value: 0n },
      hostPort: hostPorts?.first ?? 32768,
    }));
  }

  async revokeExternalConnectivity({ endpointId }: { endpointId: string }): Promise<void> {
    this.published.delete(endpointId);
  }
}

/** The store's contract in memory; commits can fail. */
export class FakeStore implements Store {
  readonly #collections = new Map<string, FakeCollection<unknown>>();
  readonly #steps: Steps;

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  collection<T>(name: string): Collection<T> {
    const found = this.#collections.get(name) ?? new FakeCollection(name, this);
    this.#collections.set(name, found);
    return found as FakeCollection<unknown> as Collection<T>;
  }

  async commit(change: Parameters<Store["commit"]>[0]): Promise<void> {
    const writes: (() => void)[] = [];
    let puts = 0;
    change({
      put: (collection, key, record) => {
        puts++;
        // through JSON, as the real one: what does not survive that must not be in a record
        writes.push(() => this.#records(collection.name).set(key, JSON.parse(JSON.stringify(record))));
      },
      delete: (collection, key) => writes.push(() => this.#records(collection.name).delete(key)),
    });
    if (puts > 0) this.#steps.take(`store ${puts}`);
    for (const write of writes) write();
  }

  close = async () => undefined;

  sizes(): Record<string, number> {
    return Object.fromEntries([...this.#collections].map(([name, { size }]) => [name, size]));
  }

  #records(name: string): Map<string, unknown> {
    return (this.collection<unknown>(name) as FakeCollection<unknown>).records;
  }
}

class FakeCollection<T> implements Collection<T> {
  readonly name: string;
  readonly records = new Map<string, T>();
  readonly #store: Store;

  constructor(name: string, store: Store) {
    this.name = name;
    this.#store = store;
  }

  get size(): number {
    return this.records.size;
  }

  get = (key: string) => this.records.get(key);
  has = (key: string) => this.records.has(key);
  values = () => this.records.values();
  entries = () => this.records.entries();
  put = (key: string, record: T) => this.#store.commit((transaction) => transaction.put(this, key, record));
  delete = (key: string) => this.#store.commit((transaction) => transaction.delete(this, key));
}

/** Resolvers and records by id. */
export class FakeResolvers implements Resolvers {
  readonly resolvers = new Map<string, Parameters<Resolvers["setResolver"]>[1]>();
  readonly records = new Map<string, NonNullable<Parameters<Resolvers["setRecord"]>[1]>>();
  readonly #steps: Steps;

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  async setResolver(...[sandboxId, config]: Parameters<Resolvers["setResolver"]>) {
    if (!config) return void this.resolvers.delete(sandboxId);
    this.#steps.take("set resolver");
    this.resolvers.set(sandboxId, config);
    return { udp: 1, tcp: 2 };
  }

  async setRecord(...[endpointId, record]: Parameters<Resolvers["setRecord"]>): Promise<void> {
    if (!record) return void this.records.delete(endpointId);
    this.#steps.take(`set record ${record.names[0]} ${record.addresses.map(formatAddress).join(" ")}`);
    this.records.set(endpointId, record);
  }
}

export interface FakeWorld {
  readonly steps: Steps;
  readonly store: FakeStore;
  readonly netns: FakeNetnsMaker;
  readonly resolvers: FakeResolvers;
  readonly bridge: FakeDriver;
  readonly ipam: IpamDriver;
  readonly hostNetlink: FakeNetlink;
  readonly controller: Controller;
}

export interface FakeWorldOptions
  extends Partial<
    Pick<
      ControllerOptions,
      "live" | "defaultBridge" | "hostFiles" | "readyNetns" | "cluster" | "endpointLost" | "plugins"
    >
  > {
  /** Go on with the records and namespaces of another one. */
  readonly after?: FakeWorld;
  readonly drivers?: (steps: Steps) => readonly NetworkDriver[];
  readonly ipamDrivers?: readonly IpamDriver[];
}

const noFiles = { hosts: "", resolvConf: "", resolvedConf: "" };

export async function createFakeWorld(options: FakeWorldOptions = {}): Promise<FakeWorld> {
  const steps = options.after?.steps ?? new Steps();
  const store = options.after?.store ?? new FakeStore(steps);
  const netns = options.after?.netns ?? new FakeNetnsMaker(steps);
  const resolvers = new FakeResolvers(steps);
  const bridge = new FakeDriver(steps);
  const hostNetlink = options.after?.hostNetlink ?? new FakeNetlink(steps, "host");
  const ipam = createDefaultIpam({ defaultPools: [], hostId: "test" });
  const controller = await createController({
    store,
    drivers: [
      bridge,
      new FakeDriver(steps, "host", { predefinedOnly: true }),
      new FakeDriver(steps, "null", { predefinedOnly: true }),
      ...(options.drivers?.(steps) ?? []),
    ],
    ipamDrivers: [ipam, createNullIpam({ defaultPools: [] }), ...(options.ipamDrivers ?? [])],
    resolvers,
    netns,
    netnsFolder: "/run/test/netns",
    readyNetns: options.readyNetns ?? 0,
    hostNetlink,
    hostNetns: "/proc/1/ns/net",
    hostHasIpv6: true,
    hostFiles: options.hostFiles ?? noFiles,
    ...(options.defaultBridge && { defaultBridge: options.defaultBridge }),
    ...(options.cluster && { cluster: options.cluster }),
    ...(options.plugins && { plugins: options.plugins }),
    ...(options.endpointLost && { endpointLost: options.endpointLost }),
    live: options.live ?? new Set(),
    log: silentLog,
  });
  steps.transcript.length = 0;
  return { steps, store, netns, resolvers, bridge, ipam, hostNetlink, controller };
}

/** How many addresses of each pool of a network are leased, without those that are nobody's. */
export async function leased(world: FakeWorld, networkRef: string): Promise<bigint[]> {
  const view = await world.controller.network(networkRef).view();
  return view.pools.map(({ subnet, inUse }) => inUse - (subnet.address.family === 4 ? 2n : 1n));
}

export type { Prefix };
