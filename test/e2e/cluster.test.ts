// Hosts form a cluster by the commands of the tour: init, join, ls, status, token, leave, rm.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Daemon } from "./daemon.ts";
import { untilNodes, useHosts } from "./hosts.ts";
import { type Ran, until } from "./run.ts";

const site = useHosts(3);
let [one, two, three]: (Daemon | undefined)[] = [];
const daemon = (it: Daemon | undefined): Daemon => {
  if (!it) throw new Error("the tests before this one have failed");
  return it;
};

/** What `tsdocker` says, which must go well. */
async function say(it: Daemon | undefined, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon(it).tsdocker(...words);
  expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: "" });
  return stdout;
}

/** The command for another host, as it is printed. */
const joinLine = (text: string): string[] =>
  /^ {4}tsdocker (cluster join .*)$/m.exec(text)?.[1]?.split(" ") ?? [];

const refused = (ran: Ran) => ({ code: ran.code, stderr: ran.stderr.trim() });

describe("three hosts", () => {
  test("are no cluster at first, and say what to type", async () => {
    [one, two] = await Promise.all([site().keep(1), site().keep(2)]);
    for (const words of ["status", "ls", "leave", "token"])
      expect((await one.tsdocker("cluster", words)).stderr).toContain('"tsdocker cluster init"');
    expect((await one.docker("network", "create", "-d", "overlay", "blue")).stderr).toContain(
      "tsdocker cluster init",
    );
    expect(await one.ask("GET", "/info")).not.toHaveProperty("Cluster");
  });

  test("become one by the commands that are printed", async () => {
    const printed = await say(one, "cluster", "init");
    expect(printed).toMatch(/^Cluster formed: this host \([0-9a-f]{32}\) is its first member\.\n/);
    expect(joinLine(printed)).toEqual([
      "cluster",
      "join",
      "--token",
      expect.stringMatching(/^TSDKR-1-/),
      "192.0.2.1",
    ]);
    expect(await say(two, ...joinLine(printed))).toContain("This host joined the cluster");
    await untilNodes(daemon(one), "host1 member up, host2 node up");
    three = await site().keep(3);
    await say(three, ...joinLine(await say(one, "cluster", "token")));
    for (const it of [one, two, three])
      await untilNodes(daemon(it), "host1 member up, host2 member up, host3 member up");
  });

  test("are listed on each, with a star at the one that is asked", async () => {
    const lines = (await say(two, "cluster", "ls")).trimEnd().split("\n");
    expect(lines[0]?.split(/ {2,}/)).toEqual(["ID", "NAME", "ADDRESS", "ROLE", "STATUS", "VERSION"]);
    expect(lines.slice(1).map((line) => line.slice(13).split(/ +/).slice(0, -1).join(" "))).toEqual([
      " host1 192.0.2.1 member up",
      "* host2 192.0.2.2 member up",
      " host3 192.0.2.3 member up",
    ]);
    const status = await until("all members answer in time", async () => {
      const said = await say(three, "cluster", "status");
      return /^Members: +3 of 3 answer, 1 may fail$/m.test(said) && said;
    });
    expect(status).toMatch(/^State: +connected$/m);
    expect(status).toMatch(/^This host: +host3 \(192\.0\.2\.3\), member$/m);
    expect(status).toMatch(/^Store: +etcd, run by tsdocker on host1, host2, host3$/m);
    expect(await daemon(one).ask("GET", "/info")).toMatchObject({
      Swarm: { LocalNodeState: "inactive" },
      ClusterAdvertise: "192.0.2.1:4789",
      Cluster: { State: "connected", Role: "member", Nodes: 3, Members: 3 },
    });
    expect((await daemon(one).docker("node", "ls")).stderr).toContain("not a swarm manager");
  });

  test("form no second one", async () => {
    for (const words of [["init"], ["join", "--token", "x", "192.0.2.1"]])
      expect((await daemon(two).tsdocker("cluster", ...words)).stderr).toContain("already part of a cluster");
  });

  test("hear of a daemon that ends and comes back, and so do those who follow events", async () => {
    await daemon(three).stop();
    await untilNodes(daemon(one), "host1 member up, host2 member up, host3 member down");
    await daemon(three).start();
    await untilNodes(daemon(one), "host1 member up, host2 member up, host3 member up");
    await untilNodes(daemon(three), "host1 member up, host2 member up, host3 member up");
    const heard = () =>
      daemon(one)
        .events.filter(({ Type, Actor }) => Type === "cluster" && Actor.Attributes.name === "host3")
        .map(({ Action }) => Action)
        .filter((action) => action.startsWith("node-"));
    await expect.poll(heard).toEqual(["node-join", "node-up", "node-down", "node-up"]);
  });

  test("lose no member when a daemon is killed, and the next one takes it over", async () => {
    const health = async () => (await daemon(one).ask("GET", "/cluster?health=1")).Health;
    await daemon(two).signal("SIGKILL");
    await untilNodes(daemon(one), "host1 member up, host2 member down, host3 member up");
    await expect.poll(health).toMatchObject({ Voters: 3, Healthy: 3, Tolerates: 1 });
    await daemon(two).start();
    await untilNodes(daemon(two), "host1 member up, host2 member up, host3 member up");
    await expect.poll(() => daemon(two).log()).toContain("taking over the etcd that is running");
  });

  test("freeze when most of them are gone, and say so", async () => {
    const before = daemon(one).events.length;
    await Promise.all([daemon(two).stop(), daemon(three).stop()]);
    const status = async () => (await daemon(one).ask("GET", "/cluster")).State;
    await expect.poll(status, { timeout: 30_000 }).toBe("frozen");
    expect(await say(one, "cluster", "status")).toContain("Until the store answers");
    const ls = await daemon(one).tsdocker("cluster", "ls");
    expect(ls).toMatchObject({ code: 0, stderr: expect.stringContaining("WARNING: the store is away") });
    expect(refused(await daemon(one).tsdocker("cluster", "leave"))).toEqual({
      code: 1,
      stderr: expect.stringContaining("Use --force"),
    });
    expect((await daemon(one).docker("network", "create", "local")).code).toBe(0);
    expect((await daemon(one).docker("network", "rm", "local")).code).toBe(0);
    await Promise.all([daemon(three).start(), daemon(two).start()]);
    await expect.poll(status, { timeout: 30_000 }).toBe("connected");
    for (const it of [one, two, three])
      await untilNodes(daemon(it), "host1 member up, host2 member up, host3 member up");
    const heard = () =>
      daemon(one)
        .events.slice(before)
        .map(({ Action }) => Action)
        .filter((action) => action === "frozen" || action === "connected");
    await expect.poll(heard).toEqual(["frozen", "connected"]);
  });

  test("remove one that is gone for good, by name", async () => {
    expect(refused(await daemon(one).tsdocker("cluster", "rm", "host3"))).toEqual({
      code: 1,
      stderr: expect.stringContaining("it is up"),
    });
    await daemon(three).stop();
    await untilNodes(daemon(one), "host1 member up, host2 member up, host3 member down");
    expect(await say(one, "cluster", "rm", "host3")).toBe("host3\n");
    await untilNodes(daemon(two), "host1 member up, host2 member up");
    await daemon(three).start();
    await expect
      .poll(async () => (await daemon(three).ask("GET", "/cluster")).Trouble, { timeout: 60_000 })
      .toContain("removed");
    await say(three, "cluster", "leave", "--force");
    expect((await daemon(three).tsdocker("cluster", "ls")).stderr).toContain("in no cluster");
  });

  test("leave, the last one by force, and nothing of the cluster stays but who they are", async () => {
    expect(await say(two, "cluster", "leave")).toBe("This host left the cluster.\n");
    await untilNodes(daemon(one), "host1 member up");
    expect(refused(await daemon(one).tsdocker("cluster", "leave"))).toEqual({
      code: 1,
      stderr: expect.stringContaining("this is its only host"),
    });
    await say(one, "cluster", "leave", "--force");
    for (const it of [one, two, three])
      for (const name of ["etcd", "trust"])
        expect(existsSync(join(daemon(it).folder, "data", "cluster", name)), name).toBe(false);
    // and may be one again
    const printed = await say(two, "cluster", "init", "--advertise", "eth0", "--data-port", "4790");
    await say(one, ...joinLine(printed).toSpliced(2, 0, "--node"));
    await untilNodes(daemon(two), "host1 node up, host2 member up");
    expect((await daemon(two).ask("GET", "/info")).ClusterAdvertise).toBe("192.0.2.2:4790");
    // a store of the operator's and a cluster that was joined exclude each other
    await daemon(one).stop();
    await expect(daemon(one).start(["--cluster-store", "etcd://192.0.2.2"])).rejects.toThrow(
      /--cluster-store: this host belongs to the cluster [0-9a-f]{32}/,
    );
    await daemon(one).start([]);
    await untilNodes(daemon(two), "host1 node up, host2 member up");
  });
});
