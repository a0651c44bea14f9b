// The way out of networks that lead nowhere by themselves: the endpoint on docker_gwbridge that nobody sees.

import { describe, expect, test } from "vitest";
import type { Sandbox } from "../../../src/cnm/index.ts";
import type { SweepRequest } from "../../../src/driverapi/index.ts";
import { endpointSpec, networkSpec } from "../../lab/cnm/specs.ts";
import type { FakeWorld } from "./fakes.ts";
import {
  expectNothing,
  gateway,
  hiddenName,
  hostPorts,
  networksOf,
  onGateway,
  port,
  SweptDriver,
  start,
  TunnelDriver,
  worldOf,
  worldWith,
} from "./way-out-world.ts";

describe("a container whose networks lead nowhere", () => {
  test("leaves by docker_gwbridge, which is made for it and which it does not show", async () => {
    const world = await worldWith("t1");
    const sandbox = await start(world, "c1", ["t1"]);
    expect(networksOf(sandbox)).toEqual(["t1 eth0"]);
    expect(await onGateway(world)).toEqual([hiddenName(sandbox)]);
    expect(hostPorts(sandbox)).toEqual([8080]);
    const steps = world.steps.transcript.filter((step) => /create|join|default|publish|record/.test(step));
    expect(steps).toEqual([
      "tunnel: create endpoint",
      "tunnel: join eth0 if2",
      "bridge: create network docker_gwbridge",
      "bridge: create endpoint",
      "bridge: join eth1 if3",
      "sandbox: ip route replace default via 0.0.0.1 dev if3",
      expect.stringMatching(/^set record c1 \S+$/),
      "bridge: publish 80",
    ]);
    expect([...world.resolvers.resolvers.values()]).toMatchObject([
      { forwards: expect.any(Boolean), networks: [world.controller.network("t1").id] },
    ]);
    await sandbox.delete();
    await expectNothing(world, "t1", gateway);
  });

  test("asks name servers by it", async () => {
    const world = await worldOf({
      hostFiles: { hosts: "", resolvConf: "nameserver 192.0.2.53\n", resolvedConf: "" },
    });
    await world.controller.createNetwork(networkSpec("t1", { driver: "tunnel" }));
    await world.controller.createNetwork(networkSpec("ti", { driver: "tunnel", internal: true }));
    await start(world, "c1", ["t1"]);
    await start(world, "c2", ["ti"]);
    expect([...world.resolvers.resolvers.values()].map((it) => it?.forwards)).toEqual([true, false]);
  });

  test("has its link after all others, also when that is made beside them", async () => {
    const world = await worldWith("t1", "t2");
    await start(world, "first", ["t1"]);
    world.steps.transcript.length = 0;
    const sandbox = await start(world, "c2", ["t1", "t2"]);
    expect(networksOf(sandbox)).toEqual(["t1 eth0", "t2 eth1"]);
    const joins = world.steps.transcript.filter((step) => step.includes("join"));
    expect(joins.toSorted()).toEqual([
      "bridge: join eth2 if4",
      "tunnel: join eth0 if2",
      "tunnel: join eth1 if3",
    ]);
    // beside the first, not after the last
    expect(joins.at(-1)).toBe("tunnel: join eth1 if3");
    expect(world.steps.transcript).toContain("sandbox: ip route replace default via 0.0.0.1 dev if4");
    // a name that the user chose leaves the first one free
    const named = endpointSpec("t1", { driverOptions: { "com.docker.network.endpoint.ifname": "blue0" } });
    world.steps.transcript.length = 0;
    await start(world, "c3", [named]);
    expect(world.steps.transcript).toContain("bridge: join eth0 if3");
  });

  test("has the same link there after its next start", async () => {
    const world = await worldWith("t1", "t2");
    const sandbox = await start(world, "c1", ["t1"]);
    await sandbox.connect(endpointSpec("t2"));
    expect(networksOf(sandbox)).toEqual(["t1 eth0", "t2 eth2"]);
    await sandbox.delete();
    const again = await world.controller.createSandbox({
      ...sandbox.spec,
      endpoints: [endpointSpec("t1"), endpointSpec("t2")],
    });
    expect(networksOf(again)).toEqual(["t1 eth0", "t2 eth2"]);
    expect(world.steps.transcript.filter((step) => step.includes("join eth1"))).toHaveLength(2);
  });

  test("shares docker_gwbridge with all others, however many come at once", async () => {
    const world = await worldWith("t1");
    const sandboxes = await Promise.all(["a", "b", "c", "d"].map((name) => start(world, name, ["t1"])));
    expect((await onGateway(world))?.toSorted()).toEqual(sandboxes.map(hiddenName).toSorted());
    expect(world.controller.networks().filter(({ name }) => name === gateway)).toHaveLength(1);
    await Promise.all(sandboxes.map((sandbox) => sandbox.delete()));
    await expectNothing(world, "t1", gateway);
  });

  test("has no IPv6 there unless its own network has", async () => {
    const world = await worldWith("t1");
    await world.controller.createNetwork(networkSpec("t6", { driver: "tunnel", enableIpv6: true }));
    const members = async () => (await world.controller.network(gateway).view()).members;
    const four = await start(world, "four", ["t1"]);
    expect(world.controller.network(gateway).record.enableIpv6).toBe(false);
    await four.delete();
    // nobody is on it: it may be another
    await start(world, "six", ["t6"]);
    await start(world, "four", ["t1"]);
    expect((await members()).map(({ ipv4, ipv6 }) => [ipv4 !== undefined, ipv6 !== undefined])).toEqual([
      [true, true],
      [true, false],
    ]);
  });

  test("changes its ports there while it runs", async () => {
    const world = await worldWith("t1");
    const sandbox = await start(world, "c1", ["t1"]);
    const more = { ...port, hostPorts: { first: 8081, last: 8081 } };
    await sandbox.setPorts({ exposedPorts: [], portBindings: [port, more], publishAll: false });
    expect(hostPorts(sandbox)).toEqual([8080, 8081]);
  });

  test("keeps the hidden endpoint's name and has no new one there when it is renamed", async () => {
    const world = await worldWith("t1");
    const sandbox = await start(world, "c1", ["t1"]);
    await sandbox.rename("c2");
    expect(await onGateway(world)).toEqual([hiddenName(sandbox)]);
    expect([...world.resolvers.records.values()].map(({ names }) => names[0])).toEqual(["c2"]);
  });
});

describe("no other way out is made", () => {
  test("on an internal network", async () => {
    const world = await worldWith("ti");
    const sandbox = await start(world, "c1", ["ti"]);
    expect(await onGateway(world)).toBeUndefined();
    expect(hostPorts(sandbox)).toEqual([]);
  });

  test.each([-5, 5])(
    "beside a network that leads out, whose gateway priority is %i",
    async (gatewayPriority) => {
      const world = await worldWith("t1", "b1");
      await start(world, "before", ["t1"]);
      const sandbox = await start(world, "c1", ["t1", endpointSpec("b1", { gatewayPriority })]);
      expect(networksOf(sandbox)).toEqual(["t1 eth0", "b1 eth1"]);
      expect(await onGateway(world)).toHaveLength(1);
      expect(hostPorts(sandbox)).toEqual([8080]);
    },
  );

  test("for an internal bridge, but for the tunnel beside it", async () => {
    const world = await worldWith("t1", "bi");
    await start(world, "c1", ["bi"]);
    expect(await onGateway(world)).toBeUndefined();
    const both = await start(world, "c2", ["bi", "t1"]);
    expect(await onGateway(world)).toEqual([hiddenName(both)]);
  });
});

describe("while a container runs", () => {
  test("a network that leads out takes over, ports included, and gives back when it goes", async () => {
    const world = await worldWith("t1", "b1");
    const sandbox = await start(world, "c1", ["t1"]);
    world.steps.transcript.length = 0;
    await sandbox.connect(endpointSpec("b1"));
    expect(networksOf(sandbox)).toEqual(["t1 eth0", "b1 eth2"]);
    expect(await onGateway(world)).toEqual([]);
    expect(sandbox.endpoints().map(({ published }) => published.length)).toEqual([0, 1]);
    expect(world.steps.transcript).toContain("sandbox: ip route replace default via 0.0.0.1 dev if4");
    await sandbox.disconnect("b1");
    expect(await onGateway(world)).toEqual([hiddenName(sandbox)]);
    expect(hostPorts(sandbox)).toEqual([8080]);
    await sandbox.disconnect("t1");
    expect(await onGateway(world)).toEqual([]);
    expect(hostPorts(sandbox)).toEqual([]);
    await sandbox.connect(endpointSpec("t1"));
    expect(await onGateway(world)).toEqual([hiddenName(sandbox)]);
    expect(hostPorts(sandbox)).toEqual([8080]);
    await sandbox.delete();
    await expectNothing(world, "t1", "b1", gateway);
  });

  test("nobody is taken off docker_gwbridge who did not connect to it; who does is on it like on any other", async () => {
    const world = await worldWith("t1");
    const sandbox = await start(world, "c1", ["t1"]);
    await expect(sandbox.disconnect(gateway)).rejects.toThrow(`is not connected to network ${gateway}`);
    await sandbox.connect(endpointSpec(gateway));
    expect(networksOf(sandbox)).toEqual(["t1 eth0", `${gateway} eth2`]);
    expect(await onGateway(world)).toEqual(["c1"]);
    await sandbox.disconnect(gateway);
    expect(await onGateway(world)).toEqual([hiddenName(sandbox)]);
    expect(networksOf(sandbox)).toEqual(["t1 eth0"]);
  });
});

describe("a step that fails", () => {
  test("at a start leaves nothing", async () => {
    const world = await worldWith("t1", "t2");
    // the first is made after its network, the second beside it
    for (const isAhead of [false, true]) {
      if (isAhead) await (await start(world, "before", ["t1"])).delete();
      for (let step = 1; ; step++) {
        world.steps.failAt(step);
        const made = await start(world, "c1", ["t1", "t2"]).catch(() => undefined);
        const isDone = world.steps.count < step;
        world.steps.failAt(undefined);
        // what is made ahead is made again when that fails
        if (made) await made.delete();
        await expectNothing(world, "t1", "t2");
        if (isDone) break;
      }
    }
  });

  test.each(["connecting", "disconnecting"])("at %s leaves all as it was", async (what) => {
    for (let step = 1; ; step++) {
      const world = await worldWith("t1", "b1");
      const isConnecting = what === "connecting";
      const sandbox = await start(world, "c1", isConnecting ? ["t1"] : ["t1", "b1"]);
      const before = {
        networks: networksOf(sandbox),
        hidden: await onGateway(world),
        ports: hostPorts(sandbox),
      };
      world.steps.failAt(step);
      const change = isConnecting ? sandbox.connect(endpointSpec("b1")) : sandbox.disconnect("b1");
      const failed = await change.then(
        () => false,
        () => true,
      );
      const isDone = world.steps.count < step;
      world.steps.failAt(undefined);
      await world.controller.settle();
      if (failed) {
        const after = {
          networks: networksOf(sandbox),
          hidden: await onGateway(world),
          ports: hostPorts(sandbox),
        };
        expect({ ...after, hidden: after.hidden ?? [] }).toEqual({ ...before, hidden: before.hidden ?? [] });
      }
      await sandbox.delete();
      await expectNothing(world, "t1", "b1");
      if (isDone) break;
    }
  });
});

describe("after a restart", () => {
  const goOn = (after: FakeWorld, live: readonly Sandbox[]) =>
    worldOf({ after, live: new Set(live.map(({ containerId }) => containerId)) });

  test("the hidden endpoint is there still, with its addresses and ports", async () => {
    const first = await worldWith("t1");
    const sandbox = await start(first, "c1", ["t1"]);
    const [before] = (await first.controller.network(gateway).view()).members;
    const second = await goOn(first, [sandbox]);
    expect((await second.controller.network(gateway).view()).members).toEqual([before]);
    const again = second.controller.sandbox(sandbox.containerId);
    expect(again && [networksOf(again), hostPorts(again)]).toEqual([["t1 eth0"], [8080]]);
    expect(again?.spec.endpoints).toHaveLength(1);
    await again?.delete();
    await expectNothing(second, "t1", gateway);
  });

  test("one that is missing is made, and is not swept away as nobody's", async () => {
    const first = await worldWith("t1");
    const sandbox = await start(first, "c1", ["t1"]);
    const endpoints = first.store.collection<{ readonly isHidden?: true }>("endpoints");
    for (const [key, { isHidden }] of [...endpoints.entries()]) if (isHidden) await endpoints.delete(key);
    let swept: SweepRequest[] = [];
    const second = await worldOf({
      after: first,
      live: new Set([sandbox.containerId]),
      drivers: (steps) => {
        const driver = new SweptDriver(steps, "swept");
        swept = driver.swept;
        return [new TunnelDriver(steps), driver];
      },
    });
    const members = (await second.controller.network(gateway).view()).members;
    expect(members.map(({ name }) => name)).toEqual([hiddenName(sandbox)]);
    expect(swept[0]?.endpointIds).toContain(members[0]?.endpointId);
  });

  test("one that a crash left beside a network that leads out goes", async () => {
    const first = await worldWith("t1", "b1");
    const sandbox = await start(first, "c1", ["t1"]);
    const endpoints = first.store.collection<{ readonly isHidden?: true; readonly id: string }>("endpoints");
    const hidden = [...endpoints.values()].find(({ isHidden }) => isHidden);
    await sandbox.connect(endpointSpec("b1"));
    if (hidden) await endpoints.put(hidden.id, hidden);
    const second = await goOn(first, [sandbox]);
    expect(await onGateway(second)).toEqual([]);
    const again = second.controller.sandbox(sandbox.containerId);
    expect(again && hostPorts(again)).toEqual([8080]);
    await again?.delete();
    await expectNothing(second, "t1", "b1", gateway);
  });

  test("that ended the containers docker_gwbridge is there, and nobody on it", async () => {
    const first = await worldWith("t1");
    await start(first, "c1", ["t1"]);
    const second = await goOn(first, []);
    expect(await onGateway(second)).toEqual([]);
    expect(second.store.sizes()).toMatchObject({ endpoints: 0, sandboxes: 0 });
  });
});
