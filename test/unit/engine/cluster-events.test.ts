// What is told of a cluster's changes.

import { expect, test } from "vitest";
import { happenings, tellOfCluster } from "../../../src/engine/cluster-events.ts";
import { Events } from "../../../src/engine/events.ts";
import type { ClusterView } from "../../../src/engine/types.ts";
import { clusterNode, clusterView, FakeMembership, otherNode } from "./fake-membership.ts";

const self = clusterNode({ isSelf: true });
const actions = (before: ClusterView | undefined, after: ClusterView | undefined) =>
  happenings(before, after).map(({ action }) => action);

test("nothing is told when nothing changed", () => {
  expect(actions(undefined, undefined)).toEqual([]);
  expect(actions(clusterView(), clusterView({ revision: 43 }))).toEqual([]);
});

test("this host's own membership is told", () => {
  expect(actions(undefined, clusterView())).toEqual(["join"]);
  expect(actions(clusterView(), undefined)).toEqual(["leave"]);
  expect(actions(clusterView(), clusterView({ id: "other" }))).toEqual(["leave", "join"]);
});

test("a store that goes and comes is told, with the reason", () => {
  const away = clusterView({ state: "frozen", trouble: "no answer" });
  expect(happenings(clusterView(), away)).toEqual([
    { action: "frozen", id: away.id, attributes: { node: self.id, reason: "no answer" } },
  ]);
  expect(actions(away, clusterView())).toEqual(["connected"]);
  expect(actions(away, { ...away, trouble: "another one" })).toEqual([]);
  expect(actions(undefined, away)).toEqual(["join", "frozen"]);
});

test("other hosts are told of by their ids, with their names", () => {
  const up = clusterView({ nodes: [self, otherNode()] });
  const down = clusterView({ nodes: [self, otherNode({ isUp: false })] });
  expect(happenings(clusterView(), up)).toEqual([
    {
      action: "node-join",
      id: otherNode().id,
      attributes: { name: "host2", address: "192.0.2.12", cluster: up.id },
    },
    expect.objectContaining({ action: "node-up", id: otherNode().id }),
  ]);
  expect(actions(up, down)).toEqual(["node-down"]);
  expect(actions(down, up)).toEqual(["node-up"]);
  expect(actions(up, clusterView())).toEqual(["node-leave"]);
  expect(actions(clusterView(), down)).toEqual(["node-join"]);
});

test("a path to another host is told of when it is lost, and when it is back, not each time that it is tried", () => {
  const nodes = [self, otherNode()];
  const path = (state: "ok" | "narrow" | "down" | "away", trouble?: string) =>
    clusterView({
      nodes,
      peers: [{ nodeId: otherNode().id, state, ...(trouble !== undefined && { trouble }) }],
    });
  expect(actions(clusterView({ nodes }), path("ok"))).toEqual([]);
  expect(happenings(path("ok"), path("down", "no packet comes back"))).toEqual([
    {
      action: "path-down",
      id: otherNode().id,
      attributes: {
        ...{ name: "host2", address: "192.0.2.12", cluster: clusterView().id },
        reason: "no packet comes back",
      },
    },
  ]);
  expect(actions(clusterView({ nodes }), path("down"))).toEqual(["path-down"]);
  expect(actions(path("down"), path("down"))).toEqual([]);
  expect(actions(path("down"), path("narrow"))).toEqual(["path-narrow"]);
  expect(actions(path("narrow"), path("ok"))).toEqual(["path-ok"]);
  expect([...actions(path("ok"), path("away")), ...actions(path("away"), path("ok"))]).toEqual([]);
  expect(actions(path("away"), path("down"))).toEqual(["path-down"]);
});

test("events are of the type cluster, and end with the listener", async () => {
  const events = new Events();
  const membership = new FakeMembership();
  const ending = new AbortController();
  const heard = events.subscribe({ filters: new Map([["type", ["cluster"]]]) }, ending.signal);
  const stop = tellOfCluster(events, membership);
  membership.become(clusterView());
  stop();
  membership.become(undefined);
  ending.abort();
  const told: string[] = [];
  for await (const { type, action } of heard) told.push(`${type} ${action}`);
  expect(told).toEqual(["cluster join"]);
});

test("networks that other hosts make and remove are events as those of this host are", async () => {
  const events = new Events();
  const membership = new FakeMembership(clusterView());
  const ending = new AbortController();
  const heard = events.subscribe({ filters: new Map() }, ending.signal);
  const stop = tellOfCluster(events, membership);
  const blue = { id: "b".repeat(64), name: "blue", driver: "overlay" };
  membership.hear({ action: "create", ...blue });
  membership.hear({ action: "destroy", ...blue });
  stop();
  membership.hear({ action: "create", ...blue });
  ending.abort();
  const told: unknown[] = [];
  for await (const { type, action, actor } of heard) told.push([type, action, actor.id, actor.attributes]);
  expect(told).toEqual([
    ["network", "create", blue.id, { name: "blue", type: "overlay" }],
    ["network", "destroy", blue.id, { name: "blue", type: "overlay" }],
  ]);
});
