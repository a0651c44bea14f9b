// Subnets and addresses of networks on a kernel: small subnets, sizes without a place, ranges, configurations that other
// networks take, pools that run out.

import { describe, expect, test } from "vitest";
import { formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import "../matchers.ts";
import { address, networkSpec, pool, prefix } from "../cnm/specs.ts";
import { addressesOf, box, createSite, mtuOf, options } from "./site.ts";

describe("a subnet", () => {
  test.each([
    // network and broadcast address are nobody's, except where there is no room for them (RFC 3021, RFC 6164)
    ["10.1.0.0/30", "10.1.0.1", ["10.1.0.2"]],
    ["10.1.0.0/31", "10.1.0.0", ["10.1.0.1"]],
    ["10.1.0.0/32", "10.1.0.0", []],
    ["10.1.0.0/29", "10.1.0.1", ["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"]],
    ["2001:db8:1::/126", "2001:db8:1::1", ["2001:db8:1::2", "2001:db8:1::3"]],
    ["2001:db8:1::/127", "2001:db8:1::", ["2001:db8:1::1"]],
    ["2001:db8:1::/128", "2001:db8:1::", []],
  ])("of %s has the gateway %s and gives containers %j", async (text, gateway, given) => {
    await using site = await createSite();
    await using world = await site.world();
    const isIpv6 = text.includes(":");
    const made = await world.controller.createNetwork(
      networkSpec("x1", {
        enableIpv4: !isIpv6,
        enableIpv6: isIpv6,
        options: options({ "bridge.name": "br-x1" }),
        ipam: { driver: "", pools: [pool(text)] },
      }),
    );
    expect(made.record.pools[0]?.gateway).toEqual(address(gateway));
    expect(await addressesOf(site.machine, "br-x1")).toEqual([`${gateway}/${prefix(text).length}`]);
    const boxes = [];
    for (const at of given.keys()) boxes.push(await box(world.controller, `c${at}`, "x1"));
    const shown = boxes.map(({ sandbox: { endpoints } }) => endpoints);
    expect(shown).toHaveLength(given.length);
    const own = boxes.map(({ sandbox }) => sandbox.endpoints()[0]).map((it) => it?.ipv4 ?? it?.ipv6);
    expect(own.map((it) => it && formatAddress(it.address))).toEqual(given);
    await expect(box(world.controller, "late", "x1")).rejects.toThrow(
      `no available IPv${isIpv6 ? 6 : 4} addresses on this network's address pools: x1 (${made.id})`,
    );
    for (const it of boxes) await it[Symbol.asyncDispose]();
  });

  test("may be asked for by its size, in both families", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const made = await world.controller.createNetwork(
      networkSpec("x1", {
        enableIpv6: true,
        ipam: { driver: "", pools: [pool("0.0.0.0/28"), pool("::/96")] },
      }),
    );
    const [ipv4, ipv6] = made.record.pools.map(({ subnet }) => formatPrefix(subnet));
    expect(ipv4).toBe("172.18.0.0/28");
    expect(ipv6).toMatch(/^fd.*\/96$/);
    await using c1 = await box(world.controller, "c1", "x1");
    expect(c1.sandbox.endpoints()[0]?.ipv4).toEqual(prefix("172.18.0.2/28"));
  });

  test("gives addresses from its range, auxiliary ones never, and any of it to who asks", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const asked = pool("10.1.0.0/24", {
      range: "10.1.0.128/30",
      gateway: "10.1.0.9",
      aux: { nas: "10.1.0.129" },
    });
    await world.controller.createNetwork(networkSpec("x1", { ipam: { driver: "", pools: [asked] } }));
    const own = async (name: string, ipv4?: string) => {
      const made = await box(world.controller, name, "x1", ipv4 ? { ipv4: address(ipv4) } : {});
      return { made, text: formatAddress(made.sandbox.endpoints()[0]?.ipv4?.address ?? address("0.0.0.0")) };
    };
    const all = [await own("c1"), await own("c2"), await own("c3"), await own("c4", "10.1.0.200")];
    expect(all.map(({ text }) => text)).toEqual(["10.1.0.128", "10.1.0.130", "10.1.0.131", "10.1.0.200"]);
    await expect(own("c5")).rejects.toThrow("no available IPv4 addresses");
    await expect(own("c6", "10.1.0.129")).rejects.toThrow("Address already in use");
    const view = await world.controller.network("x1").view();
    expect(view.pools[0]).toMatchObject({ available: 0n });
    for (const { made } of all) await made[Symbol.asyncDispose]();
  });
});

describe("a configuration for networks", () => {
  test("is nothing in the kernel, gives its words to networks, and stays while one uses it", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    const { machine } = site;
    const links = (await machine.netlink.links()).length;
    await controller.createNetwork(
      networkSpec("config", {
        configOnly: true,
        enableIpv6: true,
        labels: { team: "net" },
        options: {
          ...options({ "driver.mtu": "1400", "bridge.name": "br-x1" }),
          "tsdocker.dns": "192.0.2.53",
        },
        ipam: {
          driver: "default",
          options: { any: "word" },
          pools: [pool("10.1.0.0/24"), pool("2001:db8:1::/64")],
        },
      }),
    );
    expect((await machine.netlink.links()).length).toBe(links);
    await expect(box(controller, "c1", "config")).rejects.toThrow("configuration-only network");
    await controller.createNetwork(
      networkSpec("x1", { configFrom: "config", internal: true, attachable: true }),
    );
    const view = await controller.network("x1").view();
    expect(view).toMatchObject({
      configFrom: "config",
      configOnly: false,
      driver: "bridge",
      enableIpv6: true,
      internal: true,
      attachable: true,
      labels: { team: "net" },
      ipam: { options: { any: "word" } },
    });
    expect(await mtuOf(machine, "br-x1")).toBe(1400);
    expect(await addressesOf(machine, "br-x1")).toEqual(["10.1.0.1/24", "2001:db8:1::1/64"]);
    await expect(controller.deleteNetwork("config")).rejects.toThrow(
      'configuration network "config" is in use',
    );
    await controller.deleteNetwork("x1");
    await controller.deleteNetwork("config");
  });
});

describe("address pools of the operator", () => {
  test("are what networks get, in both families, until none is left; then the message says what to do", async () => {
    await using site = await createSite();
    await using world = await site.world({
      defaultPools: [
        { base: prefix("10.50.0.0/23"), size: 24 },
        { base: prefix("2001:db8:50::/56"), size: 64 },
      ],
    });
    const made = await world.controller.createNetwork(networkSpec("x1", { enableIpv6: true }));
    // the default bridge has the first
    expect(made.record.pools.map(({ subnet }) => formatPrefix(subnet))).toEqual([
      "10.50.1.0/24",
      "2001:db8:50::/64",
    ]);
    await expect(world.controller.createNetwork(networkSpec("x2"))).rejects.toThrow(
      "all predefined address pools have been fully subnetted: 10.50.0.0/23 in /24 is used by 2 networks (bridge, x1). " +
        "Remove networks that are not used, or give more room in daemon.json: " +
        '"default-address-pools": [{"base": "10.50.0.0/23", "size": 24}, {"base": "10.0.0.0/16", "size": 24}]',
    );
    await world.controller.createNetwork(
      networkSpec("x2", { ipam: { driver: "", pools: [pool("10.60.0.0/24")] } }),
    );
  });
});
