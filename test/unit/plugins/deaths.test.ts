// A plugin that is killed in one call of its life, whichever that is: it comes back, and then everything can be removed
// and nothing is left, with it or with us.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createPluginDrivers } from "../../../src/daemon/plugin-drivers.ts";
import { Plugins } from "../../../src/plugins/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { address, endpointSpec, networkSpec, pool, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, FakeStore, type FakeWorld, Steps } from "../cnm/fakes.ts";
import { type Death, MortalPlugin } from "./mortal-plugin.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deaths-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** A host with a daemon's controller, and one plugin that hands out networks and addresses. */
class Stage implements AsyncDisposable {
  readonly plugin: MortalPlugin;
  readonly errors: string[] = [];
  /** The daemon is killed with the plugin. */
  diesToo = false;
  readonly #store = new FakeStore(new Steps());
  #plugins: Plugins | undefined;
  #world: FakeWorld | undefined;

  constructor(death?: Death) {
    this.plugin = new MortalPlugin(join(folder, "p.sock"), death);
  }

  get world(): FakeWorld {
    if (!this.#world) throw new Error("not started");
    return this.#world;
  }

  get debts(): number {
    return this.#store.collection("plugin debts").size;
  }

  /** Starts the daemon, or starts it again after it was killed. */
  async start(): Promise<void> {
    this.#plugins?.close();
    this.#plugins = new Plugins({
      folders: { sockets: folder, specs: [] },
      patienceMs: 0,
      newcomerMs: 0,
      debts: this.#store.collection("plugin debts"),
      log: silentLog,
    });
    const plugins = createPluginDrivers(this.#plugins, { store: this.#store, log: silentLog });
    this.#world = await createFakeWorld({ plugins, ...(this.#world && { after: this.#world }) });
  }

  /** Does one step of a life; what fails is noted. One that is killed with the plugin does no more. */
  async try<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.diesToo && this.plugin.isDead) return undefined;
    try {
      return await work();
    } catch (error) {
      this.errors.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#plugins?.close();
    await this.plugin.stop();
  }
}

const wish = networkSpec("n", {
  driver: "p",
  ipam: { driver: "p", pools: [pool("10.9.0.0/24", { gateway: "10.9.0.1", aux: { router: "10.9.0.250" } })] },
});
/** By name: what is asked for without one nobody could give back whose answer was lost. */
const endpoint = (at: number) => endpointSpec("n", { ipv4: address(`10.9.0.1${at}`) });

const containerIds = ["c1".repeat(32), "c2".repeat(32)] as const;
const [first, second] = containerIds;

/** Create, run, connect, disconnect, remove. */
async function live(stage: Stage): Promise<void> {
  const { controller } = stage.world;
  await stage.try(() => controller.createNetwork(wish));
  const one = await stage.try(() =>
    controller.createSandbox(sandboxSpec("c1", { containerId: first, endpoints: [endpoint(1)] })),
  );
  const two = await stage.try(() => controller.createSandbox(sandboxSpec("c2", { containerId: second })));
  await stage.try(async () => await two?.connect(endpoint(2)));
  await stage.try(async () => await two?.disconnect("n"));
  await controller.settle();
  await stage.try(async () => await one?.delete());
  await stage.try(async () => await two?.delete());
  await stage.try(() => controller.deleteNetwork("n"));
  await controller.settle();
}

async function removeAll({ world: { controller } }: Stage): Promise<void> {
  for (const id of containerIds) await controller.sandbox(id)?.delete();
  await controller.settle();
  if (controller.networks().some(({ name }) => name === "n")) await controller.deleteNetwork("n");
  await controller.settle();
}

async function expectNothing(stage: Stage): Promise<void> {
  await vi.waitFor(() => expect(stage.debts).toBe(0), { interval: 5, timeout: 20_000 });
  expect(stage.plugin.books).toEqual([]);
  expect(stage.world.controller.networks().map(({ name }) => name)).not.toContain("n");
  expect(stage.world.netns.pins).toEqual(new Set());
  // host and none
  expect(stage.world.store.sizes()).toMatchObject({ networks: 2, endpoints: 0, sandboxes: 0 });
}

/** Of a life without trouble. */
const wholeLife = [
  "Plugin.Activate",
  "NetworkDriver.GetCapabilities",
  "IpamDriver.GetCapabilities",
  "IpamDriver.GetDefaultAddressSpaces",
  "IpamDriver.RequestPool",
  "IpamDriver.RequestAddress",
  "IpamDriver.RequestAddress",
  "NetworkDriver.CreateNetwork",
  "IpamDriver.RequestAddress",
  "NetworkDriver.CreateEndpoint",
  "NetworkDriver.Join",
  "NetworkDriver.ProgramExternalConnectivity",
  "IpamDriver.RequestAddress",
  "NetworkDriver.CreateEndpoint",
  "NetworkDriver.Join",
  "NetworkDriver.ProgramExternalConnectivity",
  "NetworkDriver.RevokeExternalConnectivity",
  "NetworkDriver.Leave",
  "IpamDriver.ReleaseAddress",
  "NetworkDriver.DeleteEndpoint",
  "NetworkDriver.RevokeExternalConnectivity",
  "NetworkDriver.Leave",
  "IpamDriver.ReleaseAddress",
  "NetworkDriver.DeleteEndpoint",
  "NetworkDriver.DeleteNetwork",
  "IpamDriver.ReleaseAddress",
  "IpamDriver.ReleaseAddress",
  "IpamDriver.ReleasePool",
];

/** In its answer is what would be given back. */
const unheard = "IpamDriver.RequestPool";

const deaths = wholeLife.flatMap((method, at) =>
  (["before", "after"] as const)
    .filter((when) => when === "before" || method !== unheard)
    .map((when) => [when, at + 1, method] as const),
);

test("a plugin's life is these calls", async () => {
  await using stage = new Stage();
  await stage.plugin.start();
  await stage.start();
  await live(stage);
  expect(stage.errors).toEqual([]);
  expect(stage.plugin.calls).toEqual(wholeLife);
  await expectNothing(stage);
});

describe("a plugin that is killed", () => {
  test.each(deaths)("%s it did call %i, %s, and comes back leaves nothing", async (when, atCall) => {
    await using stage = new Stage({ when, atCall });
    await stage.plugin.start();
    await stage.start();
    await live(stage);
    expect(stage.plugin.isDead).toBe(true);
    for (const error of stage.errors) expect(error).toMatch(/plugin p|network n not found|not connected/);
    await stage.plugin.start();
    await removeAll(stage);
    await expectNothing(stage);
  });

  test.each(deaths)("%s call %i, %s, and the daemon with it leaves nothing", async (when, atCall) => {
    await using stage = new Stage({ when, atCall });
    stage.diesToo = true;
    await stage.plugin.start();
    await stage.start();
    await live(stage);
    await stage.start();
    await stage.plugin.start();
    await removeAll(stage);
    await expectNothing(stage);
  });
});

test("a pool whose lease nobody heard of stays on the plugin's books, for whoever asks for it next", async () => {
  await using stage = new Stage({ when: "after", atCall: wholeLife.indexOf(unheard) + 1 });
  await stage.plugin.start();
  await stage.start();
  await live(stage);
  await stage.plugin.start();
  expect(stage.plugin.books).toEqual(["pools: 10.9.0.0/24"]);
  await stage.world.controller.createNetwork(wish);
  await removeAll(stage);
  await expectNothing(stage);
});

describe("while a plugin is away", () => {
  test("its containers and networks can be removed, and it hears of that before anything else", async () => {
    await using stage = new Stage();
    await stage.plugin.start();
    await stage.start();
    const { controller } = stage.world;
    await controller.createNetwork(wish);
    await controller.createSandbox(sandboxSpec("c1", { containerId: first, endpoints: [endpoint(1)] }));
    await stage.plugin.stop();
    await removeAll(stage);
    expect(controller.networks().map(({ name }) => name)).not.toContain("n");
    expect(stage.plugin.books).toHaveLength(7);
    const before = stage.plugin.calls.length;
    await stage.plugin.start();
    await controller.createNetwork({ ...wish, name: "m" });
    const since = stage.plugin.calls.slice(before);
    expect(since.indexOf("NetworkDriver.DeleteNetwork")).toBeLessThan(
      since.indexOf("IpamDriver.RequestPool"),
    );
    await controller.deleteNetwork("m");
    await expectNothing(stage);
  });
});
