// Overlay networks on a kernel: containers on different hosts reach each other, and nothing else leaves.

import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { openNetlink, setLink } from "../../../src/kernel/index.ts";
import { Lab } from "../lab.ts";
import {
  broadcast,
  countTunnels,
  expectNoPing,
  expectPing,
  type OverlayHost,
  overlayHost,
  pool,
} from "./overlay-world.ts";

const underlay = ["192.0.2.0/24", "2001:db8:2::/64"] as const;

async function fdb(host: OverlayHost): Promise<string[]> {
  const text = await host.inside("bridge", "fdb", "show");
  // the kernel's own: multicast groups that links listen to, and the addresses of ports
  const own = (line: string) => line.includes(" dst ") || / master br0 static$/.test(line.trim());
  return text.split("\n").filter(own).sort();
}

describe("an overlay network", () => {
  test.for([4, 6] as const)("carries IPv4 and IPv6 between hosts over IPv%i", async (family) => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment(...underlay);
    await using one = await overlayHost(segment, cluster, "one", { family });
    await using two = await overlayHost(segment, cluster, "two", { family });
    await one.createNetwork();
    await two.createNetwork();
    const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
    const c2 = await two.run("c2", ["10.9.0.3/24", "fd09::3/64"]);
    await using _v4 = await c2.host.listen("10.9.0.3", 80);
    await using _v6 = await c2.host.listen("fd09::3", 80);
    await expect(c1.host).toReach("10.9.0.3:80", { answer: "10.9.0.2" });
    await expect(c1.host).toReach("[fd09::3]:80", { answer: "fd09::2" });
    await c1.ping(c2, 4);
    await c2.ping(c1, 6);
    // Docker's: what an address is known by is the same on every host
    expect(c1.mac).toBe("02:42:0a:09:00:02");
  });

  test.for([
    [4, 1450],
    [6, 1430],
  ] as const)("passes whole packets over IPv%i, whose MTU is %i", async ([family, mtu]) => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment(...underlay);
    await using one = await overlayHost(segment, cluster, "one", { family });
    await using two = await overlayHost(segment, cluster, "two", { family });
    await one.createNetwork();
    await two.createNetwork();
    const c1 = await one.run("c1", ["10.9.0.2/24"]);
    const c2 = await two.run("c2", ["10.9.0.3/24"]);
    await expectPing(c1, c2);
    expect((await c1.host.netlink.link("eth0"))?.mtu).toBe(mtu);
    const count = await countTunnels(one);
    // IP and ICMP headers take 28 bytes
    await c1.ping(c2, 4, "-s", String(mtu - 28));
    await expect(c1.ping(c2, 4, "-s", String(mtu - 27), "-q")).resolves.toContain("1 packets received");
    // which the container itself has taken apart
    expect(await count()).toEqual({ all: 3, tooLong: 0 });
  });

  test("has the underlay's MTU from its option instead", async () => {
    await using lab = await Lab.create();
    await using one = await overlayHost(lab.segment(...underlay), new FakeCluster(), "one");
    await one.createNetwork({ generic: { "com.docker.network.driver.mtu": "1400" } });
    const c1 = await one.run("c1", ["10.9.0.2/24"]);
    expect((await c1.host.netlink.link("eth0"))?.mtu).toBe(1350);
    expect(await one.driver.effectiveOptions?.({ networkId: "b1".repeat(32) })).toMatchObject({
      "com.docker.network.driver.mtu": "1350",
      "com.docker.network.driver.overlay.vxlanid_list": expect.stringMatching(/^[0-9]+$/),
    });
  });

  test("follows the underlay's MTU", async () => {
    await using lab = await Lab.create();
    await using one = await overlayHost(lab.segment(...underlay), new FakeCluster(), "one");
    await one.createNetwork();
    await one.run("c1", ["10.9.0.2/24"]);
    expect(await one.driver.followUplink?.()).toEqual([]);
    await one.lab.netlink.send(setLink("eth0", { mtu: 1400 }));
    expect(await one.driver.followUplink?.()).toEqual([{ networkId: "b1".repeat(32), mtu: 1350 }]);
    await using inside = await openNetlink(one.netns());
    const mtus = (await inside.links()).filter(({ name }) => name !== "lo").map(({ mtu }) => mtu);
    expect(mtus).toEqual([1350, 1350, 1350]);
  });

  test("sends nothing to the underlay that nobody there waits for", async () => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, cluster, "one");
    await using two = await overlayHost(segment, cluster, "two");
    await one.createNetwork();
    await two.createNetwork();
    const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
    const c2 = await two.run("c2", ["10.9.0.3/24", "fd09::3/64"]);
    await expectPing(c1, c2);
    const count = await countTunnels(one);
    // nobody has these addresses: the question for their MAC, a broadcast, and a frame for a MAC that nobody has
    await c1.host.run("busybox", "ping", "-c2", "-W1", "10.9.0.77").catch(() => undefined);
    await c1.host.run("busybox", "ping", "-6", "-c2", "-W1", "fd09::77").catch(() => undefined);
    await broadcast(c1, 2);
    await c1.host.run("ip", "neigh", "add", "10.9.0.78", "lladdr", "02:42:0a:09:00:4e", "dev", "eth0");
    await c1.host.run("busybox", "ping", "-c2", "-W1", "10.9.0.78").catch(() => undefined);
    expect((await count()).all).toBe(0);
    // what somebody waits for passes, on IPv6 without asking anybody first
    await c1.ping(c2, 6);
    expect((await count()).all).toBe(1);
  });

  test("is on hosts that have a container on it, and on no others", async () => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, cluster, "one");
    await using two = await overlayHost(segment, cluster, "two");
    await using three = await overlayHost(segment, cluster, "three");
    const hosts = [one, two, three];
    for (const { lab: host } of hosts) await host.remember();
    for (const host of hosts) await host.createNetwork();
    const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
    const c2 = await two.run("c2", ["10.9.0.3/24", "fd09::3/64"]);
    expect(await three.host.netns.list()).toEqual([]);
    await expect.poll(() => fdb(one)).toHaveLength(3);
    const c3 = await three.run("c3", ["10.9.0.4/24", "fd09::4/64"]);
    // for each of the others the tunnel's row and the bridge's, and one for the own port
    for (const host of hosts) await expect.poll(() => fdb(host)).toHaveLength(5);
    for (const [from, to] of [
      [c1, c2],
      [c2, c3],
      [c3, c1],
    ] as const) {
      await expectPing(from, to, 4);
      await expectPing(from, to, 6);
    }
    await c2.stop();
    for (const host of [one, three]) await expect.poll(() => fdb(host)).toHaveLength(3);
    await expect.poll(() => one.inside("ip", "neigh", "show", "nud", "permanent")).not.toContain("10.9.0.3");
    await two.driver.settle?.();
    expect(await two.host.netns.list()).toEqual([]);
    await two.lab.expectUnchanged();
    await expectNoPing(c1, c2);
    await c1.stop();
    await c3.stop();
    for (const host of hosts) {
      await host.driver.settle?.();
      await host.lab.expectUnchanged();
    }
  });

  test("waits a moment for the next container when its last one has gone", async () => {
    await using lab = await Lab.create();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, new FakeCluster(), "one", { restMs: 60_000 });
    await one.lab.remember();
    const stay = await one.enterCluster();
    await one.createNetwork();
    await (await one.run("c1", ["10.9.0.2/24"])).stop();
    await one.driver.settle?.();
    // nothing of it is left but what is the network's
    const netns = await one.inside("readlink", "/proc/self/ns/net");
    expect(await one.inside("ip", "link", "show", "type", "veth")).toBe("");
    expect(await one.inside("nft", "list", "ruleset")).not.toContain("10.9.0.2");
    const c1 = await one.run("c1", ["10.9.0.2/24"]);
    await c1.host.run("busybox", "ping", "-c1", "10.9.0.1");
    await c1.stop();
    await one.driver.settle?.();
    expect(await one.inside("readlink", "/proc/self/ns/net")).toBe(netns);
    await stay.end({ leaves: false, clears: true });
    expect(await one.host.netns.list()).toEqual([]);
    await one.lab.expectUnchanged();
  });

  test("has a VNI for each subnet, and one bridge for all", async () => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment("192.0.2.0/24");
    const ipv4 = [pool("10.9.0.0/24", "10.9.0.1"), pool("10.10.0.0/24", "10.10.0.1")];
    const generic = { "com.docker.network.driver.overlay.vxlanid_list": "5001,5002" };
    await using one = await overlayHost(segment, cluster, "one");
    await using two = await overlayHost(segment, cluster, "two");
    await one.createNetwork({ ipv4, generic });
    await two.createNetwork({ ipv4, generic });
    const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
    const c2 = await two.run("c2", ["10.10.0.2/24", "fd09::3/64"]);
    const c3 = await one.run("c3", ["10.10.0.3/24"]);
    await expectPing(c1, c2);
    await expectPing(c2, c1, 6);
    await expectPing(c2, c3);
    await c3.ping(c1);
    await c1.host.run("busybox", "ping", "-c1", "10.9.0.1");
    expect((await one.inside("ip", "-d", "link", "show")).match(/vxlan id \d+/g)).toEqual([
      "vxlan id 5001",
      "vxlan id 5002",
    ]);
  });

  test("keeps another network's containers apart that have the same addresses", async () => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, cluster, "one");
    await using two = await overlayHost(segment, cluster, "two");
    const red = "c2".repeat(32);
    for (const host of [one, two]) {
      await host.createNetwork();
      await host.createNetwork({ id: red });
    }
    const blue1 = await one.run("blue1", ["10.9.0.2/24"]);
    const red1 = await one.run("red1", ["10.9.0.2/24"], red);
    const blue2 = await two.run("blue2", ["10.9.0.3/24"]);
    const red2 = await two.run("red2", ["10.9.0.3/24"], red);
    await using _blue = await blue2.host.listen("10.9.0.3", 80, { reply: "blue" });
    await using _red = await red2.host.listen("10.9.0.3", 80, { reply: "red" });
    await expect(blue1.host).toReach("10.9.0.3:80", { answer: "blue" });
    await expect(red1.host).toReach("10.9.0.3:80", { answer: "red" });
  });

  test("takes broadcasts and multicasts to every host that carries it, where that is asked for", async () => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment("192.0.2.0/24");
    const generic = { "tsdocker.multicast": "true" };
    await using one = await overlayHost(segment, cluster, "one");
    await using two = await overlayHost(segment, cluster, "two");
    await using three = await overlayHost(segment, cluster, "three");
    for (const host of [one, two, three]) await host.createNetwork({ generic });
    const c1 = await one.run("c1", ["10.9.0.2/24"]);
    const c2 = await two.run("c2", ["10.9.0.3/24"]);
    await expect.poll(() => one.inside("bridge", "fdb", "show")).toContain("00:00:00:00:00:00 dev");
    const { host } = c2;
    await host.run(
      "nft",
      "add table ip heard; add chain ip heard c { type filter hook prerouting priority 0; }",
    );
    await host.run("nft", "add rule ip heard c udp dport 9 counter");
    await broadcast(c1, 3);
    // one copy of each
    await expect.poll(() => host.run("nft", "list", "table", "ip", "heard")).toContain("packets 3 ");
    expect(await three.host.netns.list()).toEqual([]);
  });
});
