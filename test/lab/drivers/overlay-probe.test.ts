// Whether packets truly pass between hosts: what is found, and what is said of it.

import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import type { ClusterStay, PeerPath } from "../../../src/driverapi/index.ts";
import { setLink } from "../../../src/kernel/index.ts";
import { Lab } from "../lab.ts";
import { type OverlayHost, overlayHost } from "./overlay-world.ts";
import "../matchers.ts";

async function two(lab: Lab, family: 4 | 6 = 4) {
  const cluster = new FakeCluster();
  const segment = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const one = await overlayHost(segment, cluster, "one", { family });
  const other = await overlayHost(segment, cluster, "two", { family });
  const [stay, otherStay] = [await one.enterCluster(), await other.enterCluster()];
  return {
    cluster,
    segment,
    one,
    other,
    stay,
    otherStay,
    async [Symbol.asyncDispose]() {
      await other[Symbol.asyncDispose]();
      await one[Symbol.asyncDispose]();
    },
  };
}

/** The path to the only other host. */
function pathOf(stay: ClusterStay): PeerPath | undefined {
  return stay.paths()[0];
}

/** Drops packets of tunnels that match, before they reach the host. */
async function drop({ lab }: OverlayHost, match: string): Promise<() => Promise<unknown>> {
  await lab.run(
    "nft",
    "add table inet cut; add chain inet cut c { type filter hook prerouting priority -400; }",
  );
  await lab.run("nft", `add rule inet cut c udp dport 4789 ${match} drop`);
  return () => lab.run("nft", "delete table inet cut");
}

describe("a path between hosts", () => {
  for (const [family, mtu] of [
    [4, 1450],
    [6, 1430],
  ] as const)
    test(`over IPv${family} is tried with packets as large as networks send, before there is one`, async () => {
      await using lab = await Lab.create();
      await using world = await two(lab, family);
      await expect.poll(() => pathOf(world.stay)).toMatchObject({ state: "ok", mtu });
      expect(pathOf(world.stay)?.roundTripMs).toBeGreaterThan(0);
      expect(pathOf(world.stay)?.trouble).toBeUndefined();
      await expect.poll(() => pathOf(world.otherStay)?.state).toBe("ok");
    });

  test("is down while the tunnels' port is closed, and the way back is told once", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    const told: unknown[] = [];
    await expect.poll(() => pathOf(world.stay)?.state).toBe("ok");
    world.stay.follow((change) => told.push([change, pathOf(world.stay)?.state]));
    const open = await drop(world.other, "");
    await expect
      .poll(() => pathOf(world.stay))
      .toMatchObject({
        state: "down",
        trouble: "no packet comes back: let UDP port 4789 through between 192.0.2.1 and 192.0.2.2, both ways",
      });
    await world.stay.tryPaths();
    await open();
    await expect.poll(() => pathOf(world.stay)?.state).toBe("ok");
    expect(told).toEqual([
      ["paths", "down"],
      ["paths", "ok"],
    ]);
  });

  test("is narrow where something carries less than the links say, and the most that passes is found", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    // outer packets above 1,400 bytes, as a tunnel of somebody else's in the middle would have it
    const open = await drop(world.other, "meta length gt 1400");
    await expect
      .poll(() => pathOf(world.stay))
      .toMatchObject({
        state: "narrow",
        mtu: 1350,
        trouble: expect.stringContaining('"-o com.docker.network.driver.mtu=1400"'),
      });
    await open();
    await expect.poll(() => pathOf(world.stay)).toMatchObject({ state: "ok", mtu: 1450 });
  });

  test("is what the way carries in one piece, although IPv4 would take packets apart", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    await expect.poll(() => pathOf(world.stay)?.mtu).toBe(1450);
    await world.one.lab.run("ip", "route", "add", "192.0.2.2/32", "dev", "eth0", "mtu", "1300");
    await expect.poll(() => pathOf(world.stay)).toMatchObject({ state: "narrow", mtu: 1250 });
  });

  test("is repaired when its rows or its link are taken away by hand", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    await expect.poll(() => pathOf(world.stay)?.state).toBe("ok");
    const netns = `${world.one.lab.netns}-netns/overlay-probe`;
    await world.one.lab.run("nsenter", `--net=${netns}`, "ip", "link", "del", "probe0");
    await expect.poll(() => pathOf(world.stay)?.state).toBe("down");
    // whoever hears of hosts looks at what leads to them
    await world.cluster.addNode("three");
    await expect
      .poll(() => world.stay.paths().find(({ nodeId }) => nodeId === world.other.cluster.self.id)?.state)
      .toBe("ok");
  });

  test("goes on where the daemon starts again, and is answered while there is none", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    await expect.poll(() => pathOf(world.stay)?.state).toBe("ok");
    await world.otherStay.end({ leaves: false });
    const before = pathOf(world.stay)?.checkedAt;
    await expect.poll(() => pathOf(world.stay)?.checkedAt).not.toEqual(before);
    await expect.poll(() => pathOf(world.stay)?.state).toBe("ok");
    await world.other.restart();
    const again = await world.other.enterCluster();
    await expect.poll(() => pathOf(again)?.state).toBe("ok");
  });

  test("to a host that is down is no trouble of its own", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    await expect.poll(() => pathOf(world.stay)?.state).toBe("ok");
    world.cluster.endLease("two");
    await world.otherStay.end({ leaves: true });
    await expect.poll(() => pathOf(world.stay)).toMatchObject({ state: "away" });
    expect(pathOf(world.stay)?.trouble).toBeUndefined();
    await world.cluster.heal("two");
    await world.other.enterCluster();
    await expect.poll(() => pathOf(world.stay)?.state).toBe("ok");
  });

  test("leads nowhere when the host leaves, and nothing of it stays", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    await expect.poll(() => pathOf(world.stay)?.state).toBe("ok");
    await world.otherStay.end({ leaves: true });
    await expect.poll(() => pathOf(world.stay)?.state).toBe("down");
    expect(await world.other.host.netns.list()).toEqual([]);
    expect(await world.other.lab.run("nft", "list", "tables")).not.toContain("tsdocker-tunnels");
  });
});

describe("the MTU of networks", () => {
  test("is what the smallest underlay of the cluster carries, on all hosts, also when that changes", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    const { one, other, stay } = world;
    await one.createNetwork();
    await other.createNetwork();
    const c1 = await one.run("c1", ["10.9.0.2/24"]);
    const mtuOf = async () => (await c1.host.netlink.link("eth0"))?.mtu;
    expect(await mtuOf()).toBe(1450);
    const told = new Promise<void>((resolve) => {
      stay.follow((change) => change === "mtu" && resolve());
    });
    await other.lab.netlink.send(setLink("eth0", { mtu: 1400 }));
    await other.driver.followUplink?.();
    await told;
    // links in sandboxes are the controller's to change
    expect(await one.driver.followUplink?.()).toEqual([{ networkId: "b1".repeat(32), mtu: 1350 }]);
    expect(await one.driver.effectiveOptions?.({ networkId: "b1".repeat(32) })).toMatchObject({
      "com.docker.network.driver.mtu": "1350",
    });
    const c2 = await other.run("c2", ["10.9.0.3/24"]);
    expect((await c2.host.netlink.link("eth0"))?.mtu).toBe(1350);
    // the host with the small underlay is taken off the record
    await world.cluster.removeNode("two");
    await expect.poll(() => one.driver.followUplink?.()).toMatchObject([{ mtu: 1450 }]);
  });

  test("is the user's where they chose one", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    await world.one.createNetwork({ generic: { "com.docker.network.driver.mtu": "1400" } });
    const c1 = await world.one.run("c1", ["10.9.0.2/24"]);
    expect((await c1.host.netlink.link("eth0"))?.mtu).toBe(1350);
  });
});

test("what a host's kernel does not guard is told on all hosts, until the host goes", async () => {
  await using lab = await Lab.create();
  const cluster = new FakeCluster();
  const segment = lab.segment("192.0.2.0/24");
  await using one = await overlayHost(segment, cluster, "one");
  await using bare = await overlayHost(segment, cluster, "bare", { lack: "netfilter's egress hook" });
  const stays = [await one.enterCluster(), await bare.enterCluster()];
  const lack = expect.stringMatching(/can forge frames .* for want of netfilter's egress hook/);
  for (const stay of stays)
    await expect.poll(() => stay.lacks?.()).toEqual([{ nodeId: bare.cluster.self.id, lack }]);
  await cluster.removeNode("bare");
  await expect.poll(() => stays[0]?.lacks?.()).toEqual([]);
});

test("hosts that have containers on a network are its peers", async () => {
  await using lab = await Lab.create();
  await using world = await two(lab);
  const { one, other } = world;
  await one.createNetwork();
  await other.createNetwork();
  const peers = () => one.driver.peers?.({ networkId: "b1".repeat(32) }).map(({ name }) => name);
  const c1 = await one.run("c1", ["10.9.0.2/24"]);
  await expect.poll(peers).toEqual(["one"]);
  await other.run("c2", ["10.9.0.3/24"]);
  await expect.poll(peers).toEqual(["one", "two"]);
  await c1.stop();
  await expect.poll(peers).toEqual(["two"]);
});
