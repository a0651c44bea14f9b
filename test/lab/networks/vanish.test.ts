// Bridges of networks that others have a hand in: those that were there before, and those that somebody deletes.

import { describe, expect, test } from "vitest";
import { addAddress, createBridge, deleteLink } from "../../../src/kernel/index.ts";
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
