// What is made of packets that come back or do not: the path's state, the most that passes, what people are told.

import { describe, expect, test } from "vitest";
import { networkPeers } from "../../../drivers/overlay/network-peers.ts";
import { hasPath, pathState } from "../../../drivers/overlay/path-state.ts";
import { examinePath, type PathQuestion } from "../../../drivers/overlay/probe-path.ts";
import { endpointKey, openShared } from "../../../drivers/overlay/shared.ts";
import { Underlays } from "../../../drivers/overlay/underlays.ts";
import { probeVni } from "../../../drivers/overlay/vnis.ts";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { address, mac } from "../kernel/values.ts";

const question = { least: 28, full: 1450, patienceMs: 1_000 } as const;

/** A path that carries packets up to a size; those that are asked for are noted. */
function pathOf(most: number, lost: readonly number[] = []) {
  const asked: number[] = [];
  const ask = async (size: number) => {
    asked.push(size);
    return size <= most && !lost.includes(asked.length) ? 0.5 : undefined;
  };
  return { asked, examine: (more: Partial<PathQuestion> = {}) => examinePath(ask, { ...question, ...more }) };
}

describe("a path", () => {
  test("that is all right costs two packets", async () => {
    const { asked, examine } = pathOf(1500);
    expect(await examine()).toEqual({ roundTripMs: 0.5, mtu: 1450 });
    expect(asked).toEqual([28, 1450]);
  });

  test("that carries nothing costs three", async () => {
    const { asked, examine } = pathOf(0);
    expect(await examine()).toEqual({});
    expect(asked).toEqual([28, 28, 28]);
  });

  test("is not given up for a packet that got lost", async () => {
    expect(await pathOf(1500, [1, 2]).examine()).toEqual({ roundTripMs: 0.5, mtu: 1450 });
    expect(await pathOf(1500, [2, 3]).examine()).toEqual({ roundTripMs: 0.5, mtu: 1450 });
  });

  test("that carries less is searched for the most that passes, in few packets", async () => {
    for (const most of [28, 29, 600, 1279, 1449]) {
      const { asked, examine } = pathOf(most);
      expect(await examine()).toEqual({ roundTripMs: 0.5, mtu: most });
      expect(asked.length).toBeLessThanOrEqual(1 + 3 + 1 + 11 * 2);
    }
  });

  test("that carries what it did the last time is not searched again", async () => {
    const { asked, examine } = pathOf(1350);
    expect(await examine({ before: { roundTripMs: 0.5, mtu: 1350 } })).toMatchObject({ mtu: 1350 });
    expect(asked).toEqual([28, 1450, 1450, 1450, 28, 1350, 1351, 1351]);
  });

  test("that is cut while it is tried is no narrow one", async () => {
    const { asked, examine } = pathOf(1500, [2, 3, 4, 5, 6, 7]);
    expect(await examine()).toEqual({});
    expect(asked).toEqual([28, 1450, 1450, 1450, 28, 28, 28]);
  });

  test("that carries more or less than the last time is", async () => {
    for (const mtu of [28, 1000, 1350, 1449, 1450, 9000])
      expect(await pathOf(1349).examine({ before: { mtu } })).toMatchObject({ mtu: 1349 });
  });

  test("waits for large packets as long as small ones took, and no less than is fair", async () => {
    const patience: number[] = [];
    const slow = async (size: number, patienceMs: number) => {
      patience.push(patienceMs);
      return size > 100 ? undefined : 120;
    };
    await examinePath(slow, { ...question, full: 102 });
    expect(new Set(patience)).toEqual(new Set([1_000, 480]));
  });
});

describe("people are told", () => {
  const cluster = new FakeCluster();
  const ends = async (peerAddress = "192.0.2.12", isAlive = true) => ({
    self: (await cluster.addNode("host1", { address: address("192.0.2.11") })).self,
    peer: (await cluster.addNode("host2", { address: address(peerAddress), dataPort: 4790 })).self,
    isAlive,
    wasDown: false,
    full: 1450,
    overhead: 50,
  });

  test("nothing of a path that is all right", async () => {
    expect(pathState({ roundTripMs: 1, mtu: 1450 }, await ends())).toEqual({ state: "ok" });
  });

  test("which ports to open between which addresses", async () => {
    expect(pathState({}, await ends())).toEqual({
      state: "down",
      trouble:
        "no packet comes back: let UDP port 4789 and 4790 through between 192.0.2.11 and 192.0.2.12, both ways",
    });
    const gone = await ends("192.0.2.12", false);
    expect(pathState({}, { ...gone, wasDown: true }).trouble).toMatch(/the host is down$/);
    // the host's own news
    expect(pathState({}, gone)).toEqual({ state: "away" });
  });

  test("which MTU would do", async () => {
    const { state, trouble } = pathState({ roundTripMs: 1, mtu: 1372 }, await ends());
    expect(state).toBe("narrow");
    expect(trouble).toContain("packets of 1450 bytes are lost, 1372 is the most that passes");
    expect(trouble).toContain("carry 1500 bytes");
    expect(trouble).toContain('"-o com.docker.network.driver.mtu=1422"');
  });

  test("that addresses of two families make no tunnel", async () => {
    const both = await ends("2001:db8::2");
    expect(hasPath(both)).toBe(false);
    expect(pathState({}, both).trouble).toBe(
      "no tunnel leads from 192.0.2.11 to 2001:db8::2: advertise addresses of one family on all hosts",
    );
  });

  test("that a host has this one's address on record", async () => {
    const both = await ends("192.0.2.11");
    expect(hasPath(both)).toBe(false);
    expect(pathState({}, both).trouble).toMatch(
      /^the host is on record with this host's address, 192\.0\.2\.11/,
    );
  });
});

describe("the smallest underlay", () => {
  test("is of the hosts on record that have the family of this one's address", async () => {
    const cluster = new FakeCluster();
    const [one, two, six] = [
      await cluster.addNode("one", { address: address("192.0.2.1") }),
      await cluster.addNode("two", { address: address("192.0.2.2") }),
      await cluster.addNode("six", { address: address("2001:db8::6") }),
    ];
    const views = [one, two, six].map((host) => new Underlays(host, silentLog));
    const [first, second, third] = views;
    for (const view of views) await view.ready();
    let told = 0;
    first?.follow(() => told++);
    first?.set({ mtu: 1500 });
    second?.set({ mtu: 1400 });
    third?.set({ mtu: 1280 });
    await expect.poll(() => first?.least(1500)).toBe(1400);
    expect(told).toBeGreaterThan(0);
    expect([first?.least(1300), second?.least(1400), third?.least(1280)]).toEqual([1300, 1400, 1280]);
    await cluster.removeNode("two");
    await expect.poll(() => first?.least(1500)).toBe(1500);
    const table = await one.table("overlay-underlays");
    await expect.poll(() => table.get(two.self.id)).toBeUndefined();
    for (const view of views) view.close();
  });

  test("is told with what hosts do not guard for want of a kernel that can, until they can", async () => {
    const cluster = new FakeCluster();
    const [one, two] = [await cluster.addNode("one"), await cluster.addNode("two")];
    const views = [one, two].map((host) => new Underlays(host, silentLog));
    const [first, second] = views;
    for (const view of views) await view.ready();
    first?.set({ mtu: 1500 });
    second?.set({ mtu: 1500, lack: "netfilter's egress hook" });
    const lacks = [{ nodeId: "two", lack: expect.stringContaining("for want of netfilter's egress hook") }];
    await expect.poll(() => first?.lacks()).toEqual(lacks);
    expect(second?.lacks()).toEqual(lacks);
    second?.set({ mtu: 1500 });
    await expect.poll(() => first?.lacks()).toEqual([]);
    for (const view of views) view.close();
  });
});

test("a network's peers are the hosts with endpoints on it, by name", async () => {
  const cluster = new FakeCluster();
  const [b, a] = [await cluster.addNode("b"), await cluster.addNode("a")];
  const tables = await openShared(a);
  const record = { mac: mac("02:42:0a:09:00:02"), addresses: [address("10.9.0.2")], vni: 7 };
  await tables.endpoints.put(endpointKey("n1", "e1"), { ...record, node: b.self.id });
  await tables.endpoints.put(endpointKey("n1", "e2"), { ...record, node: b.self.id });
  await tables.endpoints.put(endpointKey("n1", "e3"), { ...record, node: a.self.id });
  await tables.endpoints.put(endpointKey("n1", "e4"), { ...record, node: "gone" });
  expect(networkPeers(a, tables, "n1").map(({ name }) => name)).toEqual(["a", "b"]);
  expect(networkPeers(a, tables, "n2")).toEqual([]);
});

test("no network gets the VNI that paths are tried with", () => {
  expect(probeVni).toBe(2 ** 24 - 1);
});
