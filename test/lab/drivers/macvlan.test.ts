// Macvlan networks on a kernel: containers as machines of their own on the wire, in every mode.

import { describe, expect, test } from "vitest";
import { openNetlink, setLink } from "../../../src/kernel/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { address, endpointSpec, networkSpec, pool } from "../cnm/specs.ts";
import { createWorld } from "../cnm/world.ts";
import { Lab } from "../lab.ts";
import "../matchers.ts";
import { advertiseRouter, listenForIpv6 } from "./ipv6-wire.ts";
import {
  type Container,
  defaultRoutes,
  dualStack,
  mac,
  machineAndPeer,
  macvlan,
  pool4,
  pool6,
  run,
} from "./macvlan-world.ts";

describe("a macvlan network", () => {
  test("puts containers on the wire: they, and other hosts, reach each other over IPv4 and IPv6", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    {
      await using world = await createWorld(machine);
      await world.controller.createNetwork(macvlan("m1", {}, dualStack));
      await using c1 = await run(world, "c1");
      await using c2 = await run(world, "c2");
      await using _c2v4 = await c2.host.listen("0.0.0.0", 80);
      await using _c2v6 = await c2.host.listen("::", 80);
      await using _peer = await peer.listen("0.0.0.0", 80);
      await expect(c1.host).toReach(`${c2.ipv4}:80`, { answer: `c2 ${c1.ipv4}` });
      await expect(c1.host).toReach(`[${c2.ipv6}]:80`, { answer: `c2 ${c1.ipv6}` });
      await expect(peer).toReach(`${c2.ipv4}:80`, { answer: "c2 192.0.2.2" });
      await expect(peer).toReach(`[${c2.ipv6}]:80`, { answer: "c2 2001:db8:2::2" });
      await expect(c1.host).toReach("192.0.2.2:80", { answer: `peer ${c1.ipv4}` });
      // by the kernel's design: what leaves by a macvlan never comes up at the parent
      await expect(machine).not.toReach(`${c2.ipv4}:80`);
    }
    await machine.expectUnchanged();
  });

  test("names its containers, forwards other names, and publishes no ports", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const network = await world.controller.createNetwork(macvlan("m1"));
    const binding = {
      protocol: "tcp" as const,
      containerPort: 80,
      hostPorts: { first: 8080, last: 8080 },
    };
    await using c1 = await run(world, "c1", { spec: { portBindings: [binding] } });
    await using _web = await c1.host.listen("0.0.0.0", 80);
    expect(world.proxy.names(network.id)).toContain("c1");
    expect([...world.proxy.resolvers.values()]).toMatchObject([{ forwards: true }]);
    expect(c1.sandbox.endpoints()).toMatchObject([{ published: [] }]);
    expect(await defaultRoutes(c1)).toEqual([]);
    await expect(peer).toReach(`${c1.ipv4}:80`);
    await expect(peer).not.toReach("192.0.2.1:8080");
  });

  test("leads out by the gateway that the user names, for each family", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    const far = lab.segment("198.51.100.0/24", "2001:db8:51::/64");
    await far.attach(peer);
    const server = await far.host("server");
    await peer.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
    await server.routeVia([address("198.51.100.1"), address("2001:db8:51::1")]);
    // a router asks for neighbours from its link-local address
    await expect.poll(() => peer.run("ip", "-6", "address")).not.toContain("tentative");
    await using world = await createWorld(machine);
    const pools = [pool4("192.0.2.2"), pool6("2001:db8:2::2")];
    await world.controller.createNetwork(
      macvlan("m1", {}, { enableIpv6: true, ipam: { driver: "", pools } }),
    );
    await using c1 = await run(world, "c1");
    await using _v4 = await server.listen("0.0.0.0", 80);
    await using _v6 = await server.listen("::", 80);
    await expect(c1.host).toReach("198.51.100.2:80", { answer: `server ${c1.ipv4}` });
    await expect(c1.host).toReach("[2001:db8:51::2]:80", { answer: `server ${c1.ipv6}` });
  });

  test("that is internal has no way out and forwards no names", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const pools = [pool4("192.0.2.2")];
    await world.controller.createNetwork(macvlan("m1", {}, { internal: true, ipam: { driver: "", pools } }));
    await using c1 = await run(world, "c1");
    await using c2 = await run(world, "c2");
    await using _web = await c2.host.listen("0.0.0.0", 80);
    expect(await defaultRoutes(c1)).toEqual([]);
    expect([...world.proxy.resolvers.values()]).toMatchObject([{ forwards: false }, { forwards: false }]);
    await expect(c1.host).toReach(`${c2.ipv4}:80`);
  });

  test("has several subnets of a family, each with its gateway", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const pools = [
      pool("198.51.100.0/24", { gateway: "198.51.100.1" }),
      pool("203.0.113.0/24", { gateway: "203.0.113.1" }),
    ];
    await world.controller.createNetwork(macvlan("m1", {}, { ipam: { driver: "", pools } }));
    await using c1 = await run(world, "c1", { endpoint: { ipv4: address("203.0.113.9") } });
    await using c2 = await run(world, "c2", { endpoint: { ipv4: address("198.51.100.9") } });
    expect(await defaultRoutes(c1)).toMatchObject([{ gateway: address("203.0.113.1") }]);
    expect(await defaultRoutes(c2)).toMatchObject([{ gateway: address("198.51.100.1") }]);
  });

  test("takes its MTU from the parent, or a smaller one from the user", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await machine.netlink.send(setLink("eth0", { mtu: 1400 }));
    await using world = await createWorld(machine);
    await world.controller.createNetwork(macvlan("m1"));
    const small = { "com.docker.network.driver.mtu": "1300" };
    const ipam = { driver: "", pools: [pool("198.51.100.0/24")] };
    await world.controller.createNetwork(macvlan("m2", small, { ipam }));
    await using c1 = await run(world, "c1");
    await using c2 = await run(world, "c2", { network: "m2" });
    expect(await c1.host.netlink.link("eth0")).toMatchObject({ mtu: 1400 });
    expect(await c2.host.netlink.link("eth0")).toMatchObject({ mtu: 1300 });
    const large = { "com.docker.network.driver.mtu": "1500" };
    const other = { driver: "", pools: [pool("203.0.113.0/24")] };
    await expect(world.controller.createNetwork(macvlan("m3", large, { ipam: other }))).rejects.toThrow(
      "an MTU of 1500 is more than parent eth0 has (1400)",
    );
  });

  test("gives a container that starts again at once its address and MAC back", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(macvlan("m1"));
    const macs = new Set<string | undefined>();
    for (let round = 0; round < 5; round++) {
      await using c1 = await run(world, "c1", { endpoint: { ipv4: address("192.0.2.200") } });
      const web = await c1.host.listen("0.0.0.0", 80);
      await expect(peer).toReach("192.0.2.200:80");
      macs.add(c1.sandbox.endpoints()[0]?.mac);
      await web.close();
      await c1.sandbox.delete();
    }
    expect(macs.size).toBe(1);
  });
});

describe("a container on a macvlan network", () => {
  test("comes and goes while it runs, beside a bridge", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(networkSpec("x1"));
    await world.controller.createNetwork(macvlan("m1"));
    await using c1 = await run(world, "c1", { network: "x1" });
    await using _web = await c1.host.listen("0.0.0.0", 80);
    await using _peer = await peer.listen("0.0.0.0", 81);
    for (let round = 0; round < 3; round++) {
      const { ipv4 } = await c1.sandbox.connect(endpointSpec("m1", { mac: mac("02:00:00:00:00:77") }));
      await expect(peer).toReach(`${ipv4 && formatAddress(ipv4.address)}:80`);
      await expect(c1.host).toReach("192.0.2.2:81");
      expect(await c1.host.netlink.link("eth1")).toMatchObject({ kind: "macvlan", mac: "02:00:00:00:00:77" });
      await c1.sandbox.disconnect("m1");
      expect(await c1.host.netlink.link("eth1")).toBeUndefined();
    }
  });

  test("with IPv4 only neither says nor hears anything of IPv6 (CVE-2024-32473)", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(macvlan("m1"));
    const ipam = { driver: "", pools: [pool("2001:db8:2::/64", { range: "2001:db8:2::100/120" })] };
    await world.controller.createNetwork(macvlan("m6", {}, { enableIpv4: false, enableIpv6: true, ipam }));
    const [quiet, loud] = [mac("02:00:00:00:00:04"), mac("02:00:00:00:00:06")];
    const ears = [await listenForIpv6(peer, quiet), await listenForIpv6(peer, loud)];
    await using c4 = await run(world, "c4", { endpoint: { mac: quiet } });
    await using c6 = await run(world, "c6", { network: "m6", endpoint: { mac: loud } });
    await using _web = await c4.host.listen("0.0.0.0", 80);
    const addressesOf = async ({ host }: Container) =>
      (await host.netlink.addresses({ family: 6 })).map(({ prefix }) => formatAddress(prefix.address));
    // one that has IPv6, and no gateway that the user named, listens to the router: the advertisement is a good one
    await expect
      .poll(async () => {
        await advertiseRouter(peer);
        return (await addressesOf(c6)).some((text) => text.startsWith("2001:db8:bad:"));
      })
      .toBe(true);
    await expect(peer).toReach(`${c4.ipv4}:80`);
    const link = await c4.host.netlink.link("eth0");
    const own = await c4.host.netlink.addresses({ family: 6, ...(link && { link: link.index }) });
    expect(own).toEqual([]);
    expect(
      (await c4.host.netlink.routes({ family: 6 })).filter((route) => route.link === link?.index),
    ).toEqual([]);
    const [heard4, heard6] = [await ears[0]?.frames(), await ears[1]?.frames()];
    expect(heard4).toBe(0);
    expect(heard6).toBeGreaterThan(0);
  });

  test("whose IPv6 gateway is known takes neither address nor route from a router advertisement", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const network = (name: string, gateway?: string) =>
      macvlan(
        name,
        {},
        {
          enableIpv4: false,
          enableIpv6: true,
          ipam: {
            driver: "",
            pools: [pool(`2001:db8:${name === "m1" ? 2 : 3}::/64`, gateway ? { gateway } : {})],
          },
        },
      );
    await world.controller.createNetwork(network("m1", "2001:db8:2::2"));
    await world.controller.createNetwork(network("m2"));
    await using firm = await run(world, "firm", { endpoint: { ipv6: address("2001:db8:2::99") } });
    await using open = await run(world, "open", { network: "m2" });
    const hasHeard = async ({ host }: Container) =>
      (await host.netlink.addresses({ family: 6 })).some(({ prefix }) =>
        formatAddress(prefix.address).startsWith("2001:db8:bad:"),
      );
    await expect
      .poll(async () => {
        await advertiseRouter(peer);
        return await hasHeard(open);
      })
      .toBe(true);
    expect(await hasHeard(firm)).toBe(false);
    expect(await defaultRoutes(firm)).toMatchObject([{ gateway: address("2001:db8:2::2") }]);
  });
});

describe("macvlan_mode", () => {
  test("private keeps containers of a parent apart, and lets them talk to others", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(macvlan("m1", { macvlan_mode: "private" }));
    await using c1 = await run(world, "c1");
    await using c2 = await run(world, "c2");
    await using _web = await c2.host.listen("0.0.0.0", 80);
    await expect(peer).toReach(`${c2.ipv4}:80`);
    await expect(c1.host).not.toReach(`${c2.ipv4}:80`);
  });

  test("vepa leaves it to the switch whether containers reach each other", async () => {
    await using lab = await Lab.create();
    const { lan, machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(macvlan("m1", { macvlan_mode: "vepa" }));
    await using c1 = await run(world, "c1");
    await using c2 = await run(world, "c2");
    await using _web = await c2.host.listen("0.0.0.0", 80);
    await expect(peer).toReach(`${c2.ipv4}:80`);
    await expect(c1.host).not.toReach(`${c2.ipv4}:80`);
    await using switch_ = await openNetlink(lan.netns);
    await switch_.send(setLink("port1", { hairpin: true }));
    await expect(c1.host).toReach(`${c2.ipv4}:80`);
  });

  test("passthru gives one container the parent whole, with its MAC", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const before = await machine.netlink.link("eth0");
    await world.controller.createNetwork(macvlan("m1", { macvlan_mode: "passthru" }));
    {
      await using c1 = await run(world, "c1");
      await using _web = await c1.host.listen("0.0.0.0", 80);
      await expect(peer).toReach(`${c1.ipv4}:80`);
      expect(c1.sandbox.endpoints()).toMatchObject([{ mac: before?.mac }]);
      await expect(run(world, "c2")).rejects.toThrow("in mode passthru a parent has one endpoint");
      await c1.sandbox.delete();
    }
    const chosen = mac("02:00:00:00:00:42");
    {
      await using c3 = await run(world, "c3", { endpoint: { mac: chosen } });
      await using _web = await c3.host.listen("0.0.0.0", 80);
      await expect(peer).toReach(`${c3.ipv4}:80`);
      expect(await c3.host.netlink.link("eth0")).toMatchObject({ mac: chosen });
      await c3.sandbox.delete();
    }
    await world.controller.settle();
    await expect.poll(async () => (await machine.netlink.link("eth0"))?.mac).toBe(before?.mac);
  });

  test("passthru gives the parent to the next container while the link of the last one is still being deleted", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(networkSpec("x1"));
    await world.controller.createNetwork(macvlan("m1", { macvlan_mode: "passthru" }));
    await using c1 = await run(world, "c1", { network: "x1" });
    await using c2 = await run(world, "c2", { network: "x1" });
    for (const { sandbox, host } of [c1, c2, c1]) {
      await sandbox.connect(endpointSpec("m1"));
      expect(await host.netlink.link("eth1")).toMatchObject({ kind: "macvlan" });
      await sandbox.disconnect("m1");
      expect(await host.netlink.link("eth1")).toBeUndefined();
    }
    await world.controller.settle();
    for (const { host } of [c1, c2])
      expect((await host.netlink.links()).map(({ kind }) => kind)).not.toContain("macvlan");
  });

  test("passthru shares its parent with no other network; the others do", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    const ipam = { driver: "", pools: [pool("198.51.100.0/24")] };
    await controller.createNetwork(macvlan("m1"));
    await expect(
      controller.createNetwork(macvlan("m2", { macvlan_mode: "passthru" }, { ipam })),
    ).rejects.toThrow(/cannot use mode passthru, macvlan network .* is already using parent interface eth0/);
    await controller.createNetwork(macvlan("m2", { macvlan_mode: "private" }, { ipam }));
    await controller.deleteNetwork("m1");
    await controller.deleteNetwork("m2");
    await controller.createNetwork(macvlan("m3", { macvlan_mode: "passthru" }));
    await expect(controller.createNetwork(macvlan("m4", {}, { ipam }))).rejects.toThrow(
      /macvlan network .* is already using parent interface eth0 in mode passthru/,
    );
  });
});
