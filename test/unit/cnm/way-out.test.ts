// The way out of networks that lead nowhere by themselves: docker_gwbridge and the endpoint on it that nobody sees.

import { describe, expect, test } from "vitest";
import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import type { EndpointSpec, Sandbox } from "../../../src/cnm/index.ts";
import type { JoinRequest, JoinResponse, SweepRequest } from "../../../src/driverapi/index.ts";
import { formatPrefix, prefixesOverlap } from "../../../src/netip/index.ts";
import { defaultBridge, endpointSpec, networkSpec, pool, prefix, sandboxSpec } from "../../lab/cnm/specs.ts";
import {
  createFakeWorld,
  FakeDriver,
  type FakeWorld,
  type FakeWorldOptions,
  leased,
  type Steps,
} from "./fakes.ts";
import { useCluster } from "./global-hosts.ts";

/** Its endpoints have no gateway, and want one, as an overlay's. */
class TunnelDriver extends FakeDriver {
  readonly swept: SweepRequest[] = [];

  constructor(steps: Steps) {
    super(steps, "tunnel");
  }

  override async join(request: JoinRequest): Promise<JoinResponse> {
    const { gateway: _, ...response } = await super.join(request);
    return response;
  }
}

/** A bridge driver that writes down what a start left to it. */
class SweptDriver extends FakeDriver {
  readonly swept: SweepRequest[] = [];

  async sweep(request: SweepRequest): Promise<void> {
    this.swept.push(request);
  }
}

const gateway = "docker_gwbridge";
const port = { protocol: "tcp" as const, containerPort: 80, hostPorts: { first: 8080, last: 8080 } };

const worldOf = (options: FakeWorldOptions = {}) =>
  createFakeWorld({
    drivers: (steps) => [new TunnelDriver(steps), new SweptDriver(steps, "swept")],
    ...options,
  });

/** A world with tunnels t1, t2…, and whatever else. */
async function worldWith(...names: readonly string[]): Promise<FakeWorld> {
  const world = await worldOf();
  for (const name of names)
    await world.controller.createNetwork(
      networkSpec(name, { driver: name.startsWith("t") ? "tunnel" : "bridge", internal: name.endsWith("i") }),
    );
  world.steps.transcript.length = 0;
  return world;
}

const start = (world: FakeWorld, name: string, networks: readonly (string | EndpointSpec)[]) =>
  world.controller.createSandbox(
    sandboxSpec(name, {
      portBindings: [port],
      endpoints: networks.map((it) => (typeof it === "string" ? endpointSpec(it) : it)),
    }),
  );

/** Names of those that are on it; undefined: there is no such network. */
async function onGateway({ controller }: FakeWorld): Promise<string[] | undefined> {
  const network = controller.networks().find(({ name }) => name === gateway);
  return network && (await network.view()).members.map(({ name }) => name);
}

const hiddenName = ({ id }: Sandbox) => `gateway_${id.slice(0, 12)}`;
const networksOf = (sandbox: Sandbox) =>
  sandbox.endpoints().map(({ networkName, interfaceName }) => `${networkName} ${interfaceName}`);
const hostPorts = (sandbox: Sandbox) => sandbox.publishedPorts().map(({ hostPort }) => hostPort);

async function expectNothing(world: FakeWorld, ...networks: readonly string[]): Promise<void> {
  await world.controller.settle();
  expect(world.netns.pins).toEqual(new Set());
  expect(world.bridge.endpoints).toEqual(new Map());
  expect(world.bridge.published).toEqual(new Set());
  expect(world.store.sizes()).toMatchObject({ endpoints: 0, sandboxes: 0 });
  for (const network of networks) expect(await leased(world, network)).toEqual([1n]);
  expect((await onGateway(world)) ?? []).toEqual([]);
}

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

describe("docker_gwbridge", () => {
  test("is as Docker's: no container reaches another on it, and all leave by the host's addresses", async () => {
    const world = await worldWith("t1");
    await start(world, "c1", ["t1"]);
    expect(await world.controller.network(gateway).view()).toMatchObject({
      driver: "bridge",
      scope: "local",
      internal: false,
      predefined: false,
      options: {
        "com.docker.network.bridge.name": gateway,
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "true",
      },
    });
  });

  test("is the user's to remove when nobody is on it, and is made again", async () => {
    const world = await worldWith("t1");
    const sandbox = await start(world, "c1", ["t1"]);
    await expect(world.controller.deleteNetwork(gateway)).rejects.toThrow(
      `network ${gateway} has active endpoints (name:"${hiddenName(sandbox)}"`,
    );
    await sandbox.delete();
    await world.controller.deleteNetwork(gateway);
    expect(await onGateway(world)).toBeUndefined();
    const again = await start(world, "c1", ["t1"]);
    expect(await onGateway(world)).toEqual([hiddenName(again)]);
  });

  test("that is removed the moment a container comes is made again for it", async () => {
    const world = await worldWith("t1");
    await (await start(world, "c1", ["t1"])).delete();
    const [second] = await Promise.all([start(world, "c2", ["t1"]), world.controller.deleteNetwork(gateway)]);
    expect(await onGateway(world)).toEqual([hiddenName(second)]);
  });

  test("may be the user's own, and then stays as it is", async () => {
    const world = await worldWith("t1");
    const own = await world.controller.createNetwork(
      networkSpec(gateway, { ipam: { driver: "default", pools: [pool("192.168.200.0/24")] } }),
    );
    await world.controller.createNetwork(networkSpec("t6", { driver: "tunnel", enableIpv6: true }));
    await start(world, "c1", ["t1"]);
    await start(world, "c6", ["t6"]);
    expect(world.controller.network(gateway)).toBe(own);
    const { members } = await own.view();
    expect(members.map(({ ipv4 }) => ipv4 && formatPrefix(ipv4))).toEqual([
      "192.168.200.2/24",
      "192.168.200.3/24",
    ]);
  });

  test("takes its subnet beside the default bridge's, and not from where clusters take theirs", async () => {
    const world = await worldOf({ defaultBridge });
    await world.controller.createNetwork(networkSpec("t1", { driver: "tunnel" }));
    await start(world, "c1", ["t1"]);
    const [subnet] = world.controller.network(gateway).record.pools.map((it) => it.subnet);
    expect(subnet && prefixesOverlap(subnet, prefix("10.0.0.0/8"))).toBe(false);
  });

  test("moves out of a network's way while nobody is on it, and says what is in the way when somebody is", async () => {
    // addresses of its own, as a cluster's networks have
    const elsewhere = Object.create(createDefaultIpam({ defaultPools: [], hostId: "" }), {
      name: { value: "elsewhere" },
    });
    const world = await worldOf({ ipamDrivers: [elsewhere] });
    await world.controller.createNetwork(networkSpec("t1", { driver: "tunnel" }));
    const first = await start(world, "c1", ["t1"]);
    const subnetOf = () =>
      formatPrefix(world.controller.network(gateway).record.pools[0]?.subnet ?? prefix("::/0"));
    const taken = subnetOf();
    await world.controller.createNetwork(
      networkSpec("t2", { driver: "tunnel", ipam: { driver: "elsewhere", pools: [pool(taken)] } }),
    );
    const clash = `network t2 has no way out on this host: its subnet ${taken} overlaps ${taken} of ${gateway}`;
    await expect(start(world, "c2", ["t2"])).rejects.toThrow(clash);
    await expect(first.connect(endpointSpec("t2"))).rejects.toThrow(clash);
    expect(networksOf(first)).toEqual(["t1 eth0"]);
    await first.delete();
    const second = await start(world, "c2", ["t2"]);
    expect(await onGateway(world)).toEqual([hiddenName(second)]);
    expect(subnetOf()).not.toBe(taken);
  });
});

describe("subnets of the cluster's networks", () => {
  const { host, settled } = useCluster();
  const overlay = (subnet: string) =>
    networkSpec("blue", { driver: "overlay", ipam: { driver: "default", pools: [pool(subnet)] } });

  test("are not those of a network that the host is on", async () => {
    const world = await host("h1");
    const route = { family: 4, table: 254, type: "unicast", destination: prefix("198.51.100.0/24"), link: 2 };
    Object.assign(world.hostNetlink, { routes: async () => [route] });
    await expect(world.controller.createNetwork(overlay("198.51.100.128/25"))).rejects.toThrow(
      "subnet 198.51.100.128/25 overlaps 198.51.100.0/24, a network that this host is on",
    );
    await world.controller.createNetwork(overlay("203.0.113.0/24"));
  });

  test("may be docker_gwbridge's on some host: whoever asks for it there is told", async () => {
    const [h1, h2] = [await host("h1"), await host("h2")];
    await h1.controller.createNetwork(
      networkSpec(gateway, { ipam: { driver: "default", pools: [pool("192.168.200.0/24")] } }),
    );
    const blue = await h1.controller.createNetwork(overlay("192.168.200.0/25"));
    expect(blue.warnings).toEqual([
      "subnet 192.168.200.0/25 overlaps 192.168.200.0/24 of docker_gwbridge on this host: its containers have no way out here",
    ]);
    await settled(h1, h2);
    expect(h2.controller.network("blue").warnings).toEqual([]);
  });
});
