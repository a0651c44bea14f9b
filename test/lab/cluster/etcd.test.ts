// The etcd client against real members.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  addMember,
  deleteKey,
  EtcdClient,
  grantLease,
  isAtRevision,
  leaseTimeLeft,
  listAlarms,
  listMembers,
  memberStatus,
  openWatch,
  parseEndpoints,
  putKey,
  readHead,
  readKey,
  readPrefix,
  removeMember,
  revokeLease,
  transact,
} from "../../../src/cluster/etcd/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import { everyStep } from "../steps.ts";
import { cut, EtcdFixture } from "./etcd-fixture.ts";

const doing = "try it";

describe("three members", () => {
  let lab: Lab;
  let hosts: LabHost[];
  let client: LabHost;
  let etcd: EtcdFixture;

  beforeAll(async () => {
    lab = await Lab.create();
    const lan = lab.segment("192.0.2.0/24");
    hosts = [await lan.host("m0"), await lan.host("m1"), await lan.host("m2")];
    client = await lan.host("client");
    etcd = await EtcdFixture.start(hosts);
  });
  afterAll(() =>
    everyStep(
      async () => await etcd?.[Symbol.asyncDispose](),
      async () => await lab?.[Symbol.asyncDispose](),
    ),
  );
  // tests kill them
  afterEach(async () => {
    for (const member of etcd.members) await member.start();
    await etcd.leader();
  });

  const connect = async () => {
    const reach = await etcd.reachFrom(client);
    return new EtcdClient({ endpoints: reach.endpoints });
  };

  test("list each other and say how they are", async () => {
    using store = await connect();
    const members = await listMembers(store);
    expect(members.map(({ name }) => name).sort()).toEqual(["m0", "m1", "m2"]);
    const statuses = await Promise.all(store.connections().map((at) => memberStatus(store, at)));
    expect(statuses.filter(({ isLeader }) => isLeader)).toHaveLength(1);
    expect(statuses).toMatchObject(members.map(() => ({ version: "3.4.23", hasLeader: true, errors: [] })));
    expect(await listAlarms(store)).toEqual([]);
  });

  test("write under conditions, and say what stands in the way", async () => {
    using store = await connect();
    const create = { compare: [isAtRevision("/t/a", 0)], success: [putKey("/t/a", "1")] };
    const made = await transact(store, create, { doing });
    expect(made.succeeded).toBe(true);
    expect((await transact(store, create, { doing })).succeeded).toBe(false);
    const read = await readKey(store, "/t/a", { doing });
    expect(read?.modRevision).toBe(made.header?.revision);
    const replace = {
      compare: [isAtRevision("/t/a", Number(read?.modRevision))],
      success: [deleteKey("/t/a")],
    };
    expect((await transact(store, replace, { doing })).succeeded).toBe(true);
    expect(await readKey(store, "/t/a", { doing })).toBeUndefined();
  });

  test("are read whole in pages as of one revision", async () => {
    using store = await connect();
    for (let page = 0; page < 21; page++) {
      const success = Array.from({ length: 120 }, (_, row) => putKey(`/many/${page}-${row}`, "x"));
      await transact(store, { success }, { doing });
    }
    const reading = await readPrefix(store, "/many/", { doing });
    expect(reading.keys).toHaveLength(2_520);
    expect(new Set(reading.keys.map(({ key }) => new TextDecoder().decode(key))).size).toBe(2_520);
    expect(reading.revision).toBe((await readHead(store, "/many/", { doing })).revision);
  });

  test("tell what happens under a prefix, a revision in a call", async () => {
    using store = await connect();
    const [at] = store.connections();
    if (!at) throw new Error("no member");
    const { revision } = await readHead(store, "/w/", { doing });
    const heard: (readonly [number, string[]])[] = [];
    const decoder = new TextDecoder();
    const watch = await openWatch(store, at, {
      prefix: "/w/",
      fromRevision: revision + 1,
      onRevision: (at, events) =>
        heard.push([at - revision, events.map(({ type, kv }) => `${type} ${decoder.decode(kv?.key)}`)]),
      timeoutMs: 20_000,
    });
    await transact(store, { success: [putKey("/w/a", "1"), putKey("/w/b", "1")] }, { doing });
    await transact(store, { success: [putKey("/other", "1")] }, { doing });
    await transact(store, { success: [deleteKey("/w/a")] }, { doing });
    await expect
      .poll(() => heard)
      .toEqual([
        [1, ["0 /w/a", "0 /w/b"]],
        [3, ["1 /w/a"]],
      ]);
    watch.close();
    await watch.ended;
  });

  test("put a revision together that is larger than a message", async () => {
    using store = await connect();
    const [at] = store.connections();
    if (!at) throw new Error("no member");
    const { revision } = await readHead(store, "/large/", { doing });
    const heard: number[] = [];
    const text = "x".repeat(12_000);
    const success = Array.from({ length: 120 }, (_, row) => putKey(`/large/${row}`, text));
    for (let write = 0; write < 3; write++) await transact(store, { success }, { doing });
    const watch = await openWatch(store, at, {
      prefix: "/large/",
      fromRevision: revision + 1,
      onRevision: (_at, events) => heard.push(events.length),
      timeoutMs: 20_000,
    });
    await expect.poll(() => heard).toEqual([120, 120, 120]);
    watch.close();
  });

  test("end a lease's keys with it", async () => {
    using store = await connect();
    const lease = await grantLease(store, 30, { doing });
    await transact(store, { success: [putKey("/l/a", "1", lease.id)] }, { doing });
    expect(await leaseTimeLeft(store, lease.id, { doing })).toBeGreaterThan(20);
    await revokeLease(store, lease.id, { doing });
    expect(await readKey(store, "/l/a", { doing })).toBeUndefined();
    expect(await leaseTimeLeft(store, lease.id, { doing })).toBe(-1);
    await revokeLease(store, lease.id, { doing });
  });

  test("take members in and let them go", async () => {
    using store = await connect();
    const { added, members } = await addMember(store, ["http://192.0.2.99:2380"], { isLearner: true });
    expect(added).toMatchObject({ name: "", isLearner: true, peerUrls: ["http://192.0.2.99:2380"] });
    expect(members).toHaveLength(4);
    expect(await removeMember(store, added.id)).toHaveLength(3);
    await expect(removeMember(store, added.id)).rejects.toMatchObject({ kind: "not-found" });
  });

  test("refuse too much at once in words", async () => {
    using store = await connect();
    const success = [putKey("/big", "x".repeat(2_000_000))];
    await expect(transact(store, { success }, { doing })).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining("larger than the store takes"),
    });
  });

  test("a dead one costs little: the others are asked", async () => {
    using store = await connect();
    const [first] = etcd.members;
    await first?.kill();
    await etcd.leader();
    for (let call = 0; call < 20; call++) await readHead(store, "/", { doing });
    expect(
      store
        .connections()
        .map(({ name }) => name)
        .at(-1),
    ).toBe(`${first?.address}:2379`);
  });

  test("one behind a cut cable costs a moment, and then nothing", async () => {
    using store = await connect();
    await readHead(store, "/", { doing });
    const cable = await cut(client, hosts[0]?.address() ?? "");
    try {
      await readHead(store, "/", { doing });
      expect(store.connections().at(-1)?.name).toBe("192.0.2.1:2379");
      for (let call = 0; call < 20; call++) await readHead(store, "/", { doing });
    } finally {
      await cable.join();
    }
  });

  test("one that has lost the others refuses, and the others are asked", async () => {
    using store = await connect();
    const [lone, ...others] = hosts;
    if (!lone) throw new Error("no host");
    const cable = await cut(lone, ...others.map((host) => host.address()));
    try {
      await etcd.leader(etcd.members.slice(1));
      await expect.poll(() => etcd.members[0]?.role()).toBeUndefined();
      await transact(store, { success: [putKey("/t/b", "1")] }, { doing });
      expect(store.connections().at(-1)?.name).toBe("192.0.2.1:2379");
      const [, , at] = store.connections();
      if (!at) throw new Error("no member");
      await expect(readHead(store, "/", { doing, at, timeoutMs: 5_000 })).rejects.toMatchObject({
        kind: "unavailable",
        message: expect.stringContaining("no leader (etcd at 192.0.2.1:2379)"),
      });
    } finally {
      await cable.join();
    }
  });

  test("a write waits for a new leader when the old one was killed", async () => {
    using store = await connect();
    const leader = await etcd.leader();
    await etcd.members[leader]?.kill();
    const outcome = await transact(store, { success: [putKey("/t/c", "1")] }, { doing }).catch(
      (error: unknown) => error,
    );
    // it may have been with the old leader when that died: then nobody knows, and nothing is done twice
    if (outcome instanceof Error) expect(outcome).toMatchObject({ kind: "unavailable" });
    await transact(store, { success: [putKey("/t/c", "2")] }, { doing, timeoutMs: 20_000 });
  });

  test("without any the error says what was tried where", async () => {
    using store = new EtcdClient({ endpoints: parseEndpoints("127.0.0.1:1,127.0.0.1:2") });
    const work = readHead(store, "/", { doing: "read the records" });
    await expect(work).rejects.toMatchObject({ kind: "unavailable" });
    await expect(work).rejects.toThrow(
      "read the records: connect ECONNREFUSED 127.0.0.1:1 (etcd at 127.0.0.1:1); connect ECONNREFUSED 127.0.0.1:2 (etcd at 127.0.0.1:2)",
    );
  });
});
