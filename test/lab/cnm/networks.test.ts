// The model with the real drivers, on a kernel: networks, sandboxes, ports, and what a restart finds.

import { describe, expect, test } from "vitest";
import type { Sandbox } from "../../../src/cnm/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { Lab } from "../lab.ts";
import "../matchers.ts";
import { inside } from "./inside.ts";
import { address, endpointSpec, networkSpec, pool, sandboxSpec } from "./specs.ts";
import { createWorld } from "./world.ts";

/** A machine on a LAN with a neighbour. */
async function machineAndPeer(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const [machine, peer] = [await lan.host("machine"), await lan.host("peer")];
  await machine.remember();
  return { machine, peer };
}

const tcp = (containerPort: number, hostPort: number, hostAddress?: string) => ({
  protocol: "tcp" as const,
  containerPort,
  hostPorts: { first: hostPort, last: hostPort },
  ...(hostAddress && { hostAddress: address(hostAddress) }),
});

const links = async (sandbox: Sandbox) => [...(await sandbox.statistics()).keys()].sort();

describe("a container on several networks", () => {
  test("comes and goes between them, again and again, and reaches each", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    {
      await using world = await createWorld(machine);
      const { controller } = world;
      for (const name of ["x1", "x2", "x3"]) await controller.createNetwork(networkSpec(name));
      const c1 = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }));
      const others = [];
      for (const name of ["x2", "x3"])
        others.push(
          await controller.createSandbox(sandboxSpec(`on-${name}`, { endpoints: [endpointSpec(name)] })),
        );
      await using here = await inside("c1", c1.netnsPath);
      for (let round = 0; round < 3; round++) {
        await c1.connect(endpointSpec("x2"));
        await c1.connect(endpointSpec("x3"));
        expect(await links(c1)).toEqual(["eth0", "eth1", "eth2"]);
        for (const other of others) {
          const [there] = other.endpoints();
          await using host = await inside(other.spec.containerName, other.netnsPath);
          await using _ = await host.listen("0.0.0.0", 80);
          await expect(here).toReach(`${there?.ipv4 && formatAddress(there.ipv4.address)}:80`);
        }
        await c1.disconnect("x2");
        await c1.disconnect("x3");
        expect(await links(c1)).toEqual(["eth0"]);
      }
    }
    await machine.expectUnchanged();
  });

  test("leaves by the network with the higher priority, and by the other when that one goes", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    for (const name of ["x1", "x2"]) await controller.createNetwork(networkSpec(name));
    const sandbox = await controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1")], portBindings: [tcp(80, 8080)] }),
    );
    await using here = await inside("c1", sandbox.netnsPath);
    await using _web = await here.listen("0.0.0.0", 80);
    await using _peer = await peer.listen("0.0.0.0", 81);
    const gateway = async () =>
      (await here.netlink.routes()).find(({ destination }) => !destination)?.gateway;
    for (let round = 0; round < 2; round++) {
      expect(await gateway()).toEqual(address("172.18.0.1"));
      await sandbox.connect(endpointSpec("x2", { gatewayPriority: 1 }));
      expect(await gateway()).toEqual(address("172.19.0.1"));
      await expect(here).toReach("192.0.2.2:81");
      await expect(peer).toReach("192.0.2.1:8080");
      await sandbox.disconnect("x2");
      await expect(here).toReach("192.0.2.2:81");
      await expect(peer).toReach("192.0.2.1:8080");
    }
  });
});

describe("a network", () => {
  test("with IPv6 connects over it, inside and outside", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    await controller.createNetwork(
      networkSpec("x6", {
        enableIpv4: false,
        enableIpv6: true,
        ipam: { driver: "", pools: [pool("2001:db8:66::/64")] },
      }),
    );
    const make = (name: string, host: number) =>
      controller.createSandbox(
        sandboxSpec(name, { endpoints: [endpointSpec("x6")], portBindings: [tcp(80, host)] }),
      );
    const [s1, s2] = [await make("c1", 8080), await make("c2", 8081)];
    await using c1 = await inside("c1", s1.netnsPath);
    await using c2 = await inside("c2", s2.netnsPath);
    await using _web = await c2.listen("::", 80);
    await using _peer = await peer.listen("::", 81);
    await expect(c1).toReach("[2001:db8:66::3]:80", { answer: "c2 2001:db8:66::2" });
    await expect(c1).toReach("[2001:db8:2::2]:81", { answer: "peer 2001:db8:2::1" });
    await expect(peer).toReach("[2001:db8:2::1]:8081", { answer: "c2 2001:db8:2::2" });
    expect(
      (await c1.netlink.addresses({ family: 4 })).map(({ prefix }) => formatAddress(prefix.address)),
    ).toEqual(["127.0.0.1"]);
  });

  test("without IPv6 has none, not even a link-local address", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(networkSpec("x1"));
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }),
    );
    await using here = await inside("c1", sandbox.netnsPath);
    const found = await here.netlink.addresses({ family: 6 });
    expect(found.map(({ prefix }) => formatAddress(prefix.address))).toEqual(["::1"]);
  });

  test("that is internal reaches its own and nothing else, and nobody reaches it", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    await controller.createNetwork(networkSpec("inside", { internal: true }));
    const make = (name: string) =>
      controller.createSandbox(
        sandboxSpec(name, { endpoints: [endpointSpec("inside")], portBindings: [tcp(80, 8080)] }),
      );
    const [s1, s2] = [await make("c1"), await make("c2")];
    await using c1 = await inside("c1", s1.netnsPath);
    await using c2 = await inside("c2", s2.netnsPath);
    await using _web = await c2.listen("0.0.0.0", 80);
    await using _peer = await peer.listen("0.0.0.0", 81);
    await expect(c1).toReach("172.18.0.3:80");
    await expect(c1).not.toReach("192.0.2.2:81");
    await expect(peer).not.toReach("192.0.2.1:8080");
    expect(s1.endpoints()[0]?.published).toEqual([]);
    expect(world.proxy.resolvers.get(s1.id)?.forwards).toBe(false);
  });

  test("keeps apart from others: neither addresses nor unpublished ports are reached", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await peer.routeTo({ address: address("172.16.0.0"), length: 12 }, address("192.0.2.1"));
    await using world = await createWorld(machine);
    const { controller } = world;
    for (const name of ["x1", "x2"]) await controller.createNetwork(networkSpec(name));
    const s1 = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }));
    const s2 = await controller.createSandbox(
      sandboxSpec("c2", {
        endpoints: [endpointSpec("x2")],
        portBindings: [tcp(80, 8080), tcp(82, 8082, "127.0.0.1")],
      }),
    );
    await using c1 = await inside("c1", s1.netnsPath);
    await using c2 = await inside("c2", s2.netnsPath);
    await using _published = await c2.listen("0.0.0.0", 80);
    await using _private = await c2.listen("0.0.0.0", 81);
    await using _local = await c2.listen("0.0.0.0", 82);
    await expect(c1).toReach("192.0.2.1:8080");
    await expect(machine).toReach("127.0.0.1:8082");
    for (const target of ["172.19.0.2:80", "172.19.0.2:81", "192.0.2.1:8082"]) {
      await expect(c1).not.toReach(target);
      await expect(peer).not.toReach(target);
    }
  });

  test("has the MTU it was asked for, on both ends", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const options = { "com.docker.network.driver.mtu": "1400", "com.docker.network.bridge.name": "br7" };
    await world.controller.createNetwork(networkSpec("x1", { options }));
    const sandbox = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }),
    );
    await using here = await inside("c1", sandbox.netnsPath);
    expect((await here.netlink.link("eth0"))?.mtu).toBe(1400);
    const outside = (await machine.netlink.links()).filter(({ mtu }) => mtu === 1400).map(({ kind }) => kind);
    expect(outside.sort()).toEqual(["bridge", "veth"]);
  });

  test("with an interface prefix or a name for the endpoint shows that", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    await controller.createNetwork(
      networkSpec("x1", { options: { "com.docker.network.container_iface_prefix": "lan" } }),
    );
    await controller.createNetwork(networkSpec("x2"));
    const driverOptions = {
      "com.docker.network.endpoint.ifname": "uplink",
      "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1",
    };
    const sandbox = await controller.createSandbox(
      sandboxSpec("c1", { endpoints: [endpointSpec("x1"), endpointSpec("x2", { driverOptions })] }),
    );
    expect(await links(sandbox)).toEqual(["lan0", "uplink"]);
    await using here = await inside("c1", sandbox.netnsPath);
    expect(await here.run("cat", "/proc/sys/net/ipv4/conf/uplink/log_martians")).toBe("1\n");
    expect(await here.run("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start")).toBe("0\n");
  });
});

describe("a thousand ports", () => {
  test("open and close with their container, ranges and single ones alike", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    {
      await using world = await createWorld(machine);
      const { controller } = world;
      await controller.createNetwork(networkSpec("x1"));
      const portBindings = Array.from({ length: 1000 }, (_, at) => tcp(20000 + at, 20000 + at));
      const sandbox = await controller.createSandbox(
        sandboxSpec("c1", { endpoints: [endpointSpec("x1")], portBindings }),
      );
      const published = sandbox.endpoints()[0]?.published ?? [];
      expect(published.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(2000);
      await using here = await inside("c1", sandbox.netnsPath);
      await using _first = await here.listen("0.0.0.0", 20000);
      await using _last = await here.listen("0.0.0.0", 20999);
      await expect(peer).toReach("192.0.2.1:20000");
      await expect(peer).toReach("192.0.2.1:20999");
      const second = controller.createSandbox(
        sandboxSpec("c2", { endpoints: [endpointSpec("x1")], portBindings: [tcp(80, 20500)] }),
      );
      await expect(second).rejects.toThrow(/port is already allocated/);
      await sandbox.delete();
      expect(world.proxy.forwards.size).toBe(0);
      await using _free = await machine.listen("0.0.0.0", 20500);
    }
    await machine.expectUnchanged();
  });
});

describe("a crash", () => {
  test("leaves nothing after the next start but networks", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    const first = await createWorld(machine);
    await first.controller.createNetwork(networkSpec("x1"));
    await first.controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }));
    await first.crash();
    {
      await using second = await createWorld(machine, { folder: first.folder });
      const { controller } = second;
      expect((await controller.network("x1").view()).members).toEqual([]);
      const veths = (await machine.netlink.links()).filter(({ name }) => name.startsWith("veth"));
      expect(veths).toEqual([]);
      await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }));
    }
    await machine.expectUnchanged();
  });

  test("does not end containers: they are served again, ports and all, and can be connected and deleted", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    const first = await createWorld(machine);
    for (const name of ["x1", "x2"]) await first.controller.createNetwork(networkSpec(name));
    const before = await first.controller.createSandbox(
      sandboxSpec("c1", {
        endpoints: [endpointSpec("x1")],
        portBindings: [{ protocol: "tcp", containerPort: 80 }],
      }),
    );
    const [endpoint] = before.endpoints();
    const port = endpoint?.published[0]?.hostPort;
    await using here = await inside("c1", before.netnsPath);
    await using _web = await here.listen("0.0.0.0", 80);
    await expect(peer).toReach(`192.0.2.1:${port}`);
    await first.crash();
    const live = new Set([before.containerId]);
    {
      await using second = await createWorld(machine, { folder: first.folder, live });
      const after = second.controller.sandbox(before.containerId);
      expect(after?.endpoints()[0]).toMatchObject({ endpointId: endpoint?.endpointId, ipv4: endpoint?.ipv4 });
      expect(second.proxy.names(second.controller.network("x1").id)).toContain("c1");
      expect(after?.endpoints()[0]?.published).toEqual(endpoint?.published);
      await expect(peer).toReach(`192.0.2.1:${port}`);
      await after?.connect(endpointSpec("x2"));
      await after?.delete();
      await expect(peer).not.toReach(`192.0.2.1:${port}`);
    }
    await machine.expectUnchanged();
  });
});
