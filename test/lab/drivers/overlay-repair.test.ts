// Overlay networks when something goes wrong: rows and links that somebody takes away, a store that is away, a daemon
// that ends.

import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { openNetlink } from "../../../src/kernel/index.ts";
import { Lab } from "../lab.ts";
import {
  expectNoPing,
  expectPing,
  networkId,
  type OverlayContainer,
  type OverlayHost,
  overlayHost,
} from "./overlay-world.ts";

interface Pair extends AsyncDisposable {
  readonly cluster: FakeCluster;
  readonly one: OverlayHost;
  readonly two: OverlayHost;
  readonly c1: OverlayContainer;
  readonly c2: OverlayContainer;
  /** The tunnel's name on the first host. */
  readonly tunnel: string;
}

/** Two hosts with a container each that reach each other. */
async function pair(lab: Lab): Promise<Pair> {
  const cluster = new FakeCluster();
  const segment = lab.segment("192.0.2.0/24");
  const one = await overlayHost(segment, cluster, "one");
  const two = await overlayHost(segment, cluster, "two");
  await one.createNetwork();
  await two.createNetwork();
  const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
  const c2 = await two.run("c2", ["10.9.0.3/24", "fd09::3/64"]);
  await expectPing(c1, c2, 4);
  await expectPing(c1, c2, 6);
  await using netlink = await openNetlink(one.netns());
  const tunnel = (await netlink.links()).find(({ kind }) => kind === "vxlan")?.name ?? "";
  return {
    cluster,
    one,
    two,
    c1,
    c2,
    tunnel,
    async [Symbol.asyncDispose]() {
      await two[Symbol.asyncDispose]();
      await one[Symbol.asyncDispose]();
    },
  };
}

const rows = async (host: OverlayHost) => {
  await using netlink = await openNetlink(host.netns());
  const [entries, neighbours] = [await netlink.fdb(), await netlink.neighbours()];
  const ours = entries.filter(({ destination, static: isStatic }) => destination || isStatic);
  return [...ours, ...neighbours.filter(({ permanent }) => permanent)].map((row) =>
    JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value)),
  );
};

describe("rows and links that somebody changes", () => {
  test.for([
    [
      "the tunnel's forwarding entry",
      (vx: string) => ["bridge", "fdb", "del", "02:42:0a:09:00:03", "dev", vx, "self"],
    ],
    ["the bridge's", (vx: string) => ["bridge", "fdb", "del", "02:42:0a:09:00:03", "dev", vx, "master"]],
    [
      "a container's on the bridge",
      () => ["bridge", "fdb", "del", "02:42:0a:09:00:02", "dev", "veth0", "master"],
    ],
    ["an IPv4 neighbour", (vx: string) => ["ip", "neigh", "del", "10.9.0.3", "dev", vx]],
    ["an IPv6 neighbour", (vx: string) => ["ip", "neigh", "del", "fd09::3", "dev", vx]],
    ["every neighbour", (vx: string) => ["ip", "neigh", "flush", "nud", "permanent", "dev", vx]],
    ["the gateway's route", () => ["ip", "route", "del", "10.9.0.0/24", "dev", "br0"]],
    ["the gateway's address", () => ["ip", "addr", "del", "10.9.0.1/24", "dev", "br0"]],
    ["the tunnel's place on the bridge", (vx: string) => ["ip", "link", "set", vx, "nomaster"]],
    ["the tunnel, set down", (vx: string) => ["ip", "link", "set", vx, "down"]],
    ["the bridge, set down", () => ["ip", "link", "set", "br0", "down"]],
    ["the tunnel's MTU", (vx: string) => ["ip", "link", "set", vx, "mtu", "1000"]],
    ["the tunnel itself", (vx: string) => ["ip", "link", "del", vx]],
    [
      "an entry that leads elsewhere",
      (vx: string) => ["bridge", "fdb", "replace", "02:42:0a:09:00:03", "dev", vx, "dst", "192.0.2.77"],
    ],
    [
      "a second destination",
      (vx: string) => [
        "bridge",
        "fdb",
        "append",
        "02:42:0a:09:00:03",
        "dev",
        vx,
        "dst",
        "192.0.2.77",
        "permanent",
      ],
    ],
    [
      "a neighbour with another MAC",
      (vx: string) => [
        "ip",
        "neigh",
        "replace",
        "10.9.0.3",
        "lladdr",
        "02:00:00:00:00:99",
        "nud",
        "permanent",
        "dev",
        vx,
      ],
    ],
    [
      "a foreign entry",
      (vx: string) => ["bridge", "fdb", "add", "02:00:00:00:00:99", "dev", vx, "dst", "192.0.2.77"],
    ],
    [
      "an entry for everybody",
      (vx: string) => ["bridge", "fdb", "append", "00:00:00:00:00:00", "dev", vx, "dst", "192.0.2.77"],
    ],
    [
      "a foreign neighbour",
      (vx: string) => [
        "ip",
        "neigh",
        "add",
        "10.9.0.99",
        "lladdr",
        "02:00:00:00:00:99",
        "nud",
        "permanent",
        "dev",
        vx,
      ],
    ],
    [
      "an entry of the bridge's own",
      (vx: string) => ["bridge", "fdb", "replace", "02:42:0a:09:00:03", "dev", vx, "master", "permanent"],
    ],
  ] as const)("are put back soon: %s", async ([, command]) => {
    await using lab = await Lab.create();
    await using world = await pair(lab);
    const { one, c1, c2, tunnel } = world;
    const links = async () => (await one.inside("ip", "-br", "link")).replaceAll(/^.*lo .*$/gm, "");
    const state = async () => ({
      rows: (await rows(one))
        .map((row) => row.replaceAll(/"link":\d+,?|"static":true,(?="self":true)/g, ""))
        .sort(),
      addresses: await one.inside("ip", "-br", "addr", "show", "dev", "br0"),
      routes: (await one.inside("ip", "route")).match(/^[0-9./]+ dev br0/gm),
      mtu: (await one.inside("ip", "link", "show")).match(/(?:br0|vx\d+)\S* .* mtu \d+/g)?.length,
    });
    const before = await state();
    const port = (await links()).match(/veth\S*?(?=@)/)?.[0] ?? "";
    const [file, ...args] = command(tunnel).map((word) => (word === "veth0" ? port : word));
    await one.inside(file ?? "", ...args);
    await expect.poll(state).toEqual(before);
    await expectPing(c1, c2, 4);
    await expectPing(c1, c2, 6);
  });

  test("are found by looking, where nothing tells", async () => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, cluster, "one", { looksEveryMs: 50 });
    await using two = await overlayHost(segment, cluster, "two");
    for (const host of [one, two]) await host.createNetwork();
    const c1 = await one.run("c1", ["10.9.0.2/24"]);
    const c2 = await two.run("c2", ["10.9.0.3/24"]);
    await expectPing(c1, c2);
    const before = (await rows(one)).length;
    const tunnel = /vx\d+/.exec(await one.inside("ip", "-br", "link"))?.[0] ?? "";
    await one.inside("bridge", "fdb", "del", "02:42:0a:09:00:03", "dev", tunnel, "self");
    await expect.poll(() => rows(one)).toHaveLength(before);
    await expectPing(c1, c2);
  });
});

describe("without the store", () => {
  test("flows go on, and what changed is caught up with", async () => {
    await using lab = await Lab.create();
    await using world = await pair(lab);
    const { cluster, one, two, c1, c2 } = world;
    cluster.partition("one");
    await expectPing(c1, c2);
    // a start does not wait for it
    const c3 = await one.run("c3", ["10.9.0.4/24"]);
    const c4 = await two.run("c4", ["10.9.0.5/24"]);
    await expectPing(c1, c3);
    await expect(c3.ping(c4, 4, "-W1")).rejects.toThrow("100% packet loss");
    await c2.stop();
    const stale = "02:42:0a:09:00:03";
    expect(await one.inside("bridge", "fdb", "show")).toContain(stale);
    await cluster.heal("one");
    await expectPing(c3, c4);
    await expectPing(c4, c1);
    await expect.poll(() => one.inside("bridge", "fdb", "show")).not.toContain(stale);
  });

  test("an end of a host's lease cuts nothing", async () => {
    await using lab = await Lab.create();
    await using world = await pair(lab);
    const { cluster, c1, c2 } = world;
    cluster.endLease("two");
    await cluster.settled();
    expect(world.one.cluster.isAlive("two")).toBe(false);
    await expectPing(c1, c2);
  });

  test("a daemon that starts leaves rows as they are", async () => {
    await using lab = await Lab.create();
    await using world = await pair(lab);
    const { cluster, one, c1, c2 } = world;
    const before = await rows(one);
    cluster.partition("one");
    await one.restart();
    expect(await rows(one)).toEqual(before);
    await expectPing(c1, c2);
    await cluster.heal("one");
    expect(await rows(one)).toEqual(before);
  });
});

describe("a host", () => {
  test("that leaves for good is forgotten by others", async () => {
    await using lab = await Lab.create();
    await using world = await pair(lab);
    const { cluster, one } = world;
    await cluster.removeNode("two");
    const table = await one.cluster.table("overlay-endpoints");
    await expect.poll(() => [...table.entries()].length).toBe(1);
    await expect.poll(() => rows(one)).toHaveLength(1);
  });

  test("with another address is followed", async () => {
    await using lab = await Lab.create();
    await using world = await pair(lab);
    const { one, two } = world;
    const entry = one.cluster.nodes.get("two");
    if (!entry) throw new Error("no such host");
    const moved = { ...entry.value, address: { family: 4, value: entry.value.address.value + 9n } } as const;
    await two.cluster.nodes.put("two", moved);
    const destinations = async () => (await one.inside("bridge", "fdb", "show")).match(/dst \S+/g);
    await expect.poll(destinations).toEqual(["dst 192.0.2.11"]);
  });
});

describe("a daemon that ends and starts again", () => {
  test("cuts no flow, and goes on", async () => {
    await using lab = await Lab.create();
    await using world = await pair(lab);
    const { one, c1, c2 } = world;
    await using _server = await c2.host.listen("10.9.0.3", 80);
    const ping = c2.host.run("busybox", "ping", "-c40", "-i0.05", "10.9.0.2");
    await one.restart();
    await one.restart();
    expect(await ping).toContain("40 packets received");
    await expect(c1.host).toReach("10.9.0.3:80");
    const c3 = await one.run("c3", ["10.9.0.4/24"]);
    await expectPing(c2, c3);
    await c1.stop();
    await expectNoPing(c2, c1);
  });

  test("removes what belongs to nobody, here and in the store", async () => {
    await using lab = await Lab.create();
    await using world = await pair(lab);
    const { one, two, c1 } = world;
    const c3 = await one.run("c3", ["10.9.0.4/24"]);
    const table = await two.cluster.table("overlay-endpoints");
    await expect.poll(() => [...table.entries()].length).toBe(3);
    await one.restart([c1]);
    await expect.poll(() => [...table.entries()].length).toBe(2);
    await expect.poll(() => rows(two)).toHaveLength(4);
    one.forget(c1);
    await c1.end();
    await one.restart([c3]);
    expect(await one.host.netns.list()).toEqual([]);
    await expect.poll(() => [...table.entries()].length).toBe(1);
    one.forget(c3);
    await c3.end();
  });
});

describe("VNIs", () => {
  test("are one network's in the whole cluster, and free when it is gone", async () => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, cluster, "one");
    await using two = await overlayHost(segment, cluster, "two");
    const generic = { "com.docker.network.driver.overlay.vxlanid_list": "5001" };
    await one.createNetwork({ generic });
    const red = "c2".repeat(32);
    await expect(two.createNetwork({ id: red, generic })).rejects.toThrow(
      `VNI 5001 is taken by network ${networkId.slice(0, 12)}`,
    );
    await one.deleteNetwork();
    await two.createNetwork({ id: red, generic });
    await two.deleteNetwork(red);
    const table = await one.cluster.table("vnis");
    await expect.poll(() => [...table.entries()]).toEqual([]);
  });

  test("are the same when hosts make a network at the same moment", async () => {
    await using lab = await Lab.create();
    const cluster = new FakeCluster();
    const segment = lab.segment("192.0.2.0/24");
    await using one = await overlayHost(segment, cluster, "one");
    await using two = await overlayHost(segment, cluster, "two");
    await Promise.all([one.createNetwork(), two.createNetwork()]);
    const c1 = await one.run("c1", ["10.9.0.2/24"]);
    const c2 = await two.run("c2", ["10.9.0.3/24"]);
    await expectPing(c1, c2);
  });

  test("that another device of the host has are refused by name", async () => {
    await using lab = await Lab.create();
    await using one = await overlayHost(lab.segment("192.0.2.0/24"), new FakeCluster(), "one");
    const generic = { "com.docker.network.driver.overlay.vxlanid_list": "5001" };
    await one.createNetwork({ generic });
    await one.lab.run(
      "ip",
      "link",
      "add",
      "vx0",
      "type",
      "vxlan",
      "id",
      "5001",
      "dstport",
      "4789",
      "local",
      "192.0.2.1",
    );
    await expect(one.run("c1", ["10.9.0.2/24"])).rejects.toThrow(
      "another VXLAN link of this host has VNI 5001",
    );
    expect(await one.host.netns.list()).toEqual([]);
    await one.lab.run("ip", "link", "del", "vx0");
  });
});
