// Sandboxes of the controller with fake drivers: how they are made, failures at each step, restarts.

import { describe, expect, test, vi } from "vitest";
import type { KeptChange } from "../../../src/cnm/index.ts";
import { endpointSpec, networkSpec, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, leased } from "./fakes.ts";
import { addresses, binding, expectNothing, worldWith } from "./sandbox-world.ts";

describe("a sandbox", () => {
  test("is wired before anybody lives in it, in this order", async () => {
    const world = await worldWith("x1");
    await world.controller.createSandbox(
      sandboxSpec("c1", {
        containerId: "c".repeat(64),
        endpoints: [endpointSpec("x1")],
        portBindings: [binding(80)],
      }),
    );
    expect(world.steps.transcript).toEqual([
      "netns add",
      "sandbox: sysctl net.ipv4.ip_unprivileged_port_start=0",
      "sandbox: sysctl net.ipv4.ping_group_range=0 2147483647",
      "bridge: create endpoint",
      "bridge: join eth0 if2",
      "sandbox: sysctl net/ipv6/conf/eth0/disable_ipv6=1",
      "sandbox: ip address add 172.17.0.2/16 broadcast + dev if2",
      "sandbox: ip link set if2 up",
      "sandbox: ip route replace default via 0.0.0.1 dev if2",
      "set record c1 172.17.0.2",
      "bridge: publish 80",
      "set resolver",
      "sandbox: redirect dns",
      "store 3",
    ]);
  });

  test("gives its networks interfaces in the order of the request", async () => {
    const world = await worldWith("x1", "x2", "x3");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: ["x3", "x1", "x2"].map((name) => endpointSpec(name)) }),
    );
    expect(
      sandbox.endpoints().map(({ networkName, interfaceName }) => `${networkName} ${interfaceName}`),
    ).toEqual(["x3 eth0", "x1 eth1", "x2 eth2"]);
  });

  test("writes the container's net sysctls into its netns and leaves others to the runtime", async () => {
    const world = await worldWith();
    const sysctls = {
      "net.ipv4.ip_unprivileged_port_start": "1024",
      "net.core.somaxconn": "9",
      "kernel.msgmax": "1",
    };
    await world.controller.createSandbox(sandboxSpec("c1", { sysctls }));
    const written = world.steps.transcript.filter((step) => step.includes("sysctl"));
    expect(written).toEqual([
      "sandbox: sysctl net.ipv4.ip_unprivileged_port_start=0",
      "sandbox: sysctl net.ipv4.ping_group_range=0 2147483647",
      "sandbox: sysctl net.ipv4.ip_unprivileged_port_start=1024",
      "sandbox: sysctl net.core.somaxconn=9",
    ]);
  });

  test("of an IPv6 network has IPv6, unless its sysctls turn it off", async () => {
    const world = await createFakeWorld();
    await world.controller.createNetwork(networkSpec("x", { enableIpv6: true }));
    const both = await world.controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x")] }));
    expect(both.endpoints()[0]?.ipv6).toBeDefined();
    expect(world.steps.transcript).toContain("sandbox: sysctl net/ipv6/conf/eth0/disable_ipv6=0");
    expect(world.steps.transcript.find((step) => step.includes("nodad"))).toMatch(
      /address add fd.*\/64 dev if2 nodad/,
    );
    const sysctls = { "net.ipv6.conf.all.disable_ipv6": "1" };
    const only4 = await world.controller.createSandbox(
      sandboxSpec("c2", { sysctls, endpoints: [endpointSpec("x")] }),
    );
    expect(only4.endpoints()[0]).toMatchObject({ ipv4: expect.anything() });
    expect(only4.endpoints()[0]?.ipv6).toBeUndefined();
  });

  test("replaces one that an earlier run of the container left", async () => {
    const world = await worldWith("x1");
    const spec = sandboxSpec("c1", { endpoints: [endpointSpec("x1")] });
    const first = await world.controller.createSandbox(spec);
    const second = await world.controller.createSandbox(spec);
    expect(second.id).not.toBe(first.id);
    expect(world.netns.pins).toEqual(new Set([second.netnsPath]));
    expect((await world.controller.network("x1").view()).members).toHaveLength(1);
    await second.delete();
    await expectNothing(world, "x1");
  });

  test("in the host's netns has no netns of its own and can be nowhere else", async () => {
    const world = await worldWith("x1");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { netns: "host", endpoints: [endpointSpec("host")] }),
    );
    expect(sandbox.netnsPath).toBe("/proc/1/ns/net");
    expect(world.netns.pins.size).toBe(0);
    expect(sandbox.endpoints()[0]).toMatchObject({ networkName: "host" });
    await expect(sandbox.connect(endpointSpec("x1"))).rejects.toThrow(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
    await expect(sandbox.disconnect("host")).rejects.toThrow(
      "container cannot be disconnected from host network",
    );
    await sandbox.delete();
    await expectNothing(world, "x1");
  });

  test("on none is alone there", async () => {
    const world = await worldWith("x1");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("none")] }),
    );
    const message =
      "container cannot be connected to multiple networks with one of the networks in private (none) mode";
    await expect(sandbox.connect(endpointSpec("x1"))).rejects.toThrow(message);
    const other = await world.controller.createSandbox(
      sandboxSpec("c2", { endpoints: [endpointSpec("x1")] }),
    );
    await expect(other.connect(endpointSpec("none"))).rejects.toThrow(message);
    await expect(other.connect(endpointSpec("host"))).rejects.toThrow(
      "cannot connect container to host network - container must be created in host network mode",
    );
  });

  test("can be deleted twice, and at the same time", async () => {
    const world = await worldWith("x1");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }),
    );
    await Promise.all([sandbox.delete(), sandbox.delete()]);
    await sandbox.delete();
    await expectNothing(world, "x1");
  });
});

describe("namespaces that are ready", () => {
  test("are taken by the next starts, replaced behind them, and removed at the end", async () => {
    const world = await createFakeWorld({ readyNetns: 2 });
    await world.controller.settle();
    const ready = new Set(world.netns.pins);
    expect(ready.size).toBe(2);
    const sandbox = await world.controller.createSandbox(sandboxSpec("c1"));
    expect(ready.has(sandbox.netnsPath)).toBe(true);
    expect(sandbox.netnsPath).toBe(`/run/test/netns/${sandbox.id.slice(0, 12)}`);
    await world.controller.settle();
    expect(world.netns.pins.size).toBe(3);
    await sandbox.delete();
    await world.controller.close();
    expect(world.netns.pins).toEqual(new Set());
  });

  test("that cannot be made are made by whoever needs one, who then hears why", async () => {
    const world = await createFakeWorld({ readyNetns: 1 });
    await world.controller.settle();
    const create = world.netns.create.bind(world.netns);
    world.netns.create = async () => Promise.reject(new Error("too many namespaces"));
    await world.controller.createSandbox(sandboxSpec("c1"));
    await world.controller.settle();
    await expect(world.controller.createSandbox(sandboxSpec("c2"))).rejects.toThrow("too many namespaces");
    world.netns.create = create;
    await world.controller.createSandbox(sandboxSpec("c2"));
  });
});

describe("a step that fails", () => {
  test("while a sandbox is made leaves nothing of it", async () => {
    const world = await worldWith("x1", "x2");
    const spec = sandboxSpec("c1", {
      endpoints: [endpointSpec("x1"), endpointSpec("x2")],
      portBindings: [binding(80)],
    });
    world.steps.failAt(undefined);
    await (await world.controller.createSandbox(spec)).delete();
    const steps = world.steps.count;
    expect(steps).toBeGreaterThan(15);
    for (let step = 1; step <= steps; step++) {
      world.steps.failAt(step);
      await expect(world.controller.createSandbox(spec), `step ${step}`).rejects.toThrow("injected");
      world.steps.failAt(undefined);
      await expectNothing(world, "x1", "x2");
      expect(world.controller.sandbox(spec.containerId)).toBeUndefined();
    }
  });

  test.each([
    { how: "and leaves by the new network", from: "x2", to: "x1" },
    { how: "and leaves as before", from: "x1", to: "x2" },
  ])("while a container is connected $how leaves it as it was", async ({ from, to }) => {
    const world = await worldWith("x1", "x2");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec(from)], portBindings: [binding(80)] }),
    );
    const before = sandbox.endpoints();
    world.steps.failAt(undefined);
    const kept = world.store.collection<string>("kept");
    const change: KeptChange = {
      keep: (transaction) => transaction.put(kept, to, "connected"),
      takeBack: (transaction) => transaction.delete(kept, to),
    };
    // x1 comes before x2, and so its gateway and ports do
    await sandbox.connect(endpointSpec(to), change);
    const steps = world.steps.count;
    expect(kept.get(to)).toBe("connected");
    await sandbox.disconnect(to, { keep: change.takeBack, takeBack: change.keep });
    expect(kept.size).toBe(0);
    expect(steps).toBeGreaterThan(5);
    for (let step = 1; step <= steps; step++) {
      world.steps.failAt(step);
      await expect(sandbox.connect(endpointSpec(to), change), `step ${step}`).rejects.toThrow("injected");
      expect(kept.size, "what the caller keeps of it").toBe(0);
      world.steps.failAt(undefined);
      expect(sandbox.endpoints()).toEqual(before);
      expect(world.bridge.endpoints.size).toBe(1);
      expect(world.bridge.published).toEqual(new Set([before[0]?.endpointId]));
      expect(world.resolvers.records.size).toBe(1);
      expect(await leased(world, to)).toEqual([1n]);
    }
  });

  test("while a namespace is removed is made up for when the next one is taken", async () => {
    const world = await worldWith("x1");
    const spec = sandboxSpec("c1", { endpoints: [endpointSpec("x1")] });
    const sandbox = await world.controller.createSandbox(spec);
    vi.spyOn(world.netns, "removePin").mockRejectedValueOnce(new Error("busy"));
    await sandbox.delete();
    expect(world.netns.pins).toContain(sandbox.netnsPath);
    const next = await world.controller.createSandbox(spec);
    await world.controller.settle();
    expect(world.netns.pins).not.toContain(sandbox.netnsPath);
    expect(world.netns.pins).toContain(next.netnsPath);
  });

  test("with a published port says which driver and endpoint", async () => {
    const world = await worldWith("x1");
    world.bridge.programExternalConnectivity = async () =>
      Promise.reject(new Error("port is already allocated"));
    const spec = sandboxSpec("web", { endpoints: [endpointSpec("x1")], portBindings: [binding(80, 8080)] });
    await expect(world.controller.createSandbox(spec)).rejects.toThrow(
      /^driver failed programming external connectivity on endpoint web \([0-9a-f]{64}\): port is already allocated$/,
    );
    await expectNothing(world, "x1");
  });
});

describe("a start after a crash", () => {
  test("serves what lives again, with its addresses, names and ports", async () => {
    const first = await worldWith("x1");
    const spec = sandboxSpec("c1", { endpoints: [endpointSpec("x1")], portBindings: [binding(80)] });
    const before = await first.controller.createSandbox(spec);
    const second = await createFakeWorld({ after: first, live: new Set([spec.containerId]) });
    const after = second.controller.sandbox(spec.containerId);
    expect(after?.id).toBe(before.id);
    expect(after?.endpoints()).toEqual(before.endpoints());
    expect(second.bridge.endpoints.size).toBe(1);
    expect(second.bridge.published.size).toBe(1);
    expect(second.resolvers.resolvers.size).toBe(1);
    expect([...second.resolvers.records.values()][0]?.names[0]).toBe("c1");
    // its address is not handed out again
    const other = await second.controller.createSandbox(
      sandboxSpec("c2", { endpoints: [endpointSpec("x1")] }),
    );
    expect(addresses(other)).not.toEqual(after && addresses(after));
    const third = await after?.connect(endpointSpec("none")).catch((error: Error) => error.message);
    expect(third).toMatch(/private \(none\) mode/);
    await after?.delete();
    await other.delete();
    await expectNothing(second, "x1");
  });

  test("pins a live container's namespace again where somebody took the pin away", async () => {
    const first = await worldWith("x1");
    const spec = sandboxSpec("c1", { endpoints: [endpointSpec("x1")] });
    const before = await first.controller.createSandbox(spec);
    first.netns.pins.clear();
    const second = await createFakeWorld({ after: first, live: new Map([[spec.containerId, 4711]]) });
    expect(second.netns.pinnedAgain).toEqual([4711]);
    expect(second.controller.sandbox(spec.containerId)?.endpoints()).toEqual(before.endpoints());
    const third = await createFakeWorld({ after: second, live: new Map([[spec.containerId, 4711]]) });
    expect(third.netns.pinnedAgain).toHaveLength(1);
    await third.controller.sandbox(spec.containerId)?.delete();
    await expectNothing(third, "x1");
  });

  test("removes what is dead: namespaces, records, addresses", async () => {
    const first = await worldWith("x1");
    await first.controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }));
    first.netns.pins.add("/run/test/netns/0123456789ab");
    const second = await createFakeWorld({ after: first });
    expect(second.controller.networks().map(({ name }) => name)).toContain("x1");
    await expectNothing(second, "x1");
  });
});
