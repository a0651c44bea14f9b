// What a host knows of its cluster, put together.

import { expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import type { Admission } from "../../../src/cluster/join/admission.ts";
import { defaultPorts } from "../../../src/cluster/join/identity.ts";
import { type KnownCluster, viewCluster } from "../../../src/daemon/cluster/view.ts";

const admission = (nodeId: string, seat: Admission["seat"], address: string): Admission => ({
  ...{ nodeId, name: nodeId, address, ports: defaultPorts, wish: "auto", seat },
  ...{ joinedAt: "2026-11-01T10:00:00Z", certificates: [] },
});

async function known(): Promise<{
  cluster: FakeCluster;
  view: (more?: Partial<KnownCluster>) => ReturnType<typeof viewCluster>;
}> {
  const cluster = new FakeCluster("c1");
  const [b] = [await cluster.addNode("b"), await cluster.addNode("a")];
  const store = { kind: "own", address: "https://192.0.2.1:2379" } as const;
  const base = { id: "c1", self: b.self, store, cluster: b, trouble: undefined, peers: [], warnings: [] };
  const admissions = new Map([
    ["b", admission("b", "member", "192.0.2.1")],
    ["c", admission("c", "offered", "192.0.2.3")],
  ]);
  return { cluster, view: (more = {}) => viewCluster({ ...base, admissions, ...more }) };
}

test("hosts are in the order of their names, with what they are and whether they live", async () => {
  const { cluster, view } = await known();
  cluster.endLease("a");
  await cluster.settled();
  const { nodes, state, nodeId } = view();
  expect({ state, nodeId }).toEqual({ state: "connected", nodeId: "b" });
  expect(nodes.map(({ id, role, isUp, isSelf }) => ({ id, role, isUp, isSelf }))).toEqual([
    { id: "a", role: "node", isUp: false, isSelf: false },
    { id: "b", role: "member", isUp: true, isSelf: true },
    // admitted, and not heard of yet
    { id: "c", role: "node", isUp: false, isSelf: false },
  ]);
});

test("a store that is away freezes it, with the reason; what is wrong here comes first", async () => {
  const { cluster, view } = await known();
  cluster.partition("b");
  expect(view()).toMatchObject({ state: "frozen", trouble: expect.stringContaining("cut off") });
  expect(view().nodes).toHaveLength(3);
  expect(view({ trouble: "this host was removed" })).toMatchObject({ trouble: "this host was removed" });
});

test("before the store has ever answered there is this host alone", async () => {
  const { view } = await known();
  const { state, trouble, nodes, revision } = view({ cluster: undefined, admissions: undefined });
  expect({ state, trouble, revision }).toEqual({
    state: "frozen",
    trouble: "its store has not answered yet",
    revision: 0,
  });
  expect(nodes.map(({ id, isUp }) => ({ id, isUp }))).toEqual([{ id: "b", isUp: true }]);
});
