// What macvlan networks stand on: parents that are lost and come back, VLANs and dummies that are made, and a daemon that
// finds them again.

import { describe, expect, test } from "vitest";
import { createMacvlan, createVeth, deleteLink, setLink, setMacvlanMode } from "../../../src/kernel/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { networkSpec, pool } from "../cnm/specs.ts";
import { createWorld } from "../cnm/world.ts";
import { Lab } from "../lab.ts";
import "../matchers.ts";
import { lacksLinkKind } from "./kernel.ts";
import { machineAndPeer, macvlan, run } from "./macvlan-world.ts";

describe("a parent", () => {
  test("that is down carries containers once it is up", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await machine.netlink.send(setLink("eth0", { up: false }));
    await using world = await createWorld(machine);
    await world.controller.createNetwork(macvlan("m1"));
    await using c1 = await run(world, "c1");
    await using _web = await c1.host.listen("0.0.0.0", 80);
    await expect(peer).not.toReach(`${c1.ipv4}:80`);
    await machine.netlink.send(setLink("eth0", { up: true }));
    await expect(peer).toReach(`${c1.ipv4}:80`);
  });

  test("that vanishes while it is used takes the links along, and everything can be removed", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    await controller.createNetwork(macvlan("m1"));
    await using c1 = await run(world, "c1");
    await using c2 = await run(world, "c2");
    await machine.netlink.send(deleteLink("eth0"));
    await expect.poll(() => c1.host.netlink.link("eth0")).toBeUndefined();
    await expect(run(world, "c3")).rejects.toThrow("eth0");
    await c1.sandbox.disconnect("m1");
    await c2.sandbox.delete();
    await controller.deleteNetwork("m1");
    await c1.sandbox.delete();
    expect(controller.networks().map(({ name }) => name)).not.toContain("m1");
  });

  test("that is back, after a restart without it, serves its network again", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await machine.netlink.send(createVeth({ name: "spare", up: true, peer: { name: "spare1" } }));
    const first = await createWorld(machine);
    const ipam = { driver: "", pools: [pool("198.51.100.0/24")] };
    await first.controller.createNetwork(macvlan("m2", { parent: "spare" }, { ipam }));
    await first.controller.createNetwork(macvlan("m3", { parent: "spare" }));
    await first.crash();
    await machine.netlink.send(deleteLink("spare"));
    await using second = await createWorld(machine, { folder: first.folder });
    const { controller } = second;
    expect(controller.networks().map(({ name }) => name)).toContain("m2");
    await controller.deleteNetwork("m3");
    await expect(run(second, "c1", { network: "m2" })).rejects.toThrow("spare");
    await machine.netlink.send(createVeth({ name: "spare", up: true, peer: { name: "spare1" } }));
    await using c1 = await run(second, "c1", { network: "m2" });
    expect(c1.ipv4).toMatch(/^198\.51\.100\./);
  });

  test.for([
    ["lo", "loopback interface is not a valid macvlan parent link"],
    ["eth7", "-o parent interface was not found on the host: eth7"],
    ["eth7.10", "-o parent interface was not found on the host: eth7"],
    ["eth0.0", "vlan id must be between 1-4094, received: 0"],
    ["eth0.4095", "vlan id must be between 1-4094, received: 4095"],
    ["eth0.ten", "unable to parse a valid vlan id from: ten"],
    ["lo.10", "loopback interface is not a valid parent link: lo.10"],
    ["a name that is too long", "invalid value for parent"],
  ] as const)("%s is refused, and nothing is left", async ([parent, message]) => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    {
      await using world = await createWorld(machine);
      const creating = world.controller.createNetwork(macvlan("m1", { parent }));
      await expect(creating).rejects.toThrow(message);
      await expect(creating).rejects.toSatisfy((error) => errorKind(error) === "invalid");
      expect(world.controller.networks().map(({ name }) => name)).not.toContain("m1");
    }
    await machine.expectUnchanged();
  });
});

describe("a daemon that starts again", () => {
  test("serves live containers on, and takes their links when they leave", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    {
      const first = await createWorld(machine);
      await first.controller.createNetwork(macvlan("m1"));
      await using c1 = await run(first, "c1");
      await using _web = await c1.host.listen("0.0.0.0", 80);
      await first.crash();
      await expect(peer).toReach(`${c1.ipv4}:80`);
      const live = new Set([c1.sandbox.containerId]);
      await using second = await createWorld(machine, { folder: first.folder, live });
      await expect(peer).toReach(`${c1.ipv4}:80`);
      const again = second.controller.sandbox(c1.sandbox.containerId);
      expect(again?.endpoints()).toEqual(c1.sandbox.endpoints());
      await again?.disconnect("m1");
      expect(await c1.host.netlink.link("eth0")).toBeUndefined();
      await again?.delete();
    }
    await machine.expectUnchanged();
  });

  test("changes a link's mode back that its container has changed", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    {
      const first = await createWorld(machine);
      await first.controller.createNetwork(macvlan("m1", { macvlan_mode: "private" }));
      await using c1 = await run(first, "c1");
      await first.crash();
      const link = await c1.host.netlink.link("eth0");
      await c1.host.netlink.send(setMacvlanMode(link?.index ?? 0, "bridge"));
      const live = new Set([c1.sandbox.containerId]);
      await using second = await createWorld(machine, { folder: first.folder, live });
      expect(await c1.host.netlink.link("eth0")).toMatchObject({
        index: link?.index,
        macvlanMode: "private",
        up: true,
      });
      await second.controller.sandbox(c1.sandbox.containerId)?.delete();
    }
    await machine.expectUnchanged();
  });

  test("deletes the link that the one before, which was killed, had only put aside", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    {
      const first = await createWorld(machine);
      await first.controller.createNetwork(macvlan("m1"));
      await using c1 = await run(first, "c1");
      await first.crash();
      const parent = (await machine.netlink.link("eth0"))?.index ?? 0;
      const left = { index: 77, name: "gone77", netns: c1.sandbox.netnsPath };
      await machine.netlink.send(createMacvlan({ ...left, parent, mode: "bridge" }));
      const live = new Set([c1.sandbox.containerId]);
      await using second = await createWorld(machine, { folder: first.folder, live });
      await second.controller.settle();
      expect(await c1.host.netlink.link(left.index)).toBeUndefined();
      await using _web = await c1.host.listen("0.0.0.0", 80);
      await expect(peer).toReach(`${c1.ipv4}:80`);
      await second.controller.sandbox(c1.sandbox.containerId)?.delete();
    }
    await machine.expectUnchanged();
  });
});

const without = { dummy: await lacksLinkKind("dummy"), vlan: await lacksLinkKind("vlan") };

describe.runIf(without.dummy)("a kernel without dummy links (CONFIG_DUMMY)", () => {
  test("makes no network without a parent, and says why", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    {
      await using world = await createWorld(machine);
      const creating = world.controller.createNetwork(networkSpec("m1", { driver: "macvlan" }));
      await expect(creating).rejects.toThrow(
        "macvlan networks without a parent need CONFIG_DUMMY: this kernel has none",
      );
    }
    await machine.expectUnchanged();
  });
});

describe.runIf(without.vlan)("a kernel without VLANs (CONFIG_VLAN_8021Q)", () => {
  test("makes no network on a sub-interface, and says why", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    {
      await using world = await createWorld(machine);
      const creating = world.controller.createNetwork(macvlan("m1", { parent: "eth0.10" }));
      await expect(creating).rejects.toThrow(
        "VLAN sub-interfaces (-o parent=eth0.10) need CONFIG_VLAN_8021Q: this kernel has none",
      );
    }
    await machine.expectUnchanged();
  });
});

describe.skipIf(without.dummy)("without a parent (skipped without CONFIG_DUMMY)", () => {
  test("a network stands on a dummy link and is internal", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    {
      await using world = await createWorld(machine);
      const network = await world.controller.createNetwork(networkSpec("m1", { driver: "macvlan" }));
      expect(await machine.netlink.link(`dm-${network.id.slice(0, 12)}`)).toMatchObject({ kind: "dummy" });
      expect(network.record.internal).toBe(true);
      await using c1 = await run(world, "c1");
      await using c2 = await run(world, "c2");
      await using _web = await c2.host.listen("0.0.0.0", 80);
      await expect(c1.host).toReach(`${c2.ipv4}:80`);
    }
    await machine.expectUnchanged();
  });
});

describe.skipIf(without.vlan)("on a VLAN (skipped without CONFIG_VLAN_8021Q)", () => {
  test("two networks share the sub-interface, which goes with the second", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    const ipam = { driver: "", pools: [pool("198.51.100.0/24")] };
    await controller.createNetwork(macvlan("m1", { parent: "eth0.10" }));
    await controller.createNetwork(macvlan("m2", { parent: "eth0.10" }, { ipam }));
    expect(await machine.netlink.link("eth0.10")).toMatchObject({ kind: "vlan", up: true });
    await controller.deleteNetwork("m1");
    expect(await machine.netlink.link("eth0.10")).toBeDefined();
    await controller.deleteNetwork("m2");
    expect(await machine.netlink.link("eth0.10")).toBeUndefined();
  });
});
