// Forming, joining and leaving a cluster: what is refused, and what is done in which order.

import { describe, expect, test } from "vitest";
import { clusterOperations, type NetworkUser } from "../../../src/engine/cluster.ts";
import type { ClusterOperations } from "../../../src/engine/types.ts";
import { KeyedLock } from "../../../src/util/keyed-lock.ts";
import { clusterNode, clusterView, FakeMembership, otherNode } from "./fake-membership.ts";

function operations(membership: FakeMembership, users: readonly NetworkUser[] = []): ClusterOperations {
  const stop = async (name: string) => void membership.asked.push(`stop ${name}`);
  const warnings = () => [{ nodeId: "a1", text: "a port is closed" }];
  return clusterOperations({ membership, locks: new KeyedLock(), users: () => users, warnings, stop });
}

const joining = { token: "TSDKR-1-x", remotes: ["192.0.2.11"], wish: "auto" } as const;

describe("a host in no cluster", () => {
  test("forms one, and gets what others need to join", async () => {
    const membership = new FakeMembership();
    expect(await operations(membership).init({ subnetPools: [] })).toEqual({
      nodeId: clusterView().nodeId,
      invitation: { token: "TSDKR-1-x-t1-y", remote: "192.0.2.11" },
    });
    expect(membership.asked).toEqual(["found", "token for a member"]);
  });

  test("joins one", async () => {
    const membership = new FakeMembership();
    expect(await operations(membership).join(joining)).toEqual({
      nodeId: clusterView().nodeId,
      role: "node",
    });
  });

  test("needs somebody to ask", async () => {
    await expect(operations(new FakeMembership()).join({ ...joining, remotes: [] })).rejects.toMatchObject({
      kind: "invalid",
      message: "join a cluster: the address of a member is wanted",
    });
  });

  test("is told what to type when it is asked about a cluster", async () => {
    const cluster = operations(new FakeMembership());
    const refused = { kind: "conflict", message: expect.stringContaining('"tsdocker cluster init"') };
    await expect(cluster.inspect()).rejects.toMatchObject(refused);
    await expect(cluster.leave({ force: true })).rejects.toMatchObject(refused);
    await expect(cluster.tokens()).rejects.toMatchObject(refused);
    await expect(cluster.createToken({ admits: "node", rotate: false })).rejects.toMatchObject(refused);
    await expect(cluster.removeNode("host2", { force: true })).rejects.toMatchObject(refused);
  });
});

describe("a host in a cluster", () => {
  test("forms and joins no other", async () => {
    const cluster = operations(new FakeMembership(clusterView()));
    const refused = { kind: "conflict", message: expect.stringContaining("already part of a cluster") };
    await expect(cluster.init({ subnetPools: [] })).rejects.toMatchObject(refused);
    await expect(cluster.join(joining)).rejects.toMatchObject(refused);
  });

  test("shows what somebody should see to, the membership's first", async () => {
    const lack = { nodeId: "b2", text: "no hook" };
    const { warnings } = await operations(new FakeMembership(clusterView({ warnings: [lack] }))).inspect();
    expect(warnings).toEqual([lack, { nodeId: "a1", text: "a port is closed" }]);
  });

  test("forms only one when it is asked twice at once", async () => {
    const membership = new FakeMembership();
    const cluster = operations(membership);
    const both = await Promise.allSettled([
      cluster.init({ subnetPools: [] }),
      cluster.init({ subnetPools: [] }),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(membership.asked).toEqual(["found", "token for a member"]);
  });

  test("of --cluster-store is in it as long as the daemon has the flag", async () => {
    const store = { kind: "external", address: "etcd://192.0.2.9:2379/lab" } as const;
    const cluster = operations(new FakeMembership(clusterView({ store })));
    await expect(cluster.init({ subnetPools: [] })).rejects.toThrow(
      "this host is in the cluster of etcd://192.0.2.9:2379/lab (--cluster-store)",
    );
    await expect(cluster.leave({ force: true })).rejects.toThrow("start it without");
  });
});

test("how the members are is asked only while the store answers, and is no error when it does not", async () => {
  const membership = new FakeMembership(clusterView());
  const cluster = operations(membership);
  expect(await cluster.health()).toEqual({ voters: 1, healthy: 1, tolerates: 0, warnings: [] });
  membership.isStoreGone = true;
  expect(await cluster.health()).toBeUndefined();
  membership.isStoreGone = false;
  membership.become(clusterView({ state: "frozen", trouble: "no answer" }));
  expect(await cluster.health()).toBeUndefined();
});

describe("leaving", () => {
  const self = clusterNode({ isSelf: true, role: "node" });
  const asNode = clusterView({ nodes: [self, otherNode({ role: "member" })] });

  test("is done at once by a plain node", async () => {
    const membership = new FakeMembership(asNode);
    await operations(membership).leave({ force: false });
    expect(membership.asked).toEqual(["leave"]);
  });

  test("is refused while containers use the cluster's networks, naming some", async () => {
    const membership = new FakeMembership(asNode);
    const users = ["a", "b", "c", "d"].map((container) => ({ container, network: "blue" }));
    await expect(operations(membership, users).leave({ force: false })).rejects.toMatchObject({
      kind: "conflict",
      message: expect.stringContaining("(a on blue, b on blue, c on blue and 1 more)"),
    });
    expect(membership.asked).toEqual([]);
  });

  test("by force stops those containers first", async () => {
    const membership = new FakeMembership(asNode);
    await operations(membership, [{ container: "a", network: "blue" }]).leave({ force: true });
    expect(membership.asked).toEqual(["stop a", "leave by force"]);
  });

  test.each([
    [clusterView(), "this is its only host"],
    [
      clusterView({ nodes: [clusterNode({ isSelf: true }), otherNode()] }),
      "its only member, and its 1 other",
    ],
  ])("is refused to the last member %#", async (view, message) => {
    const membership = new FakeMembership(view);
    await expect(operations(membership).leave({ force: false })).rejects.toThrow(message);
    await operations(membership).leave({ force: true });
    expect(membership.asked).toEqual(["leave by force"]);
  });

  test("is refused while nobody can be told", async () => {
    const membership = new FakeMembership({ ...asNode, state: "frozen", trouble: "no answer from etcd" });
    await expect(operations(membership).leave({ force: false })).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("(no answer from etcd)"),
    });
  });
});

describe("removing a host", () => {
  const down = otherNode({ isUp: false });
  const view = clusterView({ nodes: [clusterNode({ isSelf: true }), down] });

  test.each([down.id, down.id.slice(0, 6), "host2"])("finds it by %s", async (ref) => {
    const membership = new FakeMembership(view);
    await operations(membership).removeNode(ref, { force: false });
    expect(membership.asked).toEqual([`remove ${down.id}`]);
  });

  test("is refused while it is up, unless forced", async () => {
    const membership = new FakeMembership(
      clusterView({ nodes: [clusterNode({ isSelf: true }), otherNode()] }),
    );
    await expect(operations(membership).removeNode("host2", { force: false })).rejects.toMatchObject({
      kind: "conflict",
      message: expect.stringContaining('run "tsdocker cluster leave" there'),
    });
    await operations(membership).removeNode("host2", { force: true });
    expect(membership.asked).toEqual([`remove ${down.id}`]);
  });

  test("is refused for this host, for one that is not there, and for one of several of a name", async () => {
    const twins = ["b", "c"].map((digit) => otherNode({ id: `${digit}2`.repeat(16), name: "clone" }));
    const cluster = operations(
      new FakeMembership(clusterView({ nodes: [clusterNode({ isSelf: true }), ...twins] })),
    );
    await expect(cluster.removeNode("host1", { force: true })).rejects.toThrow('"tsdocker cluster leave"');
    await expect(cluster.removeNode("host9", { force: true })).rejects.toThrow("host host9 not found");
    await expect(cluster.removeNode("", { force: true })).rejects.toThrow("not found");
    await expect(cluster.removeNode("clone", { force: true })).rejects.toThrow("2 hosts are meant");
  });
});

describe("tokens", () => {
  test("are made, and listed without their secrets", async () => {
    const cluster = operations(new FakeMembership(clusterView()));
    const invitation = await cluster.createToken({ admits: "node", rotate: false });
    expect(invitation).toEqual({ token: "TSDKR-1-x-t1-y", remote: "192.0.2.11" });
    const tokens = await cluster.tokens();
    expect(tokens).toMatchObject([{ id: "t1", admits: "node", used: 0 }]);
    expect(JSON.stringify(tokens)).not.toContain("TSDKR");
  });

  test("are rotated for their role alone, the new one first", async () => {
    const membership = new FakeMembership(clusterView());
    const cluster = operations(membership);
    await cluster.createToken({ admits: "node", rotate: false });
    await cluster.createToken({ admits: "member", rotate: false });
    await cluster.createToken({ admits: "node", rotate: true });
    expect(membership.asked.slice(2)).toEqual(["token for a node", "remove token t1"]);
  });
});
