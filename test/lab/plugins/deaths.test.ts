// A plugin that is killed (SIGKILL) in one call of its life, whichever that is, before it did anything or when nobody heard
// of what it did. Somebody starts it again. What failed works when it is done again, what went on goes on, and in the end
// nothing is left: no link, namespace, address, record, lease, or debt. All on one controller, real processes, real links.

import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import type { Sandbox } from "../../../src/cnm/index.ts";
import { createPluginDrivers } from "../../../src/daemon/plugin-drivers.ts";
import { openNetlink } from "../../../src/kernel/index.ts";
import { Plugins } from "../../../src/plugins/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { endpointSpec, networkSpec, pool, sandboxSpec } from "../cnm/specs.ts";
import { createWorld, type World } from "../cnm/world.ts";
import { Lab, type LabHost } from "../lab.ts";
import { leaks, type Snapshot, snapshotNetns } from "../leaks.ts";
import { everyStep } from "../steps.ts";
import { MortalGround, MortalProcess } from "./mortal-process.ts";
import type { Death } from "./mortal-program.ts";

let lab: Lab;
let host: LabHost;
let ground: MortalGround;
let world: World;
let plugins: Plugins;
let drivers: ReturnType<typeof createPluginDrivers>;
const cluster = new FakeCluster();
let before: Snapshot;
let names = 0;

beforeAll(async () => {
  lab = await Lab.create();
  host = await lab.host("machine");
  ground = await MortalGround.create(host);
  world = await createWorld(host, {
    defaultBridge: "none",
    plugins: ({ store }) => {
      plugins = new Plugins({
        folders: { sockets: ground.folder, specs: [] },
        // whoever starts it again may be slow
        patienceMs: 30_000,
        debts: store.collection("plugin debts"),
        log: silentLog,
      });
      drivers = createPluginDrivers(plugins, { store, log: silentLog });
      return drivers;
    },
  });
  await drivers.inCluster.enterCluster(await cluster.addNode("machine"));
  before = await snapshotNetns(host.netns);
});

afterAll(() =>
  everyStep(
    () => world.controller.settle(),
    async () => expect(leaks(before, await snapshotNetns(host.netns))).toEqual({}),
    async () => plugins.close(),
    () => world[Symbol.asyncDispose](),
    () => ground[Symbol.asyncDispose](),
    () => lab[Symbol.asyncDispose](),
  ),
);

/** One plugin's life: a network, a container that is made on it, another one that comes and goes while it runs. */
class Life implements AsyncDisposable {
  readonly plugin: MortalProcess;
  readonly errors: string[] = [];
  readonly #name = `p${++names}`;
  readonly #subnet = `10.${names}.0`;
  readonly #ids: string[] = [];
  readonly #pins: string[] = [];
  readonly #sandboxes: Sandbox[] = [];

  constructor(options: { readonly isForgetful?: boolean; readonly death?: Death } = {}) {
    this.plugin = new MortalProcess(ground, { name: this.#name, ...options });
  }

  async run(): Promise<void> {
    const { controller } = world;
    const name = this.#name;
    const subnet = pool(`${this.#subnet}.0/24`, {
      gateway: `${this.#subnet}.1`,
      aux: { router: `${this.#subnet}.250` },
    });
    const wish = networkSpec(name, { driver: name, ipam: { driver: name, pools: [subnet] } });
    const network = await this.#insist(() => controller.createNetwork(wish));
    const one = await this.#insist(() =>
      controller.createSandbox(sandboxSpec(`${name}-one`, { endpoints: [endpointSpec(name)] })),
    );
    this.#sandboxes.push(one);
    this.#ids.push(network.id, one.id);
    expect(await this.#addresses(one)).toHaveLength(1);
    const two = await this.#insist(() => controller.createSandbox(sandboxSpec(`${name}-two`)));
    this.#sandboxes.push(two);
    this.#ids.push(two.id);
    await this.#insist(() => two.connect(endpointSpec(name)));
    expect(await this.#addresses(two)).toHaveLength(1);
    await this.#insist(() => two.disconnect(name));
    expect(await this.#addresses(two)).toEqual([]);
    // it goes on, whatever became of its plugin
    expect(await this.#addresses(one)).toHaveLength(1);
    this.#pins.push(one.netnsPath, two.netnsPath);
    for (const sandbox of [one, two]) await this.#insist(() => sandbox.delete());
    await this.#insist(() => controller.deleteNetwork(name));
  }

  async expectNothing(): Promise<void> {
    const { store } = world;
    const left = async () => {
      const debts = [...store.collection("plugin debts").entries()].map(([key]) => key);
      const records = ["networks", "endpoints", "sandboxes", "memory"].flatMap((collection) =>
        [...store.collection(collection).entries()].map((entry) => JSON.stringify(entry)),
      );
      return [
        ...(await this.plugin.possessions()),
        ...debts.filter((key) => key.endsWith(` ${this.#name}`)).map((key) => `debt ${key}`),
        ...records.filter((text) => this.#ids.some((id) => text.includes(id))),
        ...this.#pins.filter((path) => existsSync(path)),
      ];
    };
    await vi.waitFor(async () => expect(await left()).toEqual([]), { timeout: 30_000, interval: 30 });
  }

  /** A life that failed leaves nothing to the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { controller } = world;
    for (const sandbox of this.#sandboxes) await sandbox.delete().catch(() => undefined);
    await controller.deleteNetwork(this.#name).catch(() => undefined);
    await this.plugin[Symbol.asyncDispose]();
    await this.plugin.deleteLinks();
  }

  /** What a user does: tells of it once, and once more if it failed. */
  async #insist<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.errors.push(error instanceof Error ? error.message : String(error));
      return await work();
    }
  }

  /** On the plugin's network, as the container sees them. */
  async #addresses({ netnsPath }: Sandbox): Promise<string[]> {
    await using netlink = await openNetlink(netnsPath);
    const mine = pool(`${this.#subnet}.0/24`).subnet;
    const values = (await netlink.addresses()).map(({ prefix }) => prefix.address);
    return values
      .filter(({ family, value }) => family === 4 && value >> 8n === mine.address.value >> 8n)
      .map(({ value }) => String(value));
  }
}

/** Of a life without trouble: how often it is asked. */
const wholeLife = {
  "Plugin.Activate": 1,
  "NetworkDriver.GetCapabilities": 1,
  // of this host
  "NetworkDriver.DiscoverNew": 1,
  "IpamDriver.GetCapabilities": 1,
  "IpamDriver.GetDefaultAddressSpaces": 1,
  "IpamDriver.RequestPool": 1,
  // gateway, the router, two containers
  "IpamDriver.RequestAddress": 4,
  "NetworkDriver.CreateNetwork": 1,
  "NetworkDriver.CreateEndpoint": 2,
  "NetworkDriver.Join": 2,
  "NetworkDriver.ProgramExternalConnectivity": 2,
  "NetworkDriver.EndpointOperInfo": 2,
  "NetworkDriver.RevokeExternalConnectivity": 2,
  "NetworkDriver.Leave": 2,
  "NetworkDriver.DeleteEndpoint": 2,
  "IpamDriver.ReleaseAddress": 4,
  "IpamDriver.ReleasePool": 1,
  "NetworkDriver.DeleteNetwork": 1,
} as const;

const deaths = Object.entries(wholeLife).flatMap(([method, calls]) =>
  Array.from({ length: calls }, (_, at) => at + 1).flatMap((call) =>
    (["before", "after"] as const).map((when) => ({ when, call, method })),
  ),
);

test("a plugin's life is these calls", async () => {
  await using life = new Life();
  const { plugin } = life;
  await plugin.start();
  await life.run();
  await life.expectNothing();
  expect(life.errors).toEqual([]);
  const counts = Object.groupBy(await plugin.calls(), ({ method }) => method);
  expect(
    Object.fromEntries(Object.entries(counts).map(([method, calls]) => [method, calls?.length])),
  ).toEqual(wholeLife);
});

/** Where leases are held already when it comes back without any. */
const forgotten = deaths.filter(({ when, call, method }) =>
  [
    "before 3 RequestAddress",
    "after 4 RequestAddress",
    "after 1 Join",
    "before 2 ProgramExternalConnectivity",
  ].includes(`${when} ${call} ${method.split(".")[1]}`),
);

describe("a plugin that is killed", () => {
  test.concurrent.each(forgotten)(
    "$when call $call of $method, and forgets its leases, leaves nothing",
    (death) => dies({ death, isForgetful: true }),
  );

  test.concurrent.each(deaths)("$when call $call of $method leaves nothing", (death) => dies({ death }));
});

async function dies(options: ConstructorParameters<typeof Life>[0]): Promise<void> {
  await using life = new Life(options);
  const { plugin } = life;
  await plugin.start();
  await life.run();
  await vi.waitFor(() => expect(plugin.lives).toBe(2), { timeout: 30_000, interval: 30 });
  await life.expectNothing();
  // whoever was told of it was told whose fault it is
  for (const error of life.errors) expect(error).toContain(`plugin ${plugin.name}`);
}
