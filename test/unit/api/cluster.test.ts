// Clusters on the wire: requests to values, values to documents.

import { describe, expect, test } from "vitest";
import { readFounding, readJoining, readTokenRequest } from "../../../src/api/cluster/read.ts";
import { clusterWire, tokenWire } from "../../../src/api/cluster/view.ts";
import { infoWire } from "../../../src/api/system/info.ts";
import { clusterNode, clusterView, otherNode } from "../engine/fake-membership.ts";
import { fakeEngine, infoFacts, prefix } from "./fake-engine.ts";
import { ServedApi } from "./serve.ts";

describe("what is asked", () => {
  test("an empty request leaves all to the daemon", () => {
    expect(readFounding({})).toEqual({ subnetPools: [] });
    expect(readTokenRequest({})).toEqual({ admits: "member", rotate: false });
    expect(readJoining({ JoinToken: "t", RemoteAddrs: ["192.0.2.11", ""] })).toEqual({
      token: "t",
      remotes: ["192.0.2.11"],
      wish: "auto",
    });
  });

  test("what is given becomes values", () => {
    const founding = readFounding({
      AdvertiseAddr: "eth0",
      ListenAddr: "192.0.2.11:2377",
      DataPort: 4790,
      SubnetPools: [{ Base: "10.64.0.0/10" }, { Base: "fd00:1::/48", Size: 80 }],
    });
    expect(founding).toEqual({
      advertise: "eth0",
      listen: "192.0.2.11:2377",
      dataPort: 4790,
      subnetPools: [
        { base: prefix("10.64.0.0/10"), size: 24 },
        { base: prefix("fd00:1::/48"), size: 80 },
      ],
    });
    expect(readTokenRequest({ Role: "node", Lifetime: 3_600e9, Uses: 2, Rotate: true })).toEqual({
      admits: "node",
      lifetimeMs: 3_600_000,
      uses: 2,
      rotate: true,
    });
    expect(readJoining({ JoinToken: "t", RemoteAddrs: ["a"], Role: "node" }).wish).toBe("node");
  });

  test.each([
    [() => readFounding({ DataPort: 70_000 }), "invalid DataPort: 70000 is not a port"],
    [() => readFounding({ DataPort: -1 }), "invalid DataPort"],
    [() => readFounding({ SubnetPools: [{ Base: "10.0.0.0" }] }), 'invalid subnet pool: "10.0.0.0"'],
    [() => readFounding({ SubnetPools: [{ Base: "10.0.0.1/8" }] }), "has host bits set"],
    [
      () => readFounding({ SubnetPools: [{ Base: "10.0.0.0/24", Size: 16 }] }),
      "10.0.0.0/24 has no subnets of length 16",
    ],
    [() => readFounding({ SubnetPools: [{ Base: "10.0.0.0/24", Size: 31 }] }), "of length 31"],
    [() => readJoining({ RemoteAddrs: ["a"] }), "invalid JoinToken"],
    [() => readJoining({ JoinToken: "t" }), "invalid RemoteAddrs"],
    [
      () => readJoining({ JoinToken: "t", RemoteAddrs: ["a"], Role: "boss" }),
      '"boss" is neither member nor node',
    ],
    [() => readTokenRequest({ Role: "auto" }), '"auto" is neither'],
    [() => readTokenRequest({ Lifetime: -1 }), "invalid Lifetime"],
    [() => readTokenRequest({ Uses: -1 }), "invalid Uses"],
  ])("what is malformed is refused by its name %#", (read, message) => {
    expect(read).toThrow(
      expect.objectContaining({ kind: "invalid", message: expect.stringContaining(message) }),
    );
  });
});

test("a cluster is shown with its hosts, and the paths to them as far as they are known", () => {
  const checkedAt = new Date("2026-11-01T10:00:00Z");
  const view = clusterView({
    state: "frozen",
    trouble: "no answer",
    nodes: [clusterNode({ isSelf: true }), otherNode({ isUp: false })],
    peers: [
      { nodeId: otherNode().id, state: "ok", roundTripMs: 0.4, mtu: 1450, checkedAt },
      { nodeId: "d4".repeat(16), state: "down", trouble: "nothing comes back" },
    ],
    warnings: [{ nodeId: otherNode().id, text: "a port is closed" }],
  });
  expect(clusterWire(view)).toEqual({
    ID: view.id,
    State: "frozen",
    Trouble: "no answer",
    Revision: 42,
    NodeID: view.nodeId,
    Store: { Kind: "own", Address: "https://192.0.2.11:2379" },
    Nodes: [
      {
        ID: view.nodeId,
        Name: "host1",
        Address: "192.0.2.11",
        DataPort: 4789,
        Role: "member",
        Status: "up",
        Version: "0.1.0",
        Self: true,
      },
      expect.objectContaining({ Name: "host2", Role: "node", Status: "down", Self: false }),
    ],
    Peers: [
      {
        NodeID: otherNode().id,
        Path: "ok",
        RoundTripMs: 0.4,
        MTU: 1450,
        Trouble: "",
        CheckedAt: "2026-11-01T10:00:00Z",
      },
      { NodeID: "d4".repeat(16), Path: "down", Trouble: "nothing comes back" },
    ],
    Warnings: [{ NodeID: otherNode().id, Text: "a port is closed" }],
  });
});

test("a token is shown with what it is good for", () => {
  const [createdAt, expiresAt] = [new Date("2026-11-01T10:00:00Z"), new Date("2026-11-02T10:00:00Z")];
  expect(tokenWire({ id: "t1", admits: "node", createdAt, expiresAt, used: 1, uses: 3 })).toEqual({
    ID: "t1",
    Role: "node",
    CreatedAt: "2026-11-01T10:00:00Z",
    ExpiresAt: "2026-11-02T10:00:00Z",
    Used: 1,
    Uses: 3,
  });
});

describe("the routes", () => {
  const invitation = { token: "TSDKR-1-a-b-c", remote: "192.0.2.11" };

  test("are served in every version, beside Docker's swarm, which there is not", async () => {
    const warnings = ["member host3 does not answer"];
    const health = async () => ({ voters: 3, healthy: 2, tolerates: 0, warnings });
    const cluster = { inspect: async () => clusterView(), health };
    await using api = await ServedApi.create(fakeEngine({ cluster }));
    for (const path of ["/cluster", "/v1.40/cluster"])
      expect((await api.ask("GET", path)).json()).toMatchObject({ State: "connected", Revision: 42 });
    expect((await api.ask("GET", "/cluster?health=1")).json()).toMatchObject({
      Health: { Voters: 3, Healthy: 2, Tolerates: 0, Warnings: ["member host3 does not answer"] },
    });
    expect((await api.ask("GET", "/cluster/nodes")).json()).toMatchObject([{ Name: "host1", Self: true }]);
    expect((await api.ask("GET", "/swarm")).status).toBe(503);
    expect((await api.ask("GET", "/nodes")).status).toBe(503);
  });

  test("answer with what a host needs to join, once", async () => {
    const nodeId = clusterView().nodeId;
    const cluster = {
      init: async () => ({ nodeId, invitation }),
      join: async () => ({ nodeId, role: "node" as const }),
      createToken: async () => invitation,
    };
    await using api = await ServedApi.create(fakeEngine({ cluster }));
    expect(await api.ask("POST", "/cluster/init")).toMatchObject({
      status: 200,
      text: `{"NodeID":"${nodeId}","Token":"TSDKR-1-a-b-c","Remote":"192.0.2.11"}\n`,
    });
    expect(await api.ask("POST", "/cluster/tokens", { body: { Role: "node" } })).toMatchObject({
      status: 201,
      text: '{"Token":"TSDKR-1-a-b-c","Remote":"192.0.2.11"}\n',
    });
    const body = { JoinToken: "t", RemoteAddrs: ["192.0.2.11"] };
    expect((await api.ask("POST", "/cluster/join", { body })).json()).toEqual({
      NodeID: nodeId,
      Role: "node",
    });
    expect((await api.ask("POST", "/cluster/join", { body: {} })).status).toBe(400);
  });

  test("leave and remove by force only when told to", async () => {
    const asked: unknown[] = [];
    const cluster = {
      leave: async (options: object) => void asked.push(options),
      removeNode: async (ref: string, options: object) => void asked.push(ref, options),
    };
    await using api = await ServedApi.create(fakeEngine({ cluster }));
    expect((await api.ask("POST", "/cluster/leave?force=1")).status).toBe(200);
    expect((await api.ask("DELETE", "/cluster/nodes/host2")).status).toBe(204);
    expect(asked).toEqual([{ force: true }, "host2", { force: false }]);
  });
});

test("/info has the cluster in the fields that Docker had before swarm, and no swarm", () => {
  const facts = {
    ...infoFacts,
    cluster: clusterView({ nodes: [clusterNode({ isSelf: true }), otherNode()] }),
  };
  expect(infoWire(facts, new Date())).toMatchObject({
    Swarm: { LocalNodeState: "inactive" },
    ClusterStore: "https://192.0.2.11:2379",
    ClusterAdvertise: "192.0.2.11:4789",
    Cluster: { State: "connected", Trouble: "", Role: "member", Nodes: 2, Members: 1 },
  });
  expect(infoWire(infoFacts, new Date())).not.toHaveProperty("Cluster");
});
