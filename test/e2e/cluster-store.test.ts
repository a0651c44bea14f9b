// A store that the operator runs: daemons that start with --cluster-store are a cluster, and one whose store is away serves
// its local networks all the same.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { EtcdFixture } from "../lab/cluster/etcd-fixture.ts";
import type { Daemon } from "./daemon.ts";
import { nodesOf, untilNodes, useHosts } from "./hosts.ts";

const site = useHosts(3);
let etcd: EtcdFixture | undefined;
const member = () => {
  const [first] = etcd?.members ?? [];
  if (!first) throw new Error("there is no etcd");
  return first;
};
beforeAll(async () => {
  etcd = await EtcdFixture.start([site().host(3)]);
});
afterEach(() => member().start());
afterAll(async () => await etcd?.[Symbol.asyncDispose]());

const flags = (name: string, host = "eth0") => [
  ...["--cluster-store", `etcd://192.0.2.3:2379/${name}`, "--cluster-advertise", host],
];
let clusters = 0;
/** For one try of one test: hosts stay on the store's record. */
const freshName = (name: string) => `${name}${++clusters}`;
const state = async (daemon: Daemon) => (await daemon.ask("GET", "/cluster")).State;

describe("daemons with --cluster-store", () => {
  test("are a cluster without more, and apart from those of another name", async () => {
    const [blue, red] = [freshName("blue"), freshName("red")];
    await using one = await site().start(1, { flags: flags(blue) });
    await using two = await site().start(2, { flags: flags(blue, "192.0.2.2:2377") });
    await untilNodes(two, "host1 node up, host2 node up");
    expect(await one.ask("GET", "/cluster")).toMatchObject({
      ID: blue,
      State: "connected",
      Store: { Kind: "external", Address: `etcd://192.0.2.3:2379/${blue}` },
    });
    for (const words of [["init"], ["join", "--token", "x", "192.0.2.1"], ["leave", "--force"], ["token"]])
      expect(await one.tsdocker("cluster", ...words)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("--cluster-store"),
      });
    await two.stop();
    await untilNodes(one, "host1 node up, host2 node down");
    expect((await one.tsdocker("cluster", "rm", "host2")).stdout).toBe("host2\n");
    await untilNodes(one, "host1 node up");
    await two.start(flags(red));
    expect(await nodesOf(two)).toBe("host2 node up");
  });

  test("start while it is away, serve local networks, and say what is frozen", async () => {
    await using one = await site().start(1, { flags: flags(freshName("green")), images: ["busybox"] });
    await untilNodes(one, "host1 node up");
    await one.stop();
    await member().kill();
    await one.start();
    const cluster = () => one.ask("GET", "/cluster");
    // why it is frozen is known when the store was tried
    await expect.poll(cluster).toMatchObject({
      State: "frozen",
      Trouble: expect.stringContaining("192.0.2.3:2379"),
      Nodes: [{ Name: "host1", Self: true }],
    });
    await one.ok("network", "create", "local");
    await one.ok(
      "run",
      "-d",
      "--name",
      "web",
      "--network",
      "local",
      "--stop-timeout",
      "0",
      "busybox",
      "sleep",
      "1d",
    );
    expect(await one.ok("run", "--rm", "--network", "local", "busybox", "ping", "-c", "1", "web")).toContain(
      "1 packets received",
    );
    expect((await one.tsdocker("cluster", "status")).stdout).toMatch(/^State: +frozen: .*192\.0\.2\.3:2379/m);
    expect((await one.tsdocker("info")).stdout).toMatch(/^ Cluster: frozen: /m);
    await member().start();
    await expect.poll(() => state(one), { timeout: 30_000 }).toBe("connected");
    await one.removeAll();
  });

  test("start for the first time while it is away, and join when it is there", async () => {
    await member().kill();
    await using one = await site().start(1, { flags: flags(freshName("white")) });
    expect(await state(one)).toBe("frozen");
    await one.ok("network", "create", "local");
    await one.ok("network", "rm", "local");
    await one.stop();
    await one.start();
    expect(await state(one)).toBe("frozen");
    await member().start();
    await expect.poll(() => state(one), { timeout: 30_000 }).toBe("connected");
    await untilNodes(one, "host1 node up");
  });
});

test.each([
  [["--cluster-store", "consul://192.0.2.3"], "--cluster-store: consul://"],
  [
    ["--cluster-store", "etcd://192.0.2.3", "--cluster-advertise", "192.0.2.77"],
    "--cluster-advertise: advertise 192.0.2.77: no interface of this host",
  ],
  [
    ["--cluster-store", "etcd://192.0.2.3", "--cluster-advertise", "eth7"],
    "--cluster-advertise: advertise eth7: neither",
  ],
])("a daemon with %j does not start, and says why", async (words, message) => {
  await expect(site().start(1, { flags: words })).rejects.toThrow(message);
});
