// Networks of the controller with fake drivers: creation, lookup, removal, failures at each step.

import { describe, expect, test } from "vitest";
import type { Controller } from "../../../src/cnm/index.ts";
import { formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import {
  address,
  defaultBridge,
  endpointSpec,
  networkSpec,
  pool,
  prefix,
  sandboxSpec,
} from "../../lab/cnm/specs.ts";
import { createFakeWorld, FakeDriver } from "./fakes.ts";

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return `${errorKind(error)}: ${error instanceof Error ? error.message : error}`;
  }
  return "no failure";
}

describe("creating a network", () => {
  test("gives it a 64-digit id, the first free pool and its first address as gateway", async () => {
    const { controller } = await createFakeWorld();
    const network = await controller.createNetwork(networkSpec("x1"));
    expect(network.id).toMatch(/^[0-9a-f]{64}$/);
    const [leased] = network.record.pools;
    expect(leased && formatPrefix(leased.subnet)).toBe("172.17.0.0/16");
    expect(leased?.gateway && formatAddress(leased.gateway)).toBe("172.17.0.1");
  });

  test("gives it a pool per enabled family", async () => {
    const { controller } = await createFakeWorld();
    const both = await controller.createNetwork(networkSpec("both", { enableIpv6: true }));
    expect(both.record.pools.map(({ family }) => family)).toEqual([4, 6]);
    const only6 = await controller.createNetwork(
      networkSpec("only6", { enableIpv4: false, enableIpv6: true }),
    );
    expect(only6.record.pools.map(({ family }) => family)).toEqual([6]);
  });

  test("takes the families from driver options as well", async () => {
    const { controller } = await createFakeWorld();
    const options = { "com.docker.network.enable_ipv6": "true" };
    const network = await controller.createNetwork(networkSpec("x", { options }));
    expect(network.record.enableIpv6).toBe(true);
  });

  test("keeps subnet, range, gateway and auxiliary addresses as asked", async () => {
    const { controller } = await createFakeWorld();
    const asked = pool("10.1.0.0/24", {
      range: "10.1.0.128/25",
      gateway: "10.1.0.254",
      aux: { router: "10.1.0.5" },
    });
    await controller.createNetwork(networkSpec("x", { ipam: { driver: "", pools: [asked] } }));
    const view = await controller.network("x").view();
    expect(view.ipam).toEqual({ driver: "default", pools: [asked] });
    expect(view.pools).toEqual([{ subnet: prefix("10.1.0.0/24"), inUse: 4n, available: 126n }]);
  });

  test("chooses the gateway of a range from the range", async () => {
    const { controller } = await createFakeWorld();
    const asked = pool("10.1.0.0/24", { range: "10.1.0.128/25" });
    const network = await controller.createNetwork(
      networkSpec("x", { ipam: { driver: "", pools: [asked] } }),
    );
    expect(network.record.pools[0]?.gateway).toEqual(address("10.1.0.128"));
  });

  test.each([
    ["bridge", "forbidden: operation is not permitted on predefined bridge network"],
    ["host", "forbidden: operation is not permitted on predefined host network"],
    ["none", "forbidden: operation is not permitted on predefined none network"],
    ["", "invalid: invalid name: name is empty"],
    [
      "a b",
      "invalid: invalid name: a b includes invalid characters, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    ],
    ["x", "conflict: network with name x already exists"],
  ])("refuses the name %j", async (name, message) => {
    const { controller } = await createFakeWorld();
    await controller.createNetwork(networkSpec("x"));
    expect(await failure(controller.createNetwork(networkSpec(name)))).toBe(message);
  });

  test("lets one of two requests for a name win that come at once", async () => {
    const { controller } = await createFakeWorld();
    const outcomes = await Promise.allSettled([1, 2].map(() => controller.createNetwork(networkSpec("x"))));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(controller.networks().filter(({ name }) => name === "x")).toHaveLength(1);
  });

  test.each([
    [{ driver: "nope" }, 'not-found: plugin "nope" not found'],
    [{ ipam: { driver: "nope", pools: [] } }, 'not-found: plugin "nope" not found'],
    [{ driver: "host" }, 'forbidden: only one instance of "host" network is allowed'],
    [{ driver: "null" }, 'forbidden: only one instance of "null" network is allowed'],
    [{ scope: "swarm" }, "forbidden: cannot create a swarm scoped network when swarm is not active"],
    [{ enableIpv4: false }, "invalid: IPv4 or IPv6 must be enabled"],
    [
      { options: { "com.docker.network.enable_ipv6": "maybe" } },
      'invalid: invalid value for com.docker.network.enable_ipv6: "maybe" is not a boolean',
    ],
  ])("refuses %j", async (part, message) => {
    const world = await createFakeWorld();
    expect(await failure(world.controller.createNetwork(networkSpec("x", part)))).toBe(message);
    expect(world.controller.networks()).toHaveLength(2);
  });

  test.each([
    [pool("10.1.0.7/24"), "invalid subnet 10.1.0.7/24: it should be 10.1.0.0/24"],
    [
      pool("10.1.0.0/24", { range: "10.1.1.0/25" }),
      "invalid ip-range 10.1.1.0/25: parent subnet 10.1.0.0/24 doesn't contain ip-range",
    ],
    [
      pool("10.1.0.0/24", { range: "10.1.0.0/23" }),
      "invalid ip-range 10.1.0.0/23: CIDR block is bigger than its parent subnet 10.1.0.0/24",
    ],
    [pool("10.1.0.0/24", { range: "10.1.0.9/25" }), "invalid ip-range 10.1.0.9/25: it should be 10.1.0.0/25"],
    [
      pool("10.1.0.0/24", { range: "2001:db8::/65" }),
      "invalid ip-range 2001:db8::/65: parent subnet is an IPv4 block",
    ],
    [
      pool("10.1.0.0/24", { gateway: "10.2.0.1" }),
      "invalid gateway 10.2.0.1: parent subnet 10.1.0.0/24 doesn't contain this address",
    ],
    [
      pool("10.1.0.0/24", { gateway: "2001:db8::1" }),
      "invalid gateway 2001:db8::1: parent subnet is an IPv4 block",
    ],
    [
      pool("10.1.0.0/24", { aux: { a: "10.2.0.1" } }),
      "invalid auxiliary address a: parent subnet 10.1.0.0/24 doesn't contain this address",
    ],
  ])("refuses the pool %#", async (wrong, message) => {
    const { controller } = await createFakeWorld();
    const creating = controller.createNetwork(networkSpec("x", { ipam: { driver: "", pools: [wrong] } }));
    expect(await failure(creating)).toBe(`invalid: invalid network config:\n${message}`);
  });

  test("refuses a subnet that overlaps another network's and leaves that one alone", async () => {
    const { controller } = await createFakeWorld();
    const spec = (name: string, subnet: string) =>
      networkSpec(name, { ipam: { driver: "", pools: [pool(subnet)] } });
    await controller.createNetwork(spec("x", "10.1.0.0/16"));
    expect(await failure(controller.createNetwork(spec("y", "10.1.2.0/24")))).toBe(
      "forbidden: Pool overlaps with other one on this address space",
    );
    await controller.deleteNetwork("x");
    await controller.createNetwork(spec("y", "10.1.2.0/24"));
  });
});

describe("a creation that fails at any step", () => {
  test("leaves no pool, no record, no device and no name", async () => {
    const world = await createFakeWorld();
    const spec = networkSpec("x", { enableIpv6: true });
    world.steps.failAt(undefined);
    await world.controller.createNetwork(spec);
    const steps = world.steps.count;
    expect(steps).toBeGreaterThanOrEqual(2);
    await world.controller.deleteNetwork("x");
    for (let step = 1; step <= steps; step++) {
      world.steps.failAt(step);
      await expect(world.controller.createNetwork(spec)).rejects.toThrow("injected");
      world.steps.failAt(undefined);
      expect(world.bridge.networks.size).toBe(0);
      expect(world.store.sizes().networks).toBe(2);
      const again = await world.controller.createNetwork(spec);
      expect(again.record.pools.map(({ subnet }) => formatPrefix(subnet))).toEqual([
        "172.17.0.0/16",
        expect.stringMatching(/^fd.*:\/64$/),
      ]);
      await world.controller.deleteNetwork("x");
    }
  });
});

describe("finding a network", () => {
  test("goes by id, by name and by the start of an id", async () => {
    const { controller } = await createFakeWorld();
    const network = await controller.createNetwork(networkSpec("x"));
    expect(controller.network(network.id)).toBe(network);
    expect(controller.network("x")).toBe(network);
    expect(controller.network(network.id.slice(0, 12))).toBe(network);
  });

  test("fails for what is unknown and for what fits several", async () => {
    const { controller } = await createFakeWorld();
    expect(() => controller.network("x")).toThrow("network x not found");
    expect(() => controller.network("")).toThrow("network  not found");
    for (let number = 0; number < 20; number++) {
      const ipam = { driver: "", pools: [pool(`10.0.${number}.0/24`)] };
      await controller.createNetwork(networkSpec(`n${number}`, { ipam }));
    }
    // 22 ids begin with 16 digits: some digit begins two
    const first = controller.networks().map(({ id }) => id[0] ?? "");
    const twice = first.find((digit, at) => first.indexOf(digit) !== at) ?? "";
    expect(() => controller.network(twice)).toThrow(/is ambiguous \(\d+ matches found based on ID prefix\)/);
  });
});

describe("deleting a network", () => {
  test("is refused for the daemon's own and for one in use", async () => {
    const { controller } = await createFakeWorld();
    expect(await failure(controller.deleteNetwork("host"))).toBe(
      "forbidden: host is a pre-defined network and cannot be removed",
    );
    await controller.createNetwork(networkSpec("x"));
    const sandbox = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x")] }));
    const [endpoint] = sandbox.endpoints();
    expect(await failure(controller.deleteNetwork("x"))).toBe(
      `forbidden: error while removing network: network x has active endpoints (name:"c1" id:"${endpoint?.endpointId.slice(0, 12)}")`,
    );
    await sandbox.delete();
    await controller.deleteNetwork("x");
    expect(await failure(controller.deleteNetwork("x"))).toBe("not-found: network x not found");
  });

  test("frees name and subnet at once", async () => {
    const { controller } = await createFakeWorld();
    const subnets = [];
    for (let round = 0; round < 3; round++) {
      const network = await controller.createNetwork(networkSpec("x"));
      subnets.push(network.record.pools.map(({ subnet }) => formatPrefix(subnet)).join());
      await controller.deleteNetwork("x");
    }
    expect(subnets).toEqual(Array(3).fill("172.17.0.0/16"));
  });

  test("stays when its driver fails, to be deleted again", async () => {
    const { controller, bridge } = await createFakeWorld();
    await controller.createNetwork(networkSpec("x"));
    await failToDelete(controller, bridge);
    expect(controller.network("x").name).toBe("x");
    await controller.deleteNetwork("x");
    expect(() => controller.network("x")).toThrow("not found");
    const again = await controller.createNetwork(networkSpec("x"));
    expect(again.record.pools.map(({ subnet }) => formatPrefix(subnet))).toEqual(["172.17.0.0/16"]);
  });

  test("is whole again for who connects to it after it could not be deleted", async () => {
    const { controller, bridge } = await createFakeWorld();
    const network = await controller.createNetwork(networkSpec("x"));
    await failToDelete(controller, bridge);
    bridge.networks.delete(network.id);
    await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x")] }));
    expect(bridge.networks.has(network.id)).toBe(true);
  });
});

async function failToDelete(controller: Controller, bridge: FakeDriver): Promise<void> {
  const { deleteNetwork } = bridge;
  bridge.deleteNetwork = () => Promise.reject(new Error("broken"));
  await expect(controller.deleteNetwork("x")).rejects.toThrow("broken");
  bridge.deleteNetwork = deleteNetwork;
}

describe("configuration-only networks", () => {
  const config = networkSpec("config", {
    configOnly: true,
    enableIpv6: true,
    ipam: { driver: "", pools: [pool("10.9.0.0/24")] },
    options: { "com.docker.network.driver.mtu": "1400" },
    labels: { a: "b" },
  });

  test("are stored and never made", async () => {
    const { controller, bridge } = await createFakeWorld();
    await controller.createNetwork(config);
    expect(bridge.networks.size).toBe(0);
    expect(await controller.network("config").view()).toMatchObject({
      driver: "null",
      scope: "local",
      configOnly: true,
    });
    expect(() => controller.checkEndpoint(endpointSpec("config"))).toThrow("configuration-only");
  });

  test("lend their options, and stay while they are used", async () => {
    const { controller } = await createFakeWorld();
    await controller.createNetwork(config);
    const network = await controller.createNetwork(networkSpec("x", { configFrom: "config" }));
    expect(network.record).toMatchObject({
      options: config.options,
      labels: config.labels,
      enableIpv6: true,
    });
    expect(network.record.pools[0]?.subnet).toEqual(prefix("10.9.0.0/24"));
    expect(await failure(controller.deleteNetwork("config"))).toBe(
      'forbidden: configuration network "config" is in use',
    );
  });

  test("cannot be mixed with words of one's own", async () => {
    const { controller } = await createFakeWorld();
    await controller.createNetwork(config);
    const mixed = networkSpec("x", { configFrom: "config", labels: { own: "" } });
    expect(await failure(controller.createNetwork(mixed))).toMatch(
      /^forbidden: user specified configurations are not/,
    );
    expect(await failure(controller.createNetwork({ ...config, name: "y", internal: true }))).toMatch(
      /^forbidden: configuration network can only contain/,
    );
    expect(await failure(controller.createNetwork({ ...config, name: "y", configFrom: "config" }))).toBe(
      "forbidden: a configuration network cannot depend on another configuration network",
    );
    await controller.createNetwork(networkSpec("real"));
    expect(await failure(controller.createNetwork(networkSpec("x", { configFrom: "real" })))).toBe(
      'not-found: configuration network "real" does not exist',
    );
  });
});

describe("a start", () => {
  test("tells drivers that replay of every network on record, with the same subnets", async () => {
    const first = await createFakeWorld();
    const made = await first.controller.createNetwork(
      networkSpec("x", { enableIpv6: true, labels: { at: "@home" } }),
    );
    const second = await createFakeWorld({ after: first });
    const found = second.controller.network("x");
    expect(found.id).toBe(made.id);
    expect(await found.view()).toEqual(await made.view());
    expect(second.bridge.networks.has(made.id)).toBe(true);
    const other = await second.controller.createNetwork(networkSpec("y"));
    expect(other.record.pools[0]?.subnet).toEqual(prefix("172.18.0.0/16"));
  });

  test("does not tell drivers that keep their networks by themselves", async () => {
    const first = await createFakeWorld({
      drivers: (steps) => [new FakeDriver(steps, "plugin", { replay: false })],
    });
    await first.controller.createNetwork(networkSpec("x", { driver: "plugin" }));
    let plugin: FakeDriver | undefined;
    const second = await createFakeWorld({
      after: first,
      drivers: (steps) => {
        plugin = new FakeDriver(steps, "plugin", { replay: false });
        return [plugin];
      },
    });
    expect(second.controller.network("x").name).toBe("x");
    expect(plugin?.networks.size).toBe(0);
  });
});

describe("the default bridge", () => {
  test("is made with Docker's options and keeps its id while its configuration stays", async () => {
    const first = await createFakeWorld({ defaultBridge });
    const bridge = first.controller.network("bridge");
    expect(bridge.record.options).toEqual({
      "com.docker.network.bridge.default_bridge": "true",
      "com.docker.network.bridge.enable_icc": "true",
      "com.docker.network.bridge.enable_ip_masquerade": "true",
      "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
      "com.docker.network.bridge.name": "docker0",
    });
    const second = await createFakeWorld({ after: first, defaultBridge });
    expect(second.controller.network("bridge").id).toBe(bridge.id);
    const third = await createFakeWorld({
      after: second,
      defaultBridge: { ...defaultBridge, bip: prefix("10.7.0.1/24") },
    });
    expect(third.controller.network("bridge").id).not.toBe(bridge.id);
    expect(third.controller.network("bridge").record.pools[0]).toMatchObject({
      subnet: prefix("10.7.0.0/24"),
      gateway: address("10.7.0.1"),
    });
    const fourth = await createFakeWorld({ after: third });
    expect(() => fourth.controller.network("bridge")).toThrow("not found");
  });

  test("takes bip, fixed-cidr and default-gateway", async () => {
    const { controller } = await createFakeWorld({
      defaultBridge: {
        ...defaultBridge,
        bip: prefix("10.7.0.1/24"),
        fixedCidr: prefix("10.7.0.128/25"),
        defaultGateway: address("10.7.0.254"),
      },
    });
    const [leased] = controller.network("bridge").record.pools;
    expect(leased).toMatchObject({
      subnet: prefix("10.7.0.0/24"),
      range: prefix("10.7.0.128/25"),
      gateway: address("10.7.0.1"),
      auxiliaryAddresses: { DefaultGatewayIPv4: address("10.7.0.254") },
    });
  });

  test("on a device that must exist is an error without it", async () => {
    const creating = createFakeWorld({ defaultBridge: { ...defaultBridge, link: "br7", mustExist: true } });
    expect(await failure(creating)).toBe(
      "invalid: bridge device with non default name br7 must be created manually",
    );
  });
});
