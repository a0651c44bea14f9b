// Subnets, routes and MTU of networks on a kernel that others change, too: bridges that were there before, bridges that
// go, uplinks that grow and shrink, routes that come.

import { describe, expect, test } from "vitest";
import { addAddress, addRoute, createBridge, deleteLink, setLink } from "../../../src/kernel/index.ts";
import { formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import "../matchers.ts";
import { address, defaultBridge, endpointSpec, networkSpec, pool, prefix } from "../cnm/specs.ts";
import type { LabHost } from "../lab.ts";
import { addressesOf, box, createSite, mtuOf, options } from "./site.ts";

async function premade(host: LabHost, name: string, ...addresses: readonly string[]): Promise<void> {
  await host.netlink.send(createBridge({ name, mtu: 1450, up: true }));
  const link = await host.netlink.link(name);
  const requests = addresses.map((text) => addAddress({ link: link?.index ?? 0, prefix: prefix(text) }));
  await host.netlink.send(...requests);
}

const onBridge = (name: string, ...pools: readonly ReturnType<typeof pool>[]) => ({
  options: options({ "bridge.name": name }),
  ipam: { driver: "", pools },
});

describe("a bridge that was there before", () => {
  test("is used with the addresses, settings and MTU that it has, and stays so", async () => {
    await using site = await createSite();
    const { machine } = site;
    await premade(machine, "pre0", "10.7.0.9/24", "198.51.100.1/24");
    await machine.run("sh", "-c", "echo 2 > /proc/sys/net/ipv6/conf/pre0/accept_ra");
    await machine.remember();
    {
      await using world = await site.world();
      const x1 = await world.controller.createNetwork(
        networkSpec("x1", onBridge("pre0", pool("10.7.0.0/24"))),
      );
      // the address that it has in the subnet is the gateway
      expect(x1.record.pools[0]?.gateway).toEqual(address("10.7.0.9"));
      await using c1 = await box(world.controller, "c1", "x1");
      await using _host = await machine.listen("10.7.0.9", 80);
      await expect(c1.here).toReach("10.7.0.9:80");
      expect(await mtuOf(c1.here, "eth0")).toBe(1450);
      expect(await machine.run("cat", "/proc/sys/net/ipv6/conf/pre0/accept_ra")).toBe("2\n");
      await c1.sandbox.delete();
      await world.controller.deleteNetwork("x1");
      expect(await addressesOf(machine, "pre0")).toEqual(["10.7.0.9/24", "198.51.100.1/24"]);
    }
    await machine.expectUnchanged();
    await machine.netlink.send(deleteLink("pre0"));
    await machine.remember();
  });

  test("gets a gateway that it lacks, loses it again, and no container gets what it has, also after a crash", async () => {
    await using site = await createSite();
    const { machine } = site;
    await premade(machine, "pre0", "10.7.0.2/24");
    await machine.remember();
    const crashed = await site.world();
    const asked = pool("10.7.0.0/24", { gateway: "10.7.0.1" });
    await crashed.controller.createNetwork(networkSpec("x1", onBridge("pre0", asked)));
    await crashed.crash();
    {
      await using world = await site.world({ folder: crashed.folder });
      expect(await addressesOf(machine, "pre0")).toEqual(["10.7.0.2/24", "10.7.0.1/24"]);
      await using c1 = await box(world.controller, "c1", "x1");
      expect(c1.sandbox.endpoints()[0]?.ipv4?.address).toEqual(address("10.7.0.3"));
      const taken = c1.sandbox.connect(endpointSpec("x1", { ipv4: address("10.7.0.2") }));
      await expect(taken).rejects.toThrow();
      await c1.sandbox.delete();
      await world.controller.deleteNetwork("x1");
    }
    await machine.expectUnchanged();
    await machine.netlink.send(deleteLink("pre0"));
    await machine.remember();
  });

  test("and is gone after a restart is not made up for: the network says what it lacks, and can be removed", async () => {
    await using site = await createSite();
    const { machine } = site;
    await premade(machine, "pre0");
    const crashed = await site.world();
    await crashed.controller.createNetwork(networkSpec("x1", onBridge("pre0", pool("10.7.0.0/24"))));
    await crashed.crash();
    await machine.netlink.send(deleteLink("pre0"));
    await using world = await site.world({ folder: crashed.folder });
    await expect(box(world.controller, "c1", "x1")).rejects.toThrow(
      "create bridge pre0: the device pre0, which was there before the network, is gone: make it again",
    );
    expect(await machine.netlink.link("pre0")).toBeUndefined();
    await world.controller.deleteNetwork("x1");
  });

  test("carries the default network where the operator says so, with its addresses", async () => {
    await using site = await createSite();
    const { machine } = site;
    const own = defaultBridge;
    await expect(site.world({ defaultBridge: { ...own, link: "pre0", mustExist: true } })).rejects.toThrow(
      "bridge device with non default name pre0 must be created manually",
    );
    await site.machine.run("nft", "flush", "ruleset");
    await premade(machine, "pre0", "10.7.0.9/24", "2001:db8:7::9/64");
    await machine.remember();
    {
      await using world = await site.world({
        defaultBridge: { ...own, link: "pre0", mustExist: true, ipv6: true },
      });
      const { pools } = world.controller.network("bridge").record;
      expect(
        pools.map(({ subnet, gateway }) => [formatPrefix(subnet), gateway && formatAddress(gateway)]),
      ).toEqual([
        ["10.7.0.0/24", "10.7.0.9"],
        ["2001:db8:7::/64", "2001:db8:7::9"],
      ]);
      await using c1 = await box(world.controller, "c1", "bridge");
      await using _host = await machine.listen("::", 80);
      await expect(c1.here).toReach("[2001:db8:7::9]:80");
    }
    await machine.expectUnchanged();
    await machine.netlink.send(deleteLink("pre0"));
    await machine.remember();
  });
});

describe("a bridge that somebody deletes", () => {
  test("is made again by the next container, and carries those that were on it", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    await controller.createNetwork(networkSpec("x1", { options: options({ "bridge.name": "br-x1" }) }));
    await using c1 = await box(controller, "c1", "x1");
    await using _web = await c1.here.listen("0.0.0.0", 80);
    await site.machine.netlink.send(deleteLink("br-x1"));
    await using c2 = await box(controller, "c2", "x1");
    await expect(c2.here).toReach("172.18.0.2:80");
    await using _peer = await site.peer.listen("0.0.0.0", 81);
    await expect(c1.here).toReach("192.0.2.2:81");
  });

  test("keeps nobody from ending, nor the network from being removed", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    await controller.createNetwork(networkSpec("x1", { options: options({ "bridge.name": "br-x1" }) }));
    const c1 = await box(controller, "c1", "x1");
    await site.machine.netlink.send(deleteLink("br-x1"));
    await c1[Symbol.asyncDispose]();
    await controller.deleteNetwork("x1");
    await controller.settle();
    await controller.createNetwork(networkSpec("x1", { options: options({ "bridge.name": "br-x1" }) }));
    await using c2 = await box(controller, "c2", "x1");
    expect(c2.sandbox.endpoints()).toHaveLength(1);
  });

  test("by a name that is no bridge's is refused, and the device left alone", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const made = world.controller.createNetwork(networkSpec("x1", onBridge("eth0", pool("10.7.0.0/24"))));
    await expect(made).rejects.toThrow(
      "create bridge eth0: the device eth0 is there already and is not a bridge",
    );
    expect(await addressesOf(site.machine, "eth0")).toEqual(["192.0.2.1/24", "2001:db8:2::1/64"]);
  });
});

describe("several subnets of a network", () => {
  test("are filled one after the other, are neighbours, and each has its way out, in both families", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    const pools = ["10.1.0.0/30", "10.2.0.0/24", "2001:db8:1::/127", "2001:db8:3::/64"].map((text) =>
      pool(text),
    );
    await controller.createNetwork(networkSpec("x1", { enableIpv6: true, ipam: { driver: "", pools } }));
    await using c1 = await box(controller, "c1", "x1");
    await using c2 = await box(controller, "c2", "x1");
    const shown = [c1, c2].map(({ sandbox }) => {
      const [endpoint] = sandbox.endpoints();
      return [endpoint?.ipv4, endpoint?.ipv6].map((it) => it && formatPrefix(it));
    });
    expect(shown).toEqual([
      ["10.1.0.2/30", "2001:db8:1::1/127"],
      ["10.2.0.2/24", "2001:db8:3::2/64"],
    ]);
    await using _web4 = await c2.here.listen("0.0.0.0", 80);
    await using _web6 = await c2.here.listen("::", 80);
    await expect(c1.here).toReach("10.2.0.2:80", { answer: "10.1.0.2" });
    await expect(c1.here).toReach("[2001:db8:3::2]:80", { answer: "2001:db8:1::1" });
    await using _peer4 = await site.peer.listen("0.0.0.0", 81);
    await using _peer6 = await site.peer.listen("::", 81);
    for (const { here } of [c1, c2]) {
      await expect(here).toReach("192.0.2.2:81", { answer: "192.0.2.1" });
      await expect(here).toReach("[2001:db8:2::2]:81", { answer: "2001:db8:2::1" });
    }
    await using c3 = await box(controller, "c3", "x1", { ipv4: address("10.2.0.99") });
    expect(c3.sandbox.endpoints()[0]?.ipv4).toEqual(prefix("10.2.0.99/24"));
  });
});

describe("routes of a network", () => {
  const routes = [
    "203.0.113.0/24 via 10.1.0.2",
    "2001:db8:99::/48 via 2001:db8:1::2 metric 7",
    "198.51.100.0/24",
    "blackhole 10.250.0.0/16",
    "unreachable 10.251.0.0/16",
    "prohibit 2001:db8:98::/48",
  ].join(", ");
  const spec = networkSpec("x1", {
    enableIpv6: true,
    options: { "tsdocker.routes": routes },
    ipam: { driver: "", pools: [pool("10.1.0.0/24"), pool("2001:db8:1::/64")] },
  });
  const ipRoutes = async (host: LabHost) =>
    (await host.netlink.routes())
      .filter(({ protocol }) => protocol === 4)
      .map(({ type, destination, gateway, metric }) =>
        [type, destination && formatPrefix(destination), gateway && formatAddress(gateway), metric].join(" "),
      )
      .filter((text) => !text.includes(" fe80") && !text.startsWith("unicast  "))
      .sort();

  test("are in every sandbox on it, lead where they say, and go with the endpoint", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    await controller.createNetwork(spec);
    await controller.createNetwork(networkSpec("x2"));
    await using router = await box(controller, "router", "x1");
    await using c2 = await box(controller, "c2", "x2");
    await c2.sandbox.connect(endpointSpec("x1"));
    const wanted = [
      "blackhole 10.250.0.0/16  103",
      "prohibit 2001:db8:98::/48  103",
      "unicast 198.51.100.0/24  103",
      "unicast 2001:db8:99::/48 2001:db8:1::2 7",
      "unicast 203.0.113.0/24 10.1.0.2 103",
      "unreachable 10.251.0.0/16  103",
    ];
    expect(await ipRoutes(c2.here)).toEqual(wanted);
    await router.here.netlink.send(addAddress({ link: 1, prefix: prefix("203.0.113.1/32") }));
    await using _web = await router.here.listen("203.0.113.1", 80);
    await expect(c2.here).toReach("203.0.113.1:80", { answer: "router" });
    await expect(c2.here.ask("10.251.0.1:80")).rejects.toMatchObject({ code: "EHOSTUNREACH" });
    await c2.sandbox.disconnect("x1");
    expect(await ipRoutes(c2.here)).toEqual([]);
    await c2.sandbox.connect(endpointSpec("x1"));
    expect(await ipRoutes(c2.here)).toHaveLength(6);
  });

  test("that two networks of a container share are no trouble: the first wins, and the second stays behind", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    const shared = { "tsdocker.routes": "blackhole 10.250.0.0/16, 203.0.113.0/24" };
    for (const name of ["x1", "x2"]) await controller.createNetwork(networkSpec(name, { options: shared }));
    await using c1 = await box(controller, "c1", "x1");
    await c1.sandbox.connect(endpointSpec("x2"));
    expect(await ipRoutes(c1.here)).toHaveLength(4);
    await c1.sandbox.disconnect("x1");
    expect(await ipRoutes(c1.here)).toEqual(["blackhole 10.250.0.0/16  103", "unicast 203.0.113.0/24  103"]);
  });
});

describe("the MTU of networks that name none", () => {
  test("is the uplink's, on the bridge and on both ends of each port, and follows it while they run", async () => {
    await using site = await createSite();
    const { machine } = site;
    await machine.netlink.send(setLink("eth0", { mtu: 1400 }));
    await using world = await site.world({ watchesHost: true, settings: {} });
    const { controller } = world;
    const named = (name: string, more = {}) =>
      networkSpec(name, { options: options({ "bridge.name": `br-${name}`, ...more }) });
    await controller.createNetwork(named("x1"));
    await controller.createNetwork(named("fixed", { "driver.mtu": "1300" }));
    const driverOptions = { "tsdocker.host_interface_name": "to-c1" };
    await using c1 = await box(controller, "c1", "x1", { driverOptions });
    await c1.sandbox.connect(endpointSpec("fixed"));
    const all = async () => [
      await mtuOf(machine, "docker0"),
      await mtuOf(machine, "br-x1"),
      await mtuOf(machine, "to-c1"),
      await mtuOf(c1.here, "eth0"),
    ];
    expect(await all()).toEqual([1400, 1400, 1400, 1400]);
    for (const mtu of [9000, 1200, 1500]) {
      await machine.netlink.send(setLink("eth0", { mtu }));
      await expect.poll(all, { timeout: 5000 }).toEqual([mtu, mtu, mtu, mtu]);
      expect([await mtuOf(machine, "br-fixed"), await mtuOf(c1.here, "eth1")]).toEqual([1300, 1300]);
    }
    // what was too narrow for IPv6 in between has none afterwards either
    await expect
      .poll(() => c1.here.run("cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6"), { timeout: 5000 })
      .toBe("1\n");
    expect(await machine.run("cat", "/proc/sys/net/ipv6/conf/br-x1/disable_ipv6")).toBe("1\n");
    // the uplink's own IPv6 went with the bytes that it needs
    await machine.run("ip", "address", "add", "2001:db8:2::1/64", "dev", "eth0", "nodad");
    await machine.run("ip", "-6", "route", "replace", "default", "via", "2001:db8:2::2");
  });

  test("follows the default route to another link, and stays when there is none", async () => {
    await using site = await createSite();
    const { machine, lab } = site;
    const other = lab.segment("198.51.100.0/24");
    await other.host("elsewhere");
    await other.attach(machine);
    await machine.netlink.send(setLink("eth1", { mtu: 1350 }));
    await machine.remember();
    await using world = await site.world({ watchesHost: true, settings: {} });
    await world.controller.createNetwork(networkSpec("x1"));
    await using c1 = await box(world.controller, "c1", "x1");
    expect(await mtuOf(c1.here, "eth0")).toBe(1500);
    const via = (gateway: string) => addRoute({ family: 4, gateway: address(gateway) }, { replace: true });
    await machine.netlink.send(via("198.51.100.1"));
    await expect.poll(() => mtuOf(c1.here, "eth0"), { timeout: 5000 }).toBe(1350);
    await machine.run("ip", "route", "del", "default");
    await machine.run("ip", "-6", "route", "del", "default");
    await machine.netlink.send(setLink("eth1", { mtu: 1500 }));
    expect(await mtuOf(c1.here, "eth0")).toBe(1350);
    await machine.netlink.send(via("192.0.2.2"), addRoute({ family: 6, gateway: address("2001:db8:2::2") }));
    await expect.poll(() => mtuOf(c1.here, "eth0"), { timeout: 5000 }).toBe(1500);
    await machine.netlink.send(setLink("eth1", { mtu: 1350 }));
  });

  test("is at least what IPv6 needs where a network has it", async () => {
    await using site = await createSite();
    const { machine } = site;
    await using world = await site.world({ settings: { uplinkMtu: 576 } });
    await world.controller.createNetwork(networkSpec("x4"));
    await world.controller.createNetwork(networkSpec("x6", { enableIpv6: true }));
    await using c1 = await box(world.controller, "c1", "x4");
    await c1.sandbox.connect(endpointSpec("x6"));
    expect([await mtuOf(c1.here, "eth0"), await mtuOf(c1.here, "eth1")]).toEqual([576, 1280]);
    expect((await machine.netlink.links()).filter(({ mtu }) => mtu === 576).length).toBeGreaterThan(1);
  });
});

describe("subnets that the daemon chooses", () => {
  test("keep clear of the host's routes in every table, as these come and go", async () => {
    await using site = await createSite();
    const { machine } = site;
    await using world = await site.world({ watchesHost: true, settings: {} });
    const { controller } = world;
    const chosen = async (name: string) => {
      const network = await controller.createNetwork(networkSpec(name));
      const subnet = network.record.pools[0]?.subnet;
      await controller.deleteNetwork(name);
      return subnet && formatPrefix(subnet);
    };
    expect(await chosen("x1")).toBe("172.18.0.0/16");
    const route = (text: string, part = {}) => ({ family: 4 as const, destination: prefix(text), ...part });
    const vpn = [
      route("172.18.4.0/24", { gateway: address("192.0.2.2"), table: 51820 }),
      route("172.19.0.0/16", { gateway: address("192.0.2.2") }),
      route("172.20.0.0/16", { type: "blackhole" as const }),
      // "everything", as VPNs say it
      route("0.0.0.0/1", { gateway: address("192.0.2.2") }),
      route("128.0.0.0/1", { gateway: address("192.0.2.2") }),
    ];
    await machine.netlink.send(...vpn.map((it) => addRoute(it)));
    expect(await chosen("x2")).toBe("172.21.0.0/16");
    await machine.run("ip", "route", "flush", "table", "51820");
    await machine.run("ip", "route", "del", "172.19.0.0/16");
    expect(await chosen("x3")).toBe("172.18.0.0/16");
    // when everything private is routed, what is only routed is better than nothing
    for (const text of ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])
      await machine.netlink.send(addRoute(route(text, { gateway: address("192.0.2.2") })));
    expect(await chosen("x4")).toBe("172.18.0.0/16");
    for (const text of ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "0.0.0.0/1", "128.0.0.0/1"])
      await machine.run("ip", "route", "del", text);
    await machine.run("ip", "route", "del", "blackhole", "172.20.0.0/16");
  });

  test("of a host that routes a subnet which the user names come with a warning", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const network = await world.controller.createNetwork(
      networkSpec("x1", { ipam: { driver: "", pools: [pool("192.0.2.128/25")] } }),
    );
    expect(network.warnings).toEqual([
      "subnet 192.0.2.128/25 overlaps 192.0.2.0/24, which this host reaches by another interface",
    ]);
  });

  test("of IPv6 are a /64 of a /48 that the host keeps, whatever is installed anew", async () => {
    await using site = await createSite();
    const subnetOf = async () => {
      await using world = await site.world();
      const network = await world.controller.createNetwork(networkSpec("x6", { enableIpv6: true }));
      return network.record.pools.map(({ subnet }) => formatPrefix(subnet))[1];
    };
    const first = await subnetOf();
    expect(first).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
    expect(await subnetOf()).toBe(first);
  });
});

describe("the default bridge", () => {
  test("has the subnet, range and gateways of its flags, in both families", async () => {
    await using site = await createSite();
    await using world = await site.world({
      defaultBridge: {
        ...defaultBridge,
        bip: prefix("10.44.0.1/24"),
        fixedCidr: prefix("10.44.0.128/25"),
        defaultGateway: address("10.44.0.254"),
        ipv6: true,
        bip6: prefix("2001:db8:44::1/64"),
        fixedCidrIpv6: prefix("2001:db8:44::8000/113"),
        defaultGatewayIpv6: address("2001:db8:44::fe"),
        mtu: 1410,
        icc: false,
        hostBinding: address("127.0.0.1"),
      },
    });
    expect(await addressesOf(site.machine, "docker0")).toEqual(["10.44.0.1/24", "2001:db8:44::1/64"]);
    expect(await mtuOf(site.machine, "docker0")).toBe(1410);
    await using c1 = await box(world.controller, "c1", "bridge");
    const [endpoint] = c1.sandbox.endpoints();
    expect(endpoint?.ipv4).toEqual(prefix("10.44.0.128/24"));
    expect(endpoint?.ipv6).toEqual(prefix("2001:db8:44::8000/64"));
    expect(endpoint?.gatewayIpv4).toEqual(address("10.44.0.254"));
    expect(endpoint?.gatewayIpv6).toEqual(address("2001:db8:44::fe"));
    await using c2 = await box(world.controller, "c2", "bridge");
    await using _web = await c2.here.listen("0.0.0.0", 80);
    await expect(c1.here).not.toReach("10.44.0.129:80");
  });

  test("with a range alone has the range as its subnet, and without IPv6 flags a subnet of the host's own", async () => {
    await using site = await createSite();
    await using world = await site.world({
      defaultBridge: { ...defaultBridge, ipv6: true, fixedCidr: prefix("10.45.0.0/25") },
    });
    const [ipv4, ipv6] = world.controller.network("bridge").record.pools;
    expect(ipv4 && formatPrefix(ipv4.subnet)).toBe("10.45.0.0/25");
    expect(ipv6 && formatPrefix(ipv6.subnet)).toMatch(/^fd.*\/64$/);
  });

  test("whose gateway is not in its subnet keeps the daemon from starting, by the flag's name", async () => {
    await using site = await createSite();
    const wrong = { ...defaultBridge, bip: prefix("10.44.0.1/24"), defaultGateway: address("10.45.0.1") };
    await expect(site.world({ defaultBridge: wrong })).rejects.toThrow(
      "default-gateway is not in the bridge's IPv4 subnet",
    );
    await site.machine.run("nft", "flush", "ruleset");
  });
});
