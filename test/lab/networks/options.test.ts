// Options of bridge networks on a kernel, for each family: what they promise is what packets and links do.

import { describe, expect, test } from "vitest";
import { formatAddress } from "../../../src/netip/index.ts";
import "../matchers.ts";
import { address, networkSpec, pool } from "../cnm/specs.ts";
import { addressesOf, box, createSite, families, familyNetwork, mtuOf, options } from "./site.ts";

const tcp = (containerPort: number, hostPort: number) => ({
  protocol: "tcp" as const,
  containerPort,
  hostPorts: { first: hostPort, last: hostPort },
});

describe.each(families)("a network that is $title", (family) => {
  const { addresses, lan, any } = family;

  test("connects its containers, and leads them out under the host's address", async () => {
    await using site = await createSite();
    await using world = await site.world();
    await world.controller.createNetwork(familyNetwork("x1", family));
    await using c1 = await box(world.controller, "c1", "x1");
    await using c2 = await box(world.controller, "c2", "x1");
    await using _web = await c2.here.listen(any, 80);
    await using _peer = await site.peer.listen(any, 81);
    await expect(c1.here).toReach(`${addresses.second}:80`);
    await expect(c1.here).toReach(`${lan.peer}:81`, { answer: lan.machine.replace(/[[\]]/g, "") });
  });

  test("without masquerade leads them out under their own address", async () => {
    await using site = await createSite();
    await using world = await site.world();
    await world.controller.createNetwork(
      familyNetwork("x1", family, { options: options({ "bridge.enable_ip_masquerade": "false" }) }),
    );
    // the peer needs a way back
    await site.peer.routeVia(site.machine.addresses);
    await using c1 = await box(world.controller, "c1", "x1");
    const mode = family.title;
    await using _peer = await site.peer.listen(any, 81);
    const own = addresses.first.replace(/[[\]]/g, "");
    await expect(c1.here, mode).toReach(`${lan.peer}:81`, { answer: own });
  });

  test("with a source address of its own leads them out under that", async () => {
    await using site = await createSite();
    const { machine, peer } = site;
    await using world = await site.world();
    const own = { 4: "192.0.2.77", 6: "2001:db8:2::77" };
    await world.controller.createNetwork(
      familyNetwork("x1", family, { options: options({ host_ipv4: own[4], host_ipv6: own[6] }) }),
    );
    await peer.routeTo(
      { address: address(own[4]), length: 32 },
      machine.addresses[0] ?? address("192.0.2.1"),
    );
    await peer.routeTo(
      { address: address(own[6]), length: 128 },
      machine.addresses[1] ?? address("2001:db8:2::1"),
    );
    await using c1 = await box(world.controller, "c1", "x1");
    await using _peer = await peer.listen(any, 81);
    // answers come back to an address that the machine translates and does not have
    await expect(c1.here).toReach(`${lan.peer}:81`, { answer: any === "::" ? own[6] : own[4] });
  });

  test("with ICC off keeps its containers from each other, not from the outside", async () => {
    await using site = await createSite();
    await using world = await site.world();
    await world.controller.createNetwork(
      familyNetwork("x1", family, { options: options({ "bridge.enable_icc": "false" }) }),
    );
    await using c1 = await box(world.controller, "c1", "x1");
    await using c2 = await box(world.controller, "c2", "x1");
    await using _web = await c2.here.listen(any, 80);
    await using _peer = await site.peer.listen(any, 81);
    await expect(c1.here).not.toReach(`${addresses.second}:80`);
    await expect(c1.here).toReach(`${lan.peer}:81`);
  });

  test("that is internal reaches its own, and the host's address on the bridge, and nothing else", async () => {
    await using site = await createSite();
    await using world = await site.world();
    await world.controller.createNetwork(familyNetwork("x1", family, { internal: true }));
    await using c1 = await box(world.controller, "c1", "x1");
    await using c2 = await box(world.controller, "c2", "x1");
    await using _web = await c2.here.listen(any, 80);
    await using _host = await site.machine.listen(any, 82);
    await using _peer = await site.peer.listen(any, 81);
    await expect(c1.here).toReach(`${addresses.second}:80`);
    await expect(c1.here).toReach(`${addresses.gateway}:82`);
    await expect(c1.here).not.toReach(`${lan.peer}:81`);
  });

  test("whose gateways are isolated has no host on it at all", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const generic = options({
      "bridge.name": "br-iso",
      "bridge.gateway_mode_ipv4": "isolated",
      "bridge.gateway_mode_ipv6": "isolated",
    });
    await world.controller.createNetwork(familyNetwork("x1", family, { internal: true, options: generic }));
    expect(await addressesOf(site.machine, "br-iso")).toEqual([]);
    await using c1 = await box(world.controller, "c1", "x1");
    await using c2 = await box(world.controller, "c2", "x1");
    await using _web = await c1.here.listen(any, 80);
    const [first] = c1.sandbox.endpoints();
    const target = any === "::" ? first?.ipv6?.address : first?.ipv4?.address;
    expect(first?.gatewayIpv4 ?? first?.gatewayIpv6).toBeUndefined();
    const text = target ? formatAddress(target) : "";
    await expect(c2.here).toReach(`${any === "::" ? `[${text}]` : text}:80`);
  });

  test("publishes on the address that it names for ports which name none", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const host = any === "::" ? "2001:db8:2::1" : "192.0.2.1";
    await world.controller.createNetwork(
      familyNetwork("x1", family, { options: options({ "bridge.host_binding_ipv4": host }) }),
    );
    await using c1 = await box(world.controller, "c1", "x1", { ports: [tcp(80, 8080)] });
    await using _web = await c1.here.listen(any, 80);
    expect(c1.sandbox.endpoints()[0]?.published.map(({ hostAddress }) => formatAddress(hostAddress))).toEqual(
      [host],
    );
    await expect(site.peer).toReach(`${lan.machine}:8080`);
    await expect(site.machine).not.toReach(any === "::" ? "[::1]:8080" : "127.0.0.1:8080");
  });
});

describe("names of interfaces", () => {
  test("are the network's prefix and a number, or the endpoint's own, on either end", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    await controller.createNetwork(
      networkSpec("x1", { options: options({ container_iface_prefix: "net", "bridge.name": "br-x1" }) }),
    );
    await using c1 = await box(controller, "c1", "x1");
    await using c2 = await box(controller, "c2", "x1", {
      driverOptions: {
        ...options({ "endpoint.ifname": "lan" }),
        "tsdocker.host_interface_name": "to-c2",
      },
    });
    expect([...(await c1.sandbox.statistics()).keys()]).toEqual(["net0"]);
    expect([...(await c2.sandbox.statistics()).keys()]).toEqual(["lan"]);
    const bridge = await site.machine.netlink.link("br-x1");
    expect(await site.machine.netlink.link("to-c2")).toMatchObject({ kind: "veth", master: bridge?.index });
    await c2.sandbox.delete();
    await controller.settle();
    expect(await site.machine.netlink.link("to-c2")).toBeUndefined();
  });

  test("that others have are refused by the option's name, and the others' are left alone", async () => {
    await using site = await createSite();
    await using world = await site.world();
    await world.controller.createNetwork(networkSpec("x1"));
    const taken = box(world.controller, "c1", "x1", {
      driverOptions: { "tsdocker.host_interface_name": "eth0" },
    });
    await expect(taken).rejects.toThrow(
      "tsdocker.host_interface_name: the host has an interface eth0 already",
    );
    expect(await site.machine.netlink.link("eth0")).toBeDefined();
  });

  test("stand in sysctls of the endpoint as IFNAME", async () => {
    await using site = await createSite();
    await using world = await site.world();
    await world.controller.createNetwork(networkSpec("x1"));
    await using c1 = await box(world.controller, "c1", "x1", {
      driverOptions: options({
        "endpoint.ifname": "lan.7",
        "endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.app_solicit=3",
      }),
    });
    const read = (path: string) => c1.here.run("cat", `/proc/sys/net/ipv4/${path}`);
    expect(await read("conf/lan.7/log_martians")).toBe("1\n");
    expect(await read("neigh/lan.7/app_solicit")).toBe("3\n");
  });
});

describe("the bridge", () => {
  test("has no IPv4 address where that is inhibited, and containers reach each other all the same", async () => {
    await using site = await createSite();
    await using world = await site.world();
    await world.controller.createNetwork(
      networkSpec("x1", { options: options({ "bridge.inhibit_ipv4": "true", "bridge.name": "br-x1" }) }),
    );
    expect(await addressesOf(site.machine, "br-x1")).toEqual([]);
    await using c1 = await box(world.controller, "c1", "x1");
    await using c2 = await box(world.controller, "c2", "x1");
    await using _web = await c2.here.listen("0.0.0.0", 80);
    await expect(c1.here).toReach("172.18.0.3:80");
  });

  test("is not the gateway where auxiliary addresses name another", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const pools = [
      pool("10.1.0.0/24", { aux: { DefaultGatewayIPv4: "10.1.0.254" } }),
      pool("2001:db8:1::/64", { aux: { DefaultGatewayIPv6: "2001:db8:1::fe" } }),
    ];
    await world.controller.createNetwork(
      networkSpec("x1", { enableIpv6: true, ipam: { driver: "", pools } }),
    );
    await using c1 = await box(world.controller, "c1", "x1");
    const defaults = (await c1.here.netlink.routes()).filter(({ destination }) => !destination);
    expect(defaults.map(({ gateway }) => gateway && formatAddress(gateway)).sort()).toEqual([
      "10.1.0.254",
      "2001:db8:1::fe",
    ]);
  });

  test("and both ends of its ports have the MTU of the option", async () => {
    await using site = await createSite();
    await using world = await site.world();
    await world.controller.createNetwork(
      networkSpec("x1", { options: options({ "driver.mtu": "1000", "bridge.name": "br-x1" }) }),
    );
    await using c1 = await box(world.controller, "c1", "x1", {
      driverOptions: { "tsdocker.host_interface_name": "to-c1" },
    });
    expect(await mtuOf(site.machine, "br-x1")).toBe(1000);
    expect(await mtuOf(site.machine, "to-c1")).toBe(1000);
    expect(await mtuOf(c1.here, "eth0")).toBe(1000);
  });
});

describe.each(families)("the bridge's end of a port ($title)", (family) => {
  test.each([
    ["with a name of ours", {}],
    ["with a name of the user's", { "tsdocker.host_interface_name": "to-c1" }],
  ])("%s has no address, not even a link-local one", async (_, driverOptions) => {
    await using site = await createSite();
    await using world = await site.world();
    const { machine } = site;
    await world.controller.createNetwork(
      familyNetwork("x1", family, { options: options({ "bridge.name": "br1" }) }),
    );
    await using c1 = await box(world.controller, "c1", "x1", { driverOptions });
    await using c2 = await box(world.controller, "c2", "x1");
    await using _web = await c2.here.listen(family.any, 80);
    // by then both ends have had a carrier
    await expect(c1.here).toReach(`${family.addresses.second}:80`);
    const bridge = await machine.netlink.link("br1");
    const ports = await machine.netlink.links({ master: bridge?.index ?? 0 });
    expect(ports).toHaveLength(2);
    for (const { index, name, carrier } of ports) {
      expect([carrier, await machine.netlink.addresses({ link: index })]).toEqual([true, []]);
      expect(await machine.run("ip", "-d", "link", "show", name)).toContain("addrgenmode none");
    }
  });
});

describe("default options for networks of a driver", () => {
  test("hold where a network says nothing, and for no other driver, nor for the default bridge", async () => {
    await using site = await createSite();
    await using world = await site.world({
      defaultNetworkOptions: {
        bridge: options({ "driver.mtu": "1400", "bridge.enable_icc": "false" }),
        other: options({ "driver.mtu": "1300" }),
      },
    });
    const { controller } = world;
    const x1 = await controller.createNetwork(networkSpec("x1"));
    const x2 = await controller.createNetwork(
      networkSpec("x2", { options: options({ "driver.mtu": "1450" }) }),
    );
    expect(x1.record.options).toEqual(options({ "driver.mtu": "1400", "bridge.enable_icc": "false" }));
    expect(await mtuOf(site.machine, `br-${x1.id.slice(0, 12)}`)).toBe(1400);
    expect(await mtuOf(site.machine, `br-${x2.id.slice(0, 12)}`)).toBe(1450);
    expect(await mtuOf(site.machine, "docker0")).toBe(1500);
  });
});
