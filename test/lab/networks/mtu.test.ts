// The MTU of networks, on uplinks that grow, shrink, come and go.

import { describe, expect, test } from "vitest";
import { addRoute, deleteRoute, setLink } from "../../../src/kernel/index.ts";
import "../matchers.ts";
import { address, endpointSpec, networkSpec } from "../cnm/specs.ts";
import { box, createSite, mtuOf, options } from "./site.ts";

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
      await expect.poll(all).toEqual([mtu, mtu, mtu, mtu]);
      expect([await mtuOf(machine, "br-fixed"), await mtuOf(c1.here, "eth1")]).toEqual([1300, 1300]);
    }
    // what was too narrow for IPv6 in between has none afterwards either
    for (const [host, name] of [
      [c1.here, "eth0"],
      [machine, "br-x1"],
    ] as const)
      await expect.poll(() => host.run("cat", `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`)).toBe("1\n");
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
    await expect.poll(() => mtuOf(c1.here, "eth0")).toBe(1350);
    // in one go: for a moment the one of IPv6, by the first link, would be the only one
    const deleted = [deleteRoute({ family: 4 }), deleteRoute({ family: 6 })];
    await machine.netlink.send(...deleted, setLink("eth1", { mtu: 1500 }));
    expect(await mtuOf(c1.here, "eth0")).toBe(1350);
    await machine.netlink.send(via("192.0.2.2"), addRoute({ family: 6, gateway: address("2001:db8:2::2") }));
    await expect.poll(() => mtuOf(c1.here, "eth0")).toBe(1500);
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
