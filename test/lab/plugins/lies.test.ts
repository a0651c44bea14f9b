// Plugins that lie about what they have made, and such as hang when the daemon starts. Real links, real namespaces.

import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createPluginDrivers } from "../../../src/daemon/plugin-drivers.ts";
import { createVeth, deleteLink, unless } from "../../../src/kernel/index.ts";
import { Plugins, type PluginsOptions } from "../../../src/plugins/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { FakePlugin } from "../../unit/plugins/fake-plugin.ts";
import { endpointSpec, networkSpec, pool, sandboxSpec } from "../cnm/specs.ts";
import { createWorld, type World, type WorldOptions } from "../cnm/world.ts";
import { Lab, type LabHost } from "../lab.ts";
import { leaks, snapshotNetns } from "../leaks.ts";
import { everyStep } from "../steps.ts";
import { MortalGround, MortalProcess } from "./mortal-process.ts";

const patience = { timeout: 30_000, interval: 30 };

let lab: Lab;
let host: LabHost;
let ground: MortalGround;
let plugins: Plugins;

beforeEach(async () => {
  lab = await Lab.create();
  host = await lab.host("machine");
  ground = await MortalGround.create(host);
});

afterEach(() =>
  everyStep(
    async () => plugins.close(),
    () => ground[Symbol.asyncDispose](),
    () => lab[Symbol.asyncDispose](),
  ),
);

async function openWorld(
  part: WorldOptions = {},
  limits: Pick<PluginsOptions, "endMs" | "activationMs"> = {},
): Promise<World> {
  return await createWorld(host, {
    defaultBridge: "none",
    plugins: ({ store }) => {
      plugins = new Plugins({
        folders: { sockets: ground.folder, specs: [] },
        ...limits,
        debts: store.collection("plugin debts"),
        log: silentLog,
      });
      return createPluginDrivers(plugins, { store, log: silentLog });
    },
    ...part,
  });
}

/** Links of the host, and how many records there are. */
async function left({ store }: World): Promise<readonly unknown[]> {
  const collections = ["networks", "endpoints", "sandboxes", "plugin debts"];
  const links = (await host.netlink.links()).map(({ name }) => name).sort();
  return [...links, ...collections.map((name) => `${store.collection(name).size} ${name}`)];
}

describe("a plugin that lies about how a container joins", () => {
  const interfaceName = { SrcName: "liar", DstPrefix: "eth" };

  test("fails that container alone, by its name, and nothing is left, with it or in the kernel", async () => {
    await using world = await openWorld();
    const { controller } = world;
    const join_ = { InterfaceName: interfaceName };
    const plugin = new FakePlugin({
      "Plugin.Activate": { Implements: ["NetworkDriver"] },
      "NetworkDriver.GetCapabilities": { Scope: "local" },
      "NetworkDriver.Join": (_asked, response) => void response.end(JSON.stringify(join_)),
    });
    for (const method of ["CreateNetwork", "CreateEndpoint", "Leave", "DeleteEndpoint", "DeleteNetwork"])
      plugin.answers[`NetworkDriver.${method}`] = {};
    await using _plugin = await plugin.listen({ path: join(ground.folder, "fibber.sock") });
    const ipam = { driver: "default", pools: [pool("10.9.0.0/24")] };
    await controller.createNetwork(networkSpec("n", { driver: "fibber", ipam }));
    const before = await left(world);
    const lies: readonly (readonly [string, object, boolean])[] = [
      ["a link that is not there", { InterfaceName: interfaceName }, false],
      [
        "a name that no link can have",
        { InterfaceName: { SrcName: "x".repeat(40), DstPrefix: "eth" } },
        false,
      ],
      ["a way out of nowhere", { InterfaceName: interfaceName, Gateway: "203.0.113.1" }, true],
      ["text for an address", { InterfaceName: interfaceName, Gateway: "here" }, true],
      [
        "a next hop that nobody reaches",
        {
          InterfaceName: interfaceName,
          StaticRoutes: [{ Destination: "198.51.100.0/24", RouteType: 0, NextHop: "203.0.113.1" }],
        },
        true,
      ],
      [
        "a kind of route that there is not",
        { StaticRoutes: [{ Destination: "0.0.0.0/0", RouteType: 7 }] },
        true,
      ],
      ["a list for an object", { InterfaceName: ["liar"] }, true],
    ];
    for (const [what, answer, hasLink] of lies) {
      plugin.answers["NetworkDriver.Join"] = answer;
      if (hasLink) await host.netlink.send(createVeth({ name: "liar", peer: { name: "liar0" } }));
      const failed = controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("n")] }));
      await expect(failed, what).rejects.toThrow(/(driver|plugin) fibber/);
      await controller.settle();
      await unless(["ENODEV"], host.netlink.send(deleteLink("liar0")));
      expect(plugin.methods.slice(-2), what).toEqual(["NetworkDriver.Leave", "NetworkDriver.DeleteEndpoint"]);
      await vi.waitFor(async () => expect(await left(world), what).toEqual(before), patience);
    }
    await controller.deleteNetwork("n");
  });
});

/** Takes calls and answers none, until it is killed. */
async function hang(path: string): Promise<() => Promise<void>> {
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.resume().on("error", () => undefined)));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
}

describe("a plugin that hangs when the daemon starts", () => {
  test("keeps neither it nor its containers waiting, which go on and can end; it hears of that when it answers", async () => {
    await using plugin = new MortalProcess(ground, { name: "p", isForgetful: true });
    const first = await openWorld();
    await plugin.start();
    const ipam = { driver: "p", pools: [pool("10.9.0.0/24", { gateway: "10.9.0.1" })] };
    await first.controller.createNetwork(networkSpec("n", { driver: "p", ipam }));
    const spec = sandboxSpec("c1", { endpoints: [endpointSpec("n")] });
    const { netnsPath } = await first.controller.createSandbox(spec);
    const inside = await snapshotNetns(netnsPath);
    await first.crash();
    plugins.close();
    await plugin[Symbol.asyncDispose]();
    const kill = await hang(join(ground.folder, "p.sock"));
    // a call is waited for as long as this test may take
    await using second = await openWorld(
      { folder: first.folder, live: new Set([spec.containerId]) },
      { endMs: 200, activationMs: 200 },
    );
    expect(leaks(inside, await snapshotNetns(netnsPath))).toEqual({});
    await second.controller.sandbox(spec.containerId)?.delete();
    await second.controller.deleteNetwork("n");
    expect(await plugin.possessions()).not.toEqual([]);
    await kill();
    await using again = new MortalProcess(ground, { name: "p", isForgetful: true });
    await again.start();
    await vi.waitFor(async () => expect(await again.possessions()).toEqual([]), patience);
    await vi.waitFor(() => expect(second.store.collection("plugin debts").size).toBe(0), patience);
  });
});
