// Hosts that do not come back, those that do, and what was begun and never finished. Time passes when the test says so.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openShared } from "../../../drivers/overlay/shared.ts";
import { claimVnis } from "../../../drivers/overlay/vnis.ts";
import { GoneNodes } from "../../../src/cluster/index.ts";
import { openSettings, settle } from "../../../src/daemon/cluster/settings.ts";
import { forgetOwn, hostRecords, Unfinished } from "../../../src/daemon/cluster/upkeep.ts";
import { silentLog } from "../../../src/util/log.ts";
import { graceMs, type Host, Hosts, lease, release, take, takeMany } from "../drivers/cluster-hosts.ts";

let hosts: Hosts;
let one: Host;
let two: Host;

beforeEach(async () => {
  hosts = new Hosts();
  one = await hosts.add("one");
  two = await hosts.add("two");
});
afterEach(() => hosts.close());

async function lose(id: string): Promise<void> {
  hosts.cluster.partition(id);
  hosts.cluster.endLease(id);
  await hosts.settled();
}

/** As a daemon watches, but that it looks when it is told. */
async function watch({ node }: Host): Promise<GoneNodes> {
  const records = await hostRecords(node);
  return await GoneNodes.watch(node, {
    graceMs: () => graceMs,
    recordsOf: records.of,
    hostsOnRecord: records.hosts,
    now: () => hosts.clock.now(),
  });
}

/** Everything that names a host, by table. */
async function records({ node }: Host, id: string): Promise<string[]> {
  const found = await hostRecords(node);
  return [...found.of(id)].map(({ table, entry }) => `${table.name} ${entry.key}`);
}

async function use({ node, id }: Host, networkId: string): Promise<void> {
  const users = await node.table<{ since: string }>("network-users");
  await users.put(`${networkId}/${id}`, { since: "2026-11-23T00:00:00Z" });
}

describe("a host that is gone for longer than the grace time", () => {
  test("is off the record with its blocks, its questions and its uses of networks", async () => {
    const { poolId } = await lease(one, { pool: "10.1.0.0/24" });
    await take(one, poolId);
    await take(two, poolId);
    await use(one, "blue");
    await use(two, "blue");
    await (await one.node.table("closed-ports")).put("blue/one/tcp/8080", { reason: "taken" });
    await hosts.pass(2_000);
    expect(await records(two, "one")).toContain("closed-ports blue/one/tcp/8080");
    const gone = await watch(two);
    await lose("one");
    await hosts.pass(graceMs - 5_000);
    expect(await gone.sweep()).toEqual([]);
    await hosts.pass(10_000);
    expect(await gone.sweep()).toEqual(["one"]);
    expect(await records(two, "one")).toEqual([]);
    expect([...two.node.nodes.entries()].map(({ key }) => key)).toEqual(["two"]);
    expect((await records(two, "two")).length).toBeGreaterThan(2);
    gone.close();
  });

  test("leaves single addresses in another's block to its owner, and the network's own to the network", async () => {
    const { poolId } = await lease(one, { pool: "10.1.0.0/28" });
    await one.ipam.requestAddress({ poolId, purpose: "gateway" });
    await takeMany(one, poolId, 3);
    const borrowed = await take(two, poolId, "10.1.0.7");
    await takeMany(two, poolId, 2);
    const gone = await watch(one);
    await lose("two");
    await hosts.pass(graceMs + 5_000);
    expect(await gone.sweep()).toEqual(["two"]);
    expect(await take(one, poolId, borrowed)).toBe(borrowed);
    // 14 usable, one of them the gateway's, four held
    expect(new Set(await takeMany(one, poolId, 9)).size).toBe(9);
    gone.close();
  });

  test("is one of them again when it is back, keeps what is nobody's, and is told what it lost", async () => {
    const { poolId } = await lease(one, { pool: "10.1.0.0/28" });
    const [kept = "", lost = ""] = await takeMany(one, poolId, 2);
    const gone = await watch(two);
    await lose("one");
    await hosts.pass(graceMs + 5_000);
    expect(await gone.sweep()).toEqual(["one"]);
    expect(await take(two, poolId, lost)).toBe(lost);
    await hosts.cluster.heal("one");
    await hosts.pass(3_000);
    expect(two.node.nodes.get("one")?.value.id).toBe("one");
    expect(two.node.isAlive("one")).toBe(true);
    expect(one.losses.map(({ reason }) => reason)).toEqual([
      `Address already in use: ${lost}: a container on host two has it`,
    ]);
    await expect(take(two, poolId, kept)).rejects.toThrow(/host one has it/);
    gone.close();
  });
});

test("a host that leaves takes along what is on record of it", async () => {
  const { poolId } = await lease(one, { pool: "10.1.0.0/28" });
  const held = await take(two, poolId);
  await use(two, "blue");
  await release(two, poolId, held);
  await hosts.pass(2_000);
  await forgetOwn(two.node);
  expect(await records(one, "two")).toEqual([]);
});

test("VNIs of a network that never came to be are free after the grace time, and those of others stay", async () => {
  const tables = await openShared(one.node);
  const networks = await one.node.table<object>("networks");
  for (const [networkId, vni] of [
    ["made", 5001],
    ["begun", 5002],
  ] as const)
    await claimVnis(one.node, tables, { networkId, count: 1, presets: [vni] });
  await networks.put("made", {});
  let sweeps = 0;
  const unfinished = await Unfinished.watch(one.node, {
    graceMs: () => graceMs,
    sweepPools: async () => void sweeps++,
    now: () => hosts.clock.now(),
    log: silentLog,
  });
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += graceMs / 10) {
      await hosts.pass(graceMs / 10);
      await unfinished.look();
    }
  };
  await unfinished.look();
  await pass(graceMs - graceMs / 10);
  expect(tables.vnis.get("5002")).toBeDefined();
  await pass(graceMs / 10);
  expect([...tables.vnis.entries()].map(({ key }) => key)).toEqual(["5001"]);
  expect([...tables.networks.entries()].map(({ key }) => key)).toEqual(["made"]);
  expect(sweeps).toBeGreaterThan(0);
  unfinished.close();
});

test("the grace time that the first host settles holds for all", async () => {
  const theirs = await openSettings(two.node);
  expect(theirs().graceMs).toBe(300_000);
  await settle(one.node, { subnetPools: [], graceMs: 20_000 });
  await settle(two.node, { subnetPools: [], graceMs: 90_000 });
  expect(theirs().graceMs).toBe(20_000);
});
