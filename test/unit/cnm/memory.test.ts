// What stays of a container's place on a network while it does not run: addresses, MAC, names of interfaces.

import { describe, expect, test } from "vitest";
import type { Sandbox, SandboxSpec } from "../../../src/cnm/index.ts";
import { formatAddress, parseMac } from "../../../src/netip/index.ts";
import { address, endpointSpec, networkSpec, pool, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, type FakeWorld } from "./fakes.ts";

const dual = (name: string) => networkSpec(name, { enableIpv6: true });

/** What a container is and has, in one line for each network. */
function shown(sandbox: Sandbox): string[] {
  return sandbox.endpoints().map(({ networkName, interfaceName, ipv4, ipv6, mac }) => {
    const addresses = [ipv4, ipv6].map((prefix) => (prefix ? formatAddress(prefix.address) : "-"));
    return [networkName, interfaceName, ...addresses, mac].join(" ");
  });
}

const on = (name: string, ...networks: readonly string[]) =>
  sandboxSpec(name, { endpoints: networks.map((network) => endpointSpec(network)) });

async function stopAndStart({ controller }: FakeWorld, spec: SandboxSpec): Promise<Sandbox> {
  await controller.sandbox(spec.containerId)?.delete();
  return await controller.createSandbox(spec);
}

async function addressOf({ controller }: FakeWorld, spec: SandboxSpec): Promise<string> {
  const [endpoint] = (await controller.createSandbox(spec)).endpoints();
  return endpoint?.ipv4 ? formatAddress(endpoint.ipv4.address) : "";
}

describe("addresses, MAC and interface names", () => {
  test("are the same after a stop and a start, on every network", async () => {
    const world = await createFakeWorld();
    for (const name of ["x1", "x2"]) await world.controller.createNetwork(dual(name));
    const spec = on("c1", "x2", "x1");
    const before = shown(await world.controller.createSandbox(spec));
    for (const name of ["c2", "c3"]) await world.controller.createSandbox(on(name, "x1", "x2"));
    expect(shown(await stopAndStart(world, spec))).toEqual(before);
    expect(before).toHaveLength(2);
  });

  test("are the same after the daemon's restart, whoever starts first", async () => {
    const first = await createFakeWorld();
    await first.controller.createNetwork(dual("x1"));
    const specs = ["c1", "c2", "c3"].map((name) => on(name, "x1"));
    const before = [];
    for (const spec of specs) before.push(shown(await first.controller.createSandbox(spec)));
    await first.controller.settle();
    const second = await createFakeWorld({ after: first });
    // one that is new takes none of theirs
    expect(await addressOf(second, on("new", "x1"))).toBe("172.17.0.5");
    for (const at of [2, 0, 1]) {
      const spec = specs[at];
      if (spec) expect(shown(await second.controller.createSandbox(spec))).toEqual(before[at]);
    }
  });

  test("go to whoever needs them: one that asks for the address", async () => {
    const world = await createFakeWorld();
    await world.controller.createNetwork(networkSpec("x1"));
    const spec = on("c1", "x1");
    const [before] = shown(await world.controller.createSandbox(spec));
    await world.controller.sandbox(spec.containerId)?.delete();
    const taker = sandboxSpec("c2", { endpoints: [endpointSpec("x1", { ipv4: address("172.17.0.2") })] });
    expect(await addressOf(world, taker)).toBe("172.17.0.2");
    const [after] = shown(await world.controller.createSandbox(spec));
    expect(after).toMatch(/^x1 eth0 172\.17\.0\.3 /);
    // and the MAC is not its old one, which may be the other's now
    expect(after?.split(" ").at(-1)).not.toBe(before?.split(" ").at(-1));
  });

  test("go to whoever needs them: one that finds no other left", async () => {
    const world = await createFakeWorld();
    await world.controller.createNetwork(
      networkSpec("small", { ipam: { driver: "", pools: [pool("10.0.0.0/29")] } }),
    );
    const specs = [1, 2, 3, 4, 5].map((at) => on(`c${at}`, "small"));
    for (const spec of specs) await world.controller.createSandbox(spec);
    const [stopped] = specs;
    if (stopped) await world.controller.sandbox(stopped.containerId)?.delete();
    expect(await addressOf(world, on("c6", "small"))).toBe("10.0.0.2");
    const full = stopped && world.controller.createSandbox(stopped);
    await expect(full).rejects.toThrow("no available IPv4 addresses");
  });

  test("that the user chose come first", async () => {
    const world = await createFakeWorld();
    await world.controller.createNetwork(networkSpec("x1"));
    const spec = on("c1", "x1");
    await world.controller.createSandbox(spec);
    const mac = parseMac("02:00:00:00:00:07");
    const chosen = endpointSpec("x1", { ipv4: address("172.17.0.77"), ...(mac && { mac }) });
    const again = await stopAndStart(world, { ...spec, endpoints: [chosen] });
    expect(shown(again)).toEqual(["x1 eth0 172.17.0.77 - 02:00:00:00:00:07"]);
  });

  test("are forgotten with a disconnect, with the network, with the container", async () => {
    const world = await createFakeWorld();
    const { controller, store } = world;
    for (const name of ["x1", "x2"]) await controller.createNetwork(networkSpec(name));
    const spec = on("c1", "x1", "x2");
    const sandbox = await controller.createSandbox(spec);
    expect(store.sizes()).toMatchObject({ places: 2 });
    await sandbox.disconnect("x2");
    expect(store.sizes()).toMatchObject({ places: 1 });
    await sandbox.connect(endpointSpec("x2"));
    await sandbox.delete();
    await controller.deleteNetwork("x2");
    expect(store.sizes()).toMatchObject({ places: 1 });
    await controller.forgetContainer(spec.containerId);
    await controller.forgetContainer(spec.containerId);
    expect(store.sizes()).toMatchObject({ places: 0 });
    expect(await addressOf(world, on("c2", "x1"))).toBe("172.17.0.3");
  });
});

describe("names of interfaces", () => {
  test("stay when the network that had the first is left", async () => {
    const world = await createFakeWorld();
    for (const name of ["x1", "x2", "x3", "x4"]) await world.controller.createNetwork(networkSpec(name));
    const spec = on("c1", "x1", "x2", "x3");
    const sandbox = await world.controller.createSandbox(spec);
    await sandbox.disconnect("x1");
    await sandbox.connect(endpointSpec("x4"));
    const names = (of: Sandbox) =>
      of.endpoints().map(({ networkName, interfaceName }) => `${networkName} ${interfaceName}`);
    expect(names(sandbox)).toEqual(["x2 eth1", "x3 eth2", "x4 eth0"]);
    const again = await stopAndStart(world, { ...spec, endpoints: on("", "x2", "x3", "x4").endpoints });
    expect(names(again)).toEqual(["x2 eth1", "x3 eth2", "x4 eth0"]);
  });

  test("of a network that was added while it was stopped are ones that nobody had", async () => {
    const world = await createFakeWorld();
    for (const name of ["x1", "x2"]) await world.controller.createNetwork(networkSpec(name));
    const spec = on("c1", "x1");
    await world.controller.createSandbox(spec);
    const again = await stopAndStart(world, { ...spec, endpoints: on("", "x2", "x1").endpoints });
    expect(again.endpoints().map(({ networkName, interfaceName }) => [networkName, interfaceName])).toEqual([
      ["x2", "eth1"],
      ["x1", "eth0"],
    ]);
  });
});
