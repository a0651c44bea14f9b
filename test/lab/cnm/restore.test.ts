// Sandboxes that outlived their daemon: what is right is left alone, what differs is repaired, what fails cuts nobody.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deleteLink, deleteRoute, openNetlink, setLink } from "../../../src/kernel/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import { leaks, snapshotNetns } from "../leaks.ts";
import "../matchers.ts";
import { inside } from "./inside.ts";
import { endpointSpec, networkSpec, sandboxSpec } from "./specs.ts";
import { createWorld, type World, type WorldOptions } from "./world.ts";

let lab: Lab;
let machine: LabHost;
let folder: string;

beforeEach(async () => {
  lab = await Lab.create();
  machine = await lab.segment("192.0.2.0/24").host("machine");
  folder = await mkdtemp(join(tmpdir(), "restore-"));
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Two sandboxes on a network of both families. */
async function twoSandboxes(world: World) {
  await world.controller.createNetwork(networkSpec("x1", { enableIpv6: true }));
  const files = { hosts: join(folder, "hosts"), resolvConf: join(folder, "resolv.conf") };
  const s1 = await world.controller.createSandbox(
    sandboxSpec("c1", {
      endpoints: [endpointSpec("x1")],
      files,
      portBindings: [{ protocol: "tcp", containerPort: 80, hostPorts: { first: 8080, last: 8080 } }],
    }),
  );
  const s2 = await world.controller.createSandbox(sandboxSpec("c2", { endpoints: [endpointSpec("x1")] }));
  return { s1, s2, live: new Set([s1.containerId, s2.containerId]), files };
}

/** A daemon dies, something happens, and the next one comes. */
async function restarted(
  world: World,
  live: ReadonlySet<string>,
  meanwhile: () => Promise<void> = async () => undefined,
  options: WorldOptions = {},
): Promise<World> {
  await world.crash();
  await meanwhile();
  return await createWorld(machine, { ...options, folder: world.folder, live });
}

const state = async (netns: string) => await snapshotNetns(netns);

test("what is as it should be is left alone, and serves on", async () => {
  const first = await createWorld(machine);
  const { s1, s2, live } = await twoSandboxes(first);
  const before = await Promise.all([machine.netns, s1.netnsPath, s2.netnsPath].map(state));
  const views = s1.endpoints();
  await using second = await restarted(first, live);
  const after = await Promise.all([machine.netns, s1.netnsPath, s2.netnsPath].map(state));
  expect(after.map((one, at) => leaks(before[at] ?? {}, one))).toEqual([{}, {}, {}]);
  expect(second.controller.sandbox(s1.containerId)?.endpoints()).toEqual(views);
  await using c1 = await inside("c1", s1.netnsPath);
  await using c2 = await inside("c2", s2.netnsPath);
  await using _web = await c1.listen("0.0.0.0", 80);
  await expect(c2).toReach("172.18.0.2:80", { answer: "c1" });
  await expect(machine).toReach("192.0.2.1:8080", { answer: "c1" });
  await second.controller.sandbox(s1.containerId)?.disconnect("x1");
  await expect(c2).not.toReach("172.18.0.2:80");
  await second.controller.sandbox(s1.containerId)?.delete();
});

test("a sandbox whose container is gone goes, and the others stay", async () => {
  const first = await createWorld(machine);
  const { s1, s2 } = await twoSandboxes(first);
  const before = await state(s2.netnsPath);
  await using second = await restarted(first, new Set([s2.containerId]));
  expect(second.controller.sandbox(s1.containerId)).toBeUndefined();
  expect(leaks(before, await state(s2.netnsPath))).toEqual({});
  const { members } = await second.controller.network("x1").view();
  expect(members.map(({ name }) => name)).toEqual(["c2"]);
});

test("a link that vanished is made again as it was", async () => {
  const first = await createWorld(machine);
  const { s1, s2, live } = await twoSandboxes(first);
  const before = await state(s1.netnsPath);
  await using second = await restarted(first, live, async () => {
    const port = (await machine.netlink.links()).find(({ alias }) =>
      alias?.includes(s1.endpoints()[0]?.endpointId ?? ""),
    );
    await machine.netlink.send(deleteLink(port?.index ?? 0));
  });
  expect(leaks(before, await state(s1.netnsPath))).toEqual({});
  await using c1 = await inside("c1", s1.netnsPath);
  await using c2 = await inside("c2", s2.netnsPath);
  await using _web = await c1.listen("0.0.0.0", 80);
  await expect(c2).toReach("172.18.0.2:80", { answer: "c1" });
  expect(second.controller.sandbox(s1.containerId)?.endpoints()).toHaveLength(1);
});

test("a bridge that vanished is made again, with its ports", async () => {
  const first = await createWorld(machine);
  const { s1, s2, live } = await twoSandboxes(first);
  await using _second = await restarted(first, live, async () => {
    const bridge = (await machine.netlink.links()).find(({ name }) => name.startsWith("br-"));
    await machine.netlink.send(deleteLink(bridge?.index ?? 0));
  });
  await using c1 = await inside("c1", s1.netnsPath);
  await using c2 = await inside("c2", s2.netnsPath);
  await using _web = await c1.listen("0.0.0.0", 80);
  await expect(c2).toReach("172.18.0.2:80", { answer: "c1" });
  await expect(machine).toReach("192.0.2.1:8080", { answer: "c1" });
});

test("a port that was taken off its bridge, or set down, is put back", async () => {
  const first = await createWorld(machine);
  const { s1, s2, live } = await twoSandboxes(first);
  await using _second = await restarted(first, live, async () => {
    const [a, b] = (await machine.netlink.links()).filter(({ kind, alias }) => kind === "veth" && alias);
    await machine.netlink.send(
      setLink(a?.index ?? 0, { master: null }),
      setLink(b?.index ?? 0, { up: false }),
    );
  });
  await using c1 = await inside("c1", s1.netnsPath);
  await using c2 = await inside("c2", s2.netnsPath);
  await using _web = await c1.listen("0.0.0.0", 80);
  await expect(c2).toReach("172.18.0.2:80", { answer: "c1" });
});

test("a default route that is gone is made again, one that a user chose stays", async () => {
  const first = await createWorld(machine);
  const { s1, s2, live } = await twoSandboxes(first);
  await using one = await openNetlink(s1.netnsPath);
  await using c2 = await inside("c2", s2.netnsPath);
  await using _second = await restarted(first, live, async () => {
    await one.send(deleteRoute({ family: 4 }));
    await c2.run("ip", "route", "replace", "default", "via", "172.18.0.77");
  });
  const hasDefault = (await one.routes()).some(({ family, destination }) => family === 4 && !destination);
  expect(hasDefault).toBe(true);
  expect(await c2.run("ip", "route", "show", "default")).toContain("172.18.0.77");
});

test("what a user wrote into hosts and resolv.conf stays", async () => {
  const first = await createWorld(machine);
  const { live, files } = await twoSandboxes(first);
  const hosts = await readFile(files.hosts, "utf8");
  await using _second = await restarted(first, live, async () => {
    await writeFile(files.hosts, `${hosts}198.51.100.7\tmine\n`);
    await writeFile(files.resolvConf, "nameserver 198.51.100.53\n");
  });
  expect(await readFile(files.hosts, "utf8")).toBe(`${hosts}198.51.100.7\tmine\n`);
  expect(await readFile(files.resolvConf, "utf8")).toBe("nameserver 198.51.100.53\n");
});

test("a network that cannot be restored takes nobody's links away", async () => {
  const first = await createWorld(machine);
  const { s1, s2, live } = await twoSandboxes(first);
  const before = await state(s1.netnsPath);
  const broken = await restarted(first, live, undefined, {
    wrapDriver: (driver) => ({
      ...driver,
      name: "bridge",
      capabilities: driver.capabilities,
      createNetwork: async () => {
        throw new Error("no");
      },
      deleteNetwork: (request) => driver.deleteNetwork(request),
      createEndpoint: (request) => driver.createEndpoint(request),
      deleteEndpoint: (request) => driver.deleteEndpoint(request),
      join: (request) => driver.join(request),
      leave: (request) => driver.leave(request),
      sweep: async (known) => await driver.sweep?.(known),
      settle: async () => await driver.settle?.(),
    }),
    defaultBridge: "none",
  });
  expect(leaks(before, await state(s1.netnsPath))).toEqual({});
  await using c1 = await inside("c1", s1.netnsPath);
  await using c2 = await inside("c2", s2.netnsPath);
  await using _web = await c1.listen("0.0.0.0", 80);
  await expect(c2).toReach("172.18.0.2:80", { answer: "c1" });
  await using whole = await restarted(broken, live);
  expect(whole.controller.sandbox(s1.containerId)?.endpoints()).toHaveLength(1);
  await expect(machine).toReach("192.0.2.1:8080", { answer: "c1" });
});
