// What overlay drivers share: VNIs, who is where, and who may tunnel with whom.

import { describe, expect, test } from "vitest";
import { Peers } from "../../../drivers/overlay/peers.ts";
import { openShared, type PublishedEndpoint, publishEndpoints } from "../../../drivers/overlay/shared.ts";
import { chooseVnis, claimVnis, releaseVnis } from "../../../drivers/overlay/vnis.ts";
import { FakeCluster, type FakeHost } from "../../../src/cluster/index.ts";
import type { TunnelWish } from "../../../src/driverapi/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { address, mac } from "../kernel/values.ts";

const blue = "b1".repeat(32);
const red = "c2".repeat(32);

describe("VNIs", () => {
  test("are the same for the same network, above 4095, and never one that is taken", () => {
    const free = { get: () => undefined };
    const [first = 0, second = 0] = chooseVnis({ networkId: blue, count: 2, presets: [] }, free);
    expect(chooseVnis({ networkId: blue, count: 2, presets: [] }, free)).toEqual([first, second]);
    expect(Math.min(first, second)).toBeGreaterThanOrEqual(4096);
    expect(Math.max(first, second)).toBeLessThan(2 ** 24);
    const entry = { key: String(first), value: { networkId: red }, revision: 1 };
    const taken = { get: (key: string) => (key === String(first) ? entry : undefined) };
    expect(chooseVnis({ networkId: blue, count: 1, presets: [] }, taken)).toEqual([first + 1]);
  });

  test("are claimed once, whoever asks, and free again when they are released", async () => {
    const cluster = new FakeCluster();
    const hosts = [await cluster.addNode("one"), await cluster.addNode("two")];
    const wish = { networkId: blue, count: 3, presets: [] };
    const claims = await Promise.all(
      hosts.map(async (host) => claimVnis(host, await openShared(host), wish)),
    );
    expect(claims[0]?.vnis).toEqual(claims[1]?.vnis);
    expect(claims.filter(({ isNew }) => isNew)).toHaveLength(1);
    for (const host of hosts) await releaseVnis(host, await openShared(host), blue);
    await cluster.settled();
    for (const host of hosts) {
      const { networks, vnis } = await openShared(host);
      expect([...networks.entries(), ...vnis.entries()]).toEqual([]);
    }
  });

  test("that a user chose are refused when they are another network's", async () => {
    const cluster = new FakeCluster();
    const host = await cluster.addNode("one");
    const tables = await openShared(host);
    await claimVnis(host, tables, { networkId: blue, count: 2, presets: [5001, 5002] });
    const claim = claimVnis(host, tables, { networkId: red, count: 1, presets: [5002] });
    await expect(claim).rejects.toMatchObject({
      kind: "conflict",
      message: /VNI 5002 is taken by network b1b1/,
    });
    expect(tables.networks.get(red)).toBeUndefined();
  });

  test("cannot be claimed without the store", async () => {
    const cluster = new FakeCluster();
    const host = await cluster.addNode("one");
    const tables = await openShared(host);
    cluster.partition("one");
    await expect(claimVnis(host, tables, { networkId: blue, count: 1, presets: [] })).rejects.toMatchObject({
      kind: "unavailable",
    });
  });
});

describe("a host's endpoints", () => {
  const endpoint = (node: string): PublishedEndpoint => ({
    node,
    mac: mac("02:42:0a:09:00:02"),
    addresses: [address("10.9.0.2")],
    vni: 5001,
  });

  async function publisherOf(host: FakeHost) {
    const published = publishEndpoints(host);
    const { endpoints } = await openShared(host);
    return { published, endpoints, [Symbol.dispose]: () => published.close() };
  }

  test("are told to others, and untold", async () => {
    const cluster = new FakeCluster();
    using one = await publisherOf(await cluster.addNode("one"));
    const { endpoints } = await openShared(await cluster.addNode("two"));
    for (let at = 0; at < 120; at++) one.published.set(`n/${at}`, endpoint("one"));
    await expect.poll(() => [...endpoints.entries()].length).toBe(120);
    expect(endpoints.get("n/7")?.value).toEqual(endpoint("one"));
    for (let at = 0; at < 120; at++) one.published.delete(`n/${at}`);
    await expect.poll(() => [...endpoints.entries()].length).toBe(0);
  });

  test("are told when the store is back", async () => {
    const cluster = new FakeCluster();
    using one = await publisherOf(await cluster.addNode("one"));
    const { endpoints } = await openShared(await cluster.addNode("two"));
    cluster.partition("one");
    one.published.set("n/a", endpoint("one"));
    await one.published.settle();
    expect(endpoints.get("n/a")).toBeUndefined();
    await cluster.heal("one");
    await expect.poll(() => endpoints.get("n/a")?.value.node).toBe("one");
  });

  test("are told again when somebody changed or deleted them", async () => {
    const cluster = new FakeCluster();
    using one = await publisherOf(await cluster.addNode("one"));
    const { endpoints } = await openShared(await cluster.addNode("two"));
    one.published.set("n/a", endpoint("one"));
    await expect.poll(() => endpoints.get("n/a")?.value).toEqual(endpoint("one"));
    await endpoints.delete("n/a");
    await expect.poll(() => endpoints.get("n/a")?.value).toEqual(endpoint("one"));
    await endpoints.put("n/a", { ...endpoint("one"), vni: 7 });
    await expect.poll(() => endpoints.get("n/a")?.value.vni).toBe(5001);
  });

  test("that a crash left on record go when all that there are is known", async () => {
    const cluster = new FakeCluster();
    const host = await cluster.addNode("one");
    await cluster.addNode("two");
    const { endpoints } = await openShared(host);
    await endpoints.put("n/left", endpoint("one"));
    await endpoints.put("n/others", endpoint("two"));
    await endpoints.put("n/nobodys", endpoint("three"));
    using one = await publisherOf(host);
    one.published.set("n/a", endpoint("one"));
    await expect.poll(() => endpoints.get("n/a")?.value.node).toBe("one");
    expect(endpoints.get("n/left")).toBeDefined();
    one.published.sweep();
    await expect.poll(() => endpoints.get("n/left")).toBeUndefined();
    await expect.poll(() => endpoints.get("n/nobodys")).toBeUndefined();
    expect(endpoints.get("n/others")).toBeDefined();
  });

  test("go with a host that leaves for good", async () => {
    const cluster = new FakeCluster();
    using one = await publisherOf(await cluster.addNode("one"));
    await cluster.addNode("two");
    await one.endpoints.put("n/gone", endpoint("two"));
    cluster.endLease("two");
    await cluster.settled();
    await one.published.settle();
    expect(one.endpoints.get("n/gone")).toBeDefined();
    await cluster.removeNode("two");
    await expect.poll(() => one.endpoints.get("n/gone")).toBeUndefined();
  });
});

describe("who may tunnel with a host", () => {
  function notebook() {
    const wishes: (TunnelWish | undefined)[] = [];
    const tunnels = { set: async (wish: TunnelWish | undefined) => void wishes.push(wish) };
    return { wishes, peers: new Peers({ tunnels, log: silentLog }) };
  }

  test("is every host of the cluster, from before the first network to after the last", async () => {
    const cluster = new FakeCluster();
    const host = await cluster.addNode("one");
    const { wishes, peers } = notebook();
    await peers.hold(blue, host);
    await peers.hold(red, host);
    await cluster.addNode("two", { dataPort: 4790 });
    await expect.poll(() => wishes.at(-1)?.ports).toEqual([4789, 4790]);
    expect(wishes.at(-1)?.nodes).toContainEqual(address("192.0.2.2"));
    await cluster.removeNode("two");
    await expect.poll(() => wishes.at(-1)?.nodes).not.toContainEqual(address("192.0.2.2"));
    await peers.release(blue);
    expect(wishes.at(-1)).toBeDefined();
    await peers.release(red);
    expect(wishes.at(-1)).toBeUndefined();
    const told = wishes.length;
    await cluster.addNode("three");
    expect(wishes).toHaveLength(told);
  });
});
