// The commands on clusters: what they ask, what they print.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeEngine } from "./fake-engine.ts";

let engine: FakeEngine;
beforeEach(async () => {
  engine = await FakeEngine.create();
});
afterEach(() => engine[Symbol.asyncDispose]());

const node = (number: number, fields: object = {}) => ({
  ID: `${number}a`.repeat(16),
  Name: `host${number}`,
  Address: `192.0.2.1${number}`,
  DataPort: 4789,
  Role: "member",
  Status: "up",
  Version: "0.1.0",
  Self: false,
  ...fields,
});

const cluster = (fields: object = {}) => ({
  ID: "c1".repeat(16),
  State: "connected",
  Trouble: "",
  Revision: 42,
  NodeID: node(1).ID,
  Store: { Kind: "own", Address: "https://192.0.2.11:2379" },
  Nodes: [node(10, { Role: "node", Status: "down", Address: "192.0.2.20" }), node(1, { Self: true })],
  Peers: [],
  Warnings: [],
  ...fields,
});

describe("cluster init", () => {
  it("prints what to type on another host", async () => {
    engine.json("POST /cluster/init", { NodeID: node(1).ID, Token: "TSDKR-1-a-b-c", Remote: "192.0.2.11" });
    expect(await engine.run("cluster", "init", "--advertise", "eth0", "--data-port", "4790")).toEqual({
      stdout: `Cluster formed: this host (${node(1).ID}) is its first member.

To add a host to this cluster, run the following command there:

    tsdocker cluster join --token TSDKR-1-a-b-c 192.0.2.11

The token is good for 24 hours; "tsdocker cluster token" makes a new one.
`,
      stderr: "",
      exitCode: 0,
    });
    expect(engine.lastBody()).toEqual({
      AdvertiseAddr: "eth0",
      ListenAddr: "",
      DataPort: 4790,
      SubnetPools: [],
    });
  });

  it("takes pools of subnets, with their length", async () => {
    engine.json("POST /cluster/init", { NodeID: "a", Token: "t", Remote: "r" });
    const pools = ["--subnet-pool", "10.64.0.0/10,size=25", "--subnet-pool", "fd00:1::/48"];
    await engine.run("cluster", "init", ...pools);
    expect(engine.lastBody()).toMatchObject({
      SubnetPools: [{ Base: "10.64.0.0/10", Size: 25 }, { Base: "fd00:1::/48" }],
    });
  });

  it("refuses a pool that is none", async () => {
    const ran = await engine.run("cluster", "init", "--subnet-pool", "10.0.0.0/8,24");
    expect(ran).toMatchObject({
      exitCode: 125,
      stderr: expect.stringContaining("CIDR,size=LENGTH is wanted"),
    });
    expect(engine.asked).toEqual([]);
  });

  it("passes on why this host cannot", async () => {
    engine.refuse("POST /cluster/init", 409, "this host is already part of a cluster");
    expect(await engine.run("cluster", "init")).toEqual({
      stdout: "",
      stderr: "Error response from daemon: this host is already part of a cluster\n",
      exitCode: 1,
    });
  });
});

describe("cluster join", () => {
  it("asks the members that are named, in order", async () => {
    engine.json("POST /cluster/join", { NodeID: node(2).ID, Role: "node" });
    const ran = await engine.run("cluster", "join", "--token", "T", "192.0.2.11", "[2001:db8::12]:2377");
    expect(ran.stdout).toBe(
      "This host joined the cluster as a node, and becomes a member when the cluster needs one.\n",
    );
    expect(engine.lastBody()).toEqual({
      AdvertiseAddr: "",
      ListenAddr: "",
      DataPort: 0,
      JoinToken: "T",
      RemoteAddrs: ["192.0.2.11", "[2001:db8::12]:2377"],
      Role: "auto",
    });
  });

  it("may ask for a role, and for one only", async () => {
    engine.json("POST /cluster/join", { NodeID: "a", Role: "node" });
    const ran = await engine.run("cluster", "join", "--node", "--token", "T", "192.0.2.11");
    expect(ran.stdout).toBe("This host joined the cluster as a node.\n");
    expect(engine.lastBody()).toMatchObject({ Role: "node" });
    const both = await engine.run("cluster", "join", "--node", "--member", "--token", "T", "192.0.2.11");
    expect(both).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("exclude each other") });
  });

  it("says where a token comes from", async () => {
    expect(await engine.run("cluster", "join", "192.0.2.11")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('"tsdocker cluster token" on a host of the cluster prints one'),
    });
    expect((await engine.run("cluster", "join", "--token", "T")).stderr).toContain(
      "'tsdocker cluster join' requires at least 1 argument",
    );
  });
});

it("cluster leave leaves, by force only when told to", async () => {
  engine.json("POST /cluster/leave", undefined);
  expect((await engine.run("cluster", "leave")).stdout).toBe("This host left the cluster.\n");
  await engine.run("cluster", "leave", "-f");
  expect(engine.lines).toEqual(["POST /cluster/leave", "POST /cluster/leave?force=1"]);
});

describe("cluster ls", () => {
  it("is a table in which this host has a star", async () => {
    engine.json("GET /cluster", cluster());
    expect((await engine.run("cluster", "ls")).stdout).toBe(
      `${[
        "ID               NAME      ADDRESS      ROLE      STATUS    VERSION",
        "1a1a1a1a1a1a *   host1     192.0.2.11   member    up        0.1.0",
        "10a10a10a10a     host10    192.0.2.20   node      down      0.1.0",
      ].join("\n")}\n`,
    );
  });

  it("prints ids, whole ids, and what a template says", async () => {
    engine.json("GET /cluster", cluster());
    expect((await engine.run("cluster", "ls", "-q", "--no-trunc")).stdout).toBe(
      `${node(1).ID}\n${node(10).ID}\n`,
    );
    const format = "{{.Name}} {{.Self}} {{.DataPort}}";
    expect((await engine.run("cluster", "list", "--format", format)).stdout).toBe(
      "host1 true 4789\nhost10 false 4789\n",
    );
    expect(
      JSON.parse((await engine.run("cluster", "ls", "--format", "json")).stdout.split("\n")[0] ?? ""),
    ).toMatchObject({
      Name: "host1",
      Self: true,
    });
  });

  it("warns that it is what was last known", async () => {
    engine.json("GET /cluster", cluster({ State: "frozen", Trouble: "no answer" }));
    const ran = await engine.run("cluster", "ls");
    expect(ran.stderr).toBe("WARNING: the store is away (no answer): this is what was last known\n");
    expect(ran.exitCode).toBe(0);
  });
});

describe("cluster status", () => {
  it("shows the store, this host, and the others", async () => {
    engine.json("GET /cluster", cluster());
    expect((await engine.run("cluster", "status")).stdout).toBe(
      `${[
        `Cluster:     ${"c1".repeat(16)}`,
        "State:       connected",
        "This host:   host1 (192.0.2.11), member",
        "Store:       etcd, run by tsdocker on host1",
        "Revision:    42",
        "Hosts:       2, 1 up, 1 member",
        "",
        "HOST      ADDRESS      ROLE      STATUS",
        "host10    192.0.2.20   node      down",
        "host1     192.0.2.11   member    up, this host",
      ].join("\n")}\n`,
    );
  });

  it("shows the paths to the others where they were tried", async () => {
    const path = { NodeID: node(10).ID, Path: "ok", RoundTripMs: 0.4, MTU: 1450, Trouble: "" };
    engine.json("GET /cluster", cluster({ Peers: [path] }));
    expect((await engine.run("cluster", "status")).stdout).toContain(
      "host10    192.0.2.20   node      down            ok        0.40 ms   1450\n",
    );
    const lost = { NodeID: node(10).ID, Path: "down", Trouble: "no packet comes back: let UDP through" };
    engine.json("GET /cluster", cluster({ Peers: [lost] }));
    const { stdout } = await engine.run("cluster", "status");
    expect(stdout).toMatch(/^host10 .* down +$/m);
    expect(stdout.endsWith("\n\nhost10: no packet comes back: let UDP through\n")).toBe(true);
  });

  it("shows what else somebody should see to, by host", async () => {
    const Warnings = [{ NodeID: node(10).ID, Text: "port 8080/tcp of service web is closed: in use" }];
    engine.json("GET /cluster", cluster({ Warnings }));
    const { stdout } = await engine.run("cluster", "status");
    expect(stdout.endsWith("\n\nhost10: port 8080/tcp of service web is closed: in use\n")).toBe(true);
  });

  it("says how many members may fail, and warns", async () => {
    const Health = { Voters: 3, Healthy: 2, Tolerates: 0, Warnings: ["member host3 does not answer"] };
    engine.json("GET /cluster", cluster({ Health }));
    const ran = await engine.run("cluster", "status");
    expect(ran.stdout).toMatch(/^Members: +2 of 3 answer, none may fail$/m);
    expect(ran.stderr).toBe("WARNING: member host3 does not answer\n");
    expect(engine.lines).toEqual(["GET /cluster?health=1"]);
    engine.json("GET /cluster", cluster({ Health: { ...Health, Healthy: 3, Tolerates: 1, Warnings: [] } }));
    expect((await engine.run("cluster", "status")).stdout).toMatch(/^Members: +3 of 3 answer, 1 may fail$/m);
  });

  it("says what is frozen and why", async () => {
    const Store = { Kind: "external", Address: "etcd://192.0.2.9:2379/lab" };
    engine.json("GET /cluster", cluster({ State: "frozen", Trouble: "no answer", Store }));
    const { stdout } = await engine.run("cluster", "status");
    expect(stdout).toMatch(/^State: +frozen: no answer$/m);
    expect(stdout).toMatch(/^Store: +etcd:\/\/192.0.2.9:2379\/lab$/m);
    expect(stdout).toContain("Until the store answers");
    expect(stdout).toContain("networks of this host alone are as ever");
  });

  it("gives the document to templates and as JSON", async () => {
    engine.json("GET /cluster", cluster());
    expect((await engine.run("cluster", "status", "-f", "{{.State}} {{len .Nodes}}")).stdout).toBe(
      "connected 2\n",
    );
    expect(JSON.parse((await engine.run("cluster", "status", "-f", "json")).stdout)).toEqual(cluster());
  });

  it("passes on what to type where there is no cluster", async () => {
    engine.refuse("GET /cluster", 409, 'this host is in no cluster: form one with "tsdocker cluster init"');
    expect(await engine.run("cluster", "status")).toMatchObject({
      exitCode: 1,
      stderr:
        'Error response from daemon: this host is in no cluster: form one with "tsdocker cluster init"\n',
    });
  });
});

describe("cluster token", () => {
  beforeEach(
    () => void engine.json("POST /cluster/tokens", { Token: "TSDKR-1-a-b-c", Remote: "192.0.2.11" }, 201),
  );

  it("prints the command for a host that joins", async () => {
    const { stdout } = await engine.run("cluster", "token", "--node", "--expires", "90m", "--rotate");
    expect(stdout).toContain("    tsdocker cluster join --node --token TSDKR-1-a-b-c 192.0.2.11\n");
    expect(engine.lastBody()).toEqual({ Role: "node", Lifetime: 5_400e9, Uses: 0, Rotate: true });
  });

  it("is for members and a day unless it is said otherwise", async () => {
    const { stdout } = await engine.run("cluster", "token");
    expect(stdout).toContain(
      "    tsdocker cluster join --token TSDKR-1-a-b-c 192.0.2.11\n\nThe token is good for 24 hours;",
    );
    expect(engine.lastBody()).toEqual({ Role: "member", Lifetime: 86_400e9, Uses: 0, Rotate: false });
  });

  it("prints nothing else when that is wanted", async () => {
    expect((await engine.run("cluster", "token", "-q", "--uses", "1")).stdout).toBe("TSDKR-1-a-b-c\n");
    expect(engine.lastBody()).toMatchObject({ Uses: 1 });
  });

  it("lists those on record", async () => {
    engine.json("GET /cluster/tokens", [
      {
        ID: "k1",
        Role: "member",
        CreatedAt: "2026-11-01T10:00:00Z",
        ExpiresAt: "2026-11-02T10:00:00Z",
        Used: 1,
        Uses: 3,
      },
    ]);
    expect((await engine.run("cluster", "token", "--list")).stdout).toBe(
      "ID        ADMITS    EXPIRES AT                      USED\nk1        member    2026-11-02 10:00:00 +0000 UTC   1 of 3\n",
    );
  });

  it("refuses a token that is never good", async () => {
    expect(await engine.run("cluster", "token", "--expires", "0s")).toMatchObject({
      exitCode: 1,
      stderr: "--expires: a time above zero is wanted, such as 24h\n",
    });
  });
});

it("cluster rm names what went, then what did not", async () => {
  engine.on("DELETE /cluster/nodes/host2", (_, response) => void response.writeHead(204).end());
  engine.refuse("DELETE /cluster/nodes/host3", 409, "remove host host3: it is up");
  expect(await engine.run("cluster", "rm", "-f", "host3", "host2")).toEqual({
    stdout: "host2\n",
    stderr: "Error response from daemon: remove host host3: it is up\n",
    exitCode: 1,
  });
  expect(engine.lines).toContain("DELETE /cluster/nodes/host2?force=1");
});
