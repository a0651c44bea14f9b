// Endpoints of sandboxes with fake drivers: addresses, connecting and disconnecting, names, published ports.

import { describe, expect, test } from "vitest";
import { formatAddress } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { address, defaultBridge, endpointSpec, networkSpec, pool, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, leased } from "./fakes.ts";
import { addresses, binding, worldWith } from "./sandbox-world.ts";

describe("addresses", () => {
  test("are handed out in turn, and a freed one waits for its turn", async () => {
    const world = await worldWith("x1");
    const make = (name: string) =>
      world.controller.createSandbox(sandboxSpec(name, { endpoints: [endpointSpec("x1")] }));
    const first = await make("c1");
    expect(addresses(first)).toEqual(["172.17.0.2/16"]);
    await first.delete();
    expect(addresses(await make("c2"))).toEqual(["172.17.0.3/16"]);
  });

  test("that the user chose are used, and refused when taken or outside", async () => {
    const world = await worldWith("x1");
    const make = (name: string, ipv4: string) =>
      world.controller.createSandbox(
        sandboxSpec(name, { endpoints: [endpointSpec("x1", { ipv4: address(ipv4) })] }),
      );
    expect(addresses(await make("c1", "172.17.9.9"))).toEqual(["172.17.9.9/16"]);
    await expect(make("c2", "172.17.9.9")).rejects.toThrow("Address already in use");
    await expect(make("c2", "10.0.0.1")).rejects.toThrow("no configured subnet contains IP address 10.0.0.1");
  });

  test("of a full pool say which network it is", async () => {
    const world = await createFakeWorld();
    const small = await world.controller.createNetwork(
      networkSpec("small", { ipam: { driver: "", pools: [pool("10.0.0.0/30")] } }),
    );
    await world.controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("small")] }));
    const second = world.controller.createSandbox(sandboxSpec("c2", { endpoints: [endpointSpec("small")] }));
    await expect(second).rejects.toThrow(
      `no available IPv4 addresses on this network's address pools: small (${small.id})`,
    );
    await expect(second).rejects.toSatisfy((error) => errorKind(error) === "unavailable");
  });

  test("cannot be chosen on the default bridge, nor aliases", async () => {
    const world = await createFakeWorld({
      defaultBridge,
    });
    const check = (part: object) => () => world.controller.checkEndpoint(endpointSpec("bridge", part));
    expect(check({ ipv4: address("172.17.0.9") })).toThrow(
      "user-specified IP address is supported on user-defined networks only",
    );
    expect(check({ aliases: ["a"] })).toThrow(
      "network-scoped aliases are only supported for user-defined networks",
    );
    expect(check({})).not.toThrow();
  });
});

describe("connecting a running container", () => {
  test("gives it the next interface; its way out stays with the first in order", async () => {
    const world = await worldWith("x1", "x2");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }),
    );
    world.steps.transcript.length = 0;
    const endpoint = await sandbox.connect(endpointSpec("x2"));
    expect(endpoint).toMatchObject({ networkName: "x2", interfaceName: "eth1" });
    expect(world.steps.transcript.filter((step) => /default .*if[0-9]+$/.test(step))).toEqual([]);
  });

  test("moves the way out and the ports when the new network has a higher priority, and back", async () => {
    const world = await worldWith("x1", "x2");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1")], portBindings: [binding(80)] }),
    );
    const [first] = sandbox.endpoints();
    expect(first?.published).toHaveLength(1);
    const second = await sandbox.connect(endpointSpec("x2", { gatewayPriority: 1 }));
    expect(world.bridge.published).toEqual(new Set([second.endpointId]));
    expect(sandbox.endpoints().map(({ published }) => published.length)).toEqual([0, 1]);
    expect(world.steps.transcript).toContain("sandbox: ip route replace default via 0.0.0.1 dev if3");
    await sandbox.disconnect("x2");
    expect(world.bridge.published).toEqual(new Set([first?.endpointId]));
    expect(sandbox.endpoints().map(({ published }) => published.length)).toEqual([1]);
  });

  test("starts its resolver with the first network that has names", async () => {
    const world = await createFakeWorld({
      defaultBridge,
    });
    const x1 = await world.controller.createNetwork(networkSpec("x1"));
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("bridge")] }),
    );
    expect(world.resolvers.resolvers.size).toBe(0);
    expect(world.resolvers.records.size).toBe(0);
    await sandbox.connect(endpointSpec("x1"));
    expect(world.resolvers.resolvers.get(sandbox.id)).toMatchObject({
      networks: [x1.id],
      netns: sandbox.netnsPath,
    });
    expect(world.netns.redirects.get(sandbox.netnsPath)).toEqual({ udp: 1, tcp: 2 });
  });

  test("twice to one network is refused; to one that is gone too", async () => {
    const world = await worldWith("x1");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }),
    );
    await expect(sandbox.connect(endpointSpec("x1"))).rejects.toThrow(
      "endpoint with name c1 already exists in network x1",
    );
    await expect(sandbox.connect(endpointSpec("nope"))).rejects.toThrow("network nope not found");
    expect(sandbox.endpoints()).toHaveLength(1);
  });

  test("of the same name as another is no conflict: identity is the container's id", async () => {
    const world = await worldWith("x1");
    for (let copy = 0; copy < 2; copy++)
      await world.controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }));
    expect((await world.controller.network("x1").view()).members.map(({ name }) => name)).toEqual([
      "c1",
      "c1",
    ]);
  });
});

describe("disconnecting", () => {
  test("takes link, names and address away", async () => {
    const world = await worldWith("x1", "x2");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1"), endpointSpec("x2")] }),
    );
    await sandbox.disconnect("x1");
    expect(sandbox.endpoints().map(({ networkName }) => networkName)).toEqual(["x2"]);
    expect(world.bridge.endpoints.size).toBe(1);
    expect(await leased(world, "x1")).toEqual([1n]);
    expect(world.store.sizes()).toMatchObject({ endpoints: 1, sandboxes: 1 });
    await expect(sandbox.disconnect("x1")).rejects.toThrow(/is not connected to network x1$/);
    expect(await sandbox.connect(endpointSpec("x1"))).toMatchObject({ interfaceName: "eth0" });
  });
});

describe("names", () => {
  test("are the container's name, its aliases, its short id and its host name, each once", async () => {
    const world = await worldWith("x1");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", {
        containerId: "abcdef".repeat(10),
        hostname: "box",
        endpoints: [endpointSpec("x1", { aliases: ["db", "c1", "primary"] })],
      }),
    );
    const names = ["c1", "db", "primary", "abcdefabcdef", "box"];
    expect(sandbox.endpoints()[0]?.dnsNames).toEqual(names);
    expect([...world.resolvers.records.values()][0]).toMatchObject({ networkName: "x1", names });
  });

  test("follow a rename", async () => {
    const world = await worldWith("x1");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("old", { hostname: "h", endpoints: [endpointSpec("x1")] }),
    );
    await sandbox.rename("new");
    expect([...world.resolvers.records.values()].map(({ names }) => names[0])).toEqual(["new"]);
    expect([...world.resolvers.records.values()].flatMap(({ names }) => names)).not.toContain("old");
    expect((await world.controller.network("x1").view()).members[0]?.name).toBe("new");
  });

  test("of a link are known to its container alone, and follow the other container", async () => {
    const world = await worldWith("x1");
    const make = (name: string, links: { container: string; alias: string }[] = []) =>
      world.controller.createSandbox(sandboxSpec(name, { endpoints: [endpointSpec("x1", { links })] }));
    const db = await make("db");
    const web = await make("web", [{ container: "db", alias: "store" }]);
    const known = () => world.resolvers.resolvers.get(web.id)?.privateNames;
    expect(known()).toEqual({ store: [db.endpoints()[0]?.endpointId] });
    await db.delete();
    const again = await make("db");
    await world.controller.settle();
    expect(known()).toEqual({ store: [again.endpoints()[0]?.endpointId] });
    expect(formatAddress(address("192.0.2.1"))).toBe("192.0.2.1");
  });

  test("are asked outside only where there is a way out", async () => {
    const world = await worldWith("x1");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }),
    );
    expect(world.resolvers.resolvers.get(sandbox.id)?.forwards).toBe(true);
    const { join } = world.bridge;
    world.bridge.join = async (request) => {
      const { gateway: _, ...response } = await join.call(world.bridge, request);
      return response;
    };
    const closed = await world.controller.createSandbox(
      sandboxSpec("c2", { endpoints: [endpointSpec("x1")] }),
    );
    expect(world.resolvers.resolvers.get(closed.id)?.forwards).toBe(false);
  });
});

describe("published ports", () => {
  test("with -P are those exposed that have no binding", async () => {
    const world = await worldWith("x1");
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", {
        endpoints: [endpointSpec("x1")],
        publishAll: true,
        exposedPorts: [80, 81].map((port) => ({ protocol: "tcp" as const, port })),
        portBindings: [binding(80, 8080)],
      }),
    );
    expect(
      sandbox.endpoints()[0]?.published.map(({ containerPort, hostPort }) => [containerPort, hostPort]),
    ).toEqual([
      [80, 8080],
      [81, 32768],
    ]);
  });
});
