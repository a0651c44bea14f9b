import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { SeatKeeper } from "../../../../src/cluster/join/seat-keeper.ts";
import type { Seat } from "../../../../src/cluster/join/seats.ts";
import { silentLog } from "../../../../src/util/log.ts";
import { admission, createSite, nodeIdOf, peerUrlOf, type Site } from "./site.ts";

let site: Site;
let keeper: SeatKeeper;
const addresses: Record<string, string> = { a: "192.0.2.1", b: "192.0.2.2", c: "192.0.2.3", d: "192.0.2.4" };
const urlOf = (digit: string) => peerUrlOf(addresses[digit] ?? "");
const seats = () => [...site.tables.admissions.entries()].map(({ value }) => value.seat);
const votes = () => site.members.records.filter(({ isLearner }) => !isLearner).length;

beforeEach(async () => {
  site = await createSite();
  keeper = createKeeper(site);
});

/** One that looks only when asked. */
function createKeeper({ tables, members, host }: Site): SeatKeeper {
  const made = new SeatKeeper({
    ...{ tables, members, log: silentLog, isAlive: (nodeId) => host.isAlive(nodeId) },
    ...{ now: () => new Date(site.time), patienceMs: 60_000, intervalMs: 1e9 },
  });
  onTestFinished(() => made.close());
  return made;
}

async function addHost(digit: string, seat: Seat = "node"): Promise<void> {
  await site.cluster.addNode(nodeIdOf(digit));
  await site.tables.admissions.create(nodeIdOf(digit), admission(digit, { seat }));
  if (seat === "member") site.members.seat(nodeIdOf(digit), urlOf(digit));
  await site.cluster.settled();
}

async function die(digit: string): Promise<void> {
  site.cluster.endLease(nodeIdOf(digit));
  await site.cluster.settled();
}

describe("seats", () => {
  test("are not offered to a second host, and to both when a third comes", async () => {
    await addHost("b");
    await keeper.look();
    expect(seats()).toEqual(["member", "node"]);
    await addHost("c");
    expect(await keeper.look()).toBe(true);
    expect(seats()).toEqual(["member", "offered", "offered"]);
  });

  test("become a member's when its etcd has caught up, not before", async () => {
    for (const digit of ["b", "c"]) await addHost(digit);
    await keeper.look();
    await site.members.addLearner(urlOf("b"));
    await keeper.look();
    expect(votes()).toBe(1);
    site.members.start(nodeIdOf("b"), urlOf("b"));
    await keeper.look();
    expect(seats()).toEqual(["member", "member", "offered"]);
    await site.members.addLearner(urlOf("c"));
    site.members.start(nodeIdOf("c"), urlOf("c"));
    expect(await keeper.look()).toBe(true);
    expect(await keeper.look()).toBe(false);
    expect(seats()).toEqual(["member", "member", "member"]);
    expect(votes()).toBe(3);
  });

  test("go to somebody else when the newcomer never comes up, and it is not asked again for ten minutes", async () => {
    for (const digit of ["b", "c"]) await addHost(digit);
    await keeper.look();
    await site.members.addLearner(urlOf("b"));
    await keeper.look();
    site.time += 61_000;
    await keeper.look();
    expect(await site.members.list()).toHaveLength(1);
    await keeper.look();
    expect(seats()).toEqual(["member", "node", "node"]);
    await addHost("d");
    await keeper.look();
    expect(seats()).toEqual(["member", "node", "offered", "offered"]);
    site.time += 600_000;
    await keeper.look();
    expect(seats()).toEqual(["member", "node", "offered", "offered"]);
  });

  test("that were offered are taken back from a host that died", async () => {
    for (const digit of ["b", "c"]) await addHost(digit);
    await keeper.look();
    await site.members.addLearner(urlOf("b"));
    await die("b");
    await keeper.look();
    expect(seats()).toEqual(["member", "node", "node"]);
    expect(await site.members.list()).toHaveLength(1);
  });

  test("of a member that was removed are filled from the nodes", async () => {
    for (const digit of ["b", "c"]) await addHost(digit, "member");
    await addHost("d");
    await site.members.remove((await site.members.list())[2]?.id ?? "");
    await site.tables.admissions.delete(nodeIdOf("c"));
    await keeper.look();
    expect(seats()).toEqual(["member", "member", "offered"]);
  });
});

describe("what a member left half done that died", () => {
  test("a vote that was given is put on record", async () => {
    await addHost("b", "offered");
    await addHost("c", "offered");
    site.members.seat(nodeIdOf("b"), urlOf("b"));
    await keeper.look();
    expect(seats()).toEqual(["member", "member", "offered"]);
  });

  test("a member that etcd no longer has is put on record as a plain node", async () => {
    await addHost("b", "member");
    await addHost("c", "member");
    await site.members.remove((await site.members.list())[1]?.id ?? "");
    await keeper.look();
    expect(seats()).toEqual(["member", "node", "member"]);
  });

  test("a learner that nobody expects is removed", async () => {
    await site.members.addLearner(urlOf("d"));
    await keeper.look();
    expect(await site.members.list()).toHaveLength(1);
  });
});

test("two members that look at once do the same once", async () => {
  for (const digit of ["b", "c"]) await addHost(digit);
  await Promise.all([keeper.look(), createKeeper(site).look()]);
  expect(seats()).toEqual(["member", "offered", "offered"]);
});

test("without a quorum nothing is changed, and looking goes on", async () => {
  await addHost("b");
  site.members.isAway = true;
  await expect(keeper.look()).rejects.toMatchObject({ kind: "unavailable" });
  site.members.isAway = false;
  await addHost("c");
  keeper.nudge();
  await expect.poll(seats).toEqual(["member", "offered", "offered"]);
});
