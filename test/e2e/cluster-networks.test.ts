// Networks of a cluster by the docker CLI: made on one host, there on all, for as long as the host is in the cluster.

import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Daemon } from "./daemon.ts";
import { tidy, untilNodes, useHosts } from "./hosts.ts";
import { until } from "./run.ts";

const site = useHosts(3);
let daemons: readonly Daemon[] = [];
/** What host3's kernel had before it was in a cluster. */
let before: Awaited<ReturnType<Daemon["snapshot"]>>;
const host = (number: number): Daemon => {
  const daemon = daemons[number - 1];
  if (!daemon) throw new Error(`there is no daemon on host${number}`);
  return daemon;
};
const all = "host1 member up, host2 member up, host3 member up";
const health = async () => (await host(1).ask("GET", "/cluster?health=1")).Health;

async function join(daemon: Daemon): Promise<void> {
  const token = (await host(1).tsdocker("cluster", "token", "-q")).stdout.trim();
  const ran = await daemon.tsdocker("cluster", "join", "--token", token, "192.0.2.1");
  expect(ran).toMatchObject({ code: 0, stderr: "" });
}

beforeAll(async () => {
  daemons = await Promise.all([1, 2, 3].map((number) => site().keep(number, { images: ["busybox"] })));
  before = await host(3).snapshot();
  expect(await host(1).tsdocker("cluster", "init", "--subnet-pool", "10.64.0.0/16,size=26")).toMatchObject({
    code: 0,
  });
  await join(host(2));
  await join(host(3));
  for (const daemon of daemons) await untilNodes(daemon, all);
});

afterEach(async () => {
  for (const daemon of daemons) if (daemon.hasEnded) await daemon.start([]);
  // a test that failed may have left it outside
  if ((await host(3).api("GET", "/cluster")).status !== 200) await join(host(3));
  for (const daemon of daemons) await untilNodes(daemon, all);
  await tidy(daemons);
});

/** A container that runs until it is removed. */
const serve = (daemon: Daemon, name: string, ...flags: string[]) =>
  daemon.ok("run", "-d", "--name", name, "--stop-timeout", "0", ...flags, "busybox", "sleep", "1d");

const addressOf = (daemon: Daemon, container: string, network: string) =>
  daemon.ok("inspect", "-f", `{{.NetworkSettings.Networks.${network}.IPAddress}}`, container);

const reaches = async (daemon: Daemon, container: string, address: string) =>
  (await daemon.docker("exec", container, "ping", "-c", "1", "-w", "2", address)).code === 0;

const untilReaches = (daemon: Daemon, container: string, address: string) =>
  until(`${container} reaches ${address}`, () => reaches(daemon, container, address));

/** The last host that used it says so behind its answer, and a removal waits for that only for a moment. */
const untilRemoved = (daemon: Daemon, name: string) =>
  until(`${name} is removed`, async () => (await daemon.docker("network", "rm", name)).code === 0);

/** Whether a host lists a network. */
const lists = async (daemon: Daemon, name: string) =>
  (await daemon.ok("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"))
    .split("\n")
    .includes(`${name} overlay global`);

// first: its kernel is compared with that of one daemon's life
describe("a host that leaves", () => {
  test("is kept while its containers use the cluster's networks, unless by force", async () => {
    await host(1).ok("network", "create", "-d", "overlay", "blue");
    await until("blue is there", () => lists(host(3), "blue"));
    await serve(host(3), "c3", "--network", "blue");
    await serve(host(3), "alone");
    expect(await host(3).tsdocker("cluster", "leave")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("containers use its networks (c3 on blue)"),
    });
    expect(await host(3).tsdocker("cluster", "leave", "--force")).toMatchObject({ code: 0, stderr: "" });
    expect(await host(3).ok("ps", "--format", "{{.Names}}")).toBe("alone");
    expect(await lists(host(3), "blue")).toBe(false);
    await untilNodes(host(1), "host1 member up, host2 member up");
    // a network that is left is everywhere else as it was
    expect(await lists(host(1), "blue")).toBe(true);
    await serve(host(1), "c1", "--network", "blue");
    await host(1).ok("rm", "-f", "c1");
    await host(1).ok("network", "rm", "blue");
    await host(3).ok("rm", "-f", "c3", "alone");
    // the way out of overlays is a bridge of this host alone: as with dockerd it stays
    await host(3).ok("network", "rm", "docker_gwbridge");
    await host(3).expectBackTo(before);
    await join(host(3));
    await untilNodes(host(3), all);
    // and is one again that the others count on
    await expect.poll(health).toMatchObject({ Voters: 3, Healthy: 3, Warnings: [] });
    // by being a member again; that a member is slow for a moment, or its leader is, is no news
    const lost = (await host(3).log()).split("\n").filter((line) => line.includes("lost the store"));
    expect(lost.filter((line) => !/no answer within|no leader/.test(line))).toEqual([]);
  });
});

describe("a network of the cluster", () => {
  test("is made once, is on every host, and carries packets between them", async () => {
    await host(1).ok("network", "create", "-d", "overlay", "--attachable", "blue");
    for (const daemon of daemons) await until("blue is there", () => lists(daemon, "blue"));
    for (const number of [1, 2, 3]) await serve(host(number), `c${number}`, "--network", "blue");
    const addresses = await Promise.all(
      [1, 2, 3].map((number) => addressOf(host(number), `c${number}`, "blue")),
    );
    expect(new Set(addresses).size).toBe(3);
    for (const address of addresses) expect(address).toMatch(/^10\.64\.0\./);
    for (const number of [1, 2, 3])
      for (const address of addresses) await untilReaches(host(number), `c${number}`, address);
  });

  test("has a name that no other gets, whoever asks first", async () => {
    const both = await Promise.all(
      [1, 2].map((number) => host(number).docker("network", "create", "-d", "overlay", "one")),
    );
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(both.map(({ stderr }) => stderr).join()).toContain("network with name one already exists");
  });

  test("is not removed while another host uses it", async () => {
    await host(1).ok("network", "create", "-d", "overlay", "blue");
    await until("blue is there", () => lists(host(3), "blue"));
    await serve(host(3), "c3", "--network", "blue");
    expect(await host(1).docker("network", "rm", "blue")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("has active endpoints on host3"),
    });
    await host(3).ok("rm", "-f", "c3");
    await untilRemoved(host(1), "blue");
    await until("blue is gone", async () => !(await lists(host(2), "blue")));
  });

  test("is there again after a daemon's start, with the containers that it restarts", async () => {
    await host(1).ok("network", "create", "-d", "overlay", "blue");
    await serve(host(1), "c1", "--network", "blue");
    await until("blue is there", () => lists(host(2), "blue"));
    await serve(host(2), "c2", "--network", "blue", "--restart", "always");
    await host(2).stop();
    expect(await host(2).log()).not.toContain("undo step failed");
    await host(2).start();
    await untilNodes(host(2), all);
    expect(await lists(host(2), "blue")).toBe(true);
    const address = await addressOf(host(1), "c1", "blue");
    await untilReaches(host(2), "c2", address);
  });
});

describe("while the store is away", () => {
  const both = (act: (daemon: Daemon) => Promise<void>) => Promise.all([host(2), host(3)].map(act));

  test("nothing is made or removed that all hosts must know of, and what runs goes on", async () => {
    await host(1).ok("network", "create", "-d", "overlay", "blue");
    await serve(host(1), "c1", "--network", "blue");
    await both((daemon) => daemon.stop());
    const state = async () => (await host(1).ask("GET", "/cluster")).State;
    await expect.poll(state, { timeout: 30_000 }).toBe("frozen");
    for (const words of [
      ["create", "-d", "overlay", "red"],
      ["rm", "blue"],
    ])
      expect(await host(1).docker("network", ...words)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/store|endpoints/),
      });
    expect(await lists(host(1), "red")).toBe(false);
    // addresses are this host's own to give
    await serve(host(1), "again", "--network", "blue");
    await untilReaches(host(1), "c1", await addressOf(host(1), "again", "blue"));
    await host(1).ok("network", "create", "local");
    await host(1).ok("network", "rm", "local");
    await both((daemon) => daemon.start());
    await expect.poll(state, { timeout: 30_000 }).toBe("connected");
    for (const daemon of daemons) await untilNodes(daemon, all);
  });

  test("a daemon starts with the networks that it knew, and starts what is on them when it is back", async () => {
    await host(1).ok("network", "create", "-d", "overlay", "blue");
    await serve(host(1), "c1", "--network", "blue", "--restart", "always");
    await serve(host(1), "alone", "--restart", "always");
    await both((daemon) => daemon.stop());
    await host(1).stop();
    await host(1).start();
    expect((await host(1).ask("GET", "/cluster")).State).toBe("frozen");
    expect(await lists(host(1), "blue")).toBe(true);
    const names = async () => (await host(1).ok("ps", "--format", "{{.Names}}")).split("\n").sort().join();
    await expect.poll(names).toMatch(/^alone(,c1)?$/);
    await both((daemon) => daemon.start());
    for (const daemon of daemons) await untilNodes(daemon, all);
    await expect.poll(names, { timeout: 30_000 }).toBe("alone,c1");
  });
});

test("with live restore a container stays on its network while there is no daemon, and its host a member", async () => {
  await host(1).ok("network", "create", "-d", "overlay", "blue");
  await serve(host(1), "c1", "--network", "blue");
  const address = await addressOf(host(1), "c1", "blue");
  await host(2).stop();
  await host(2).start(["--live-restore"]);
  await untilNodes(host(2), all);
  await serve(host(2), "c2", "--network", "blue");
  const own = await addressOf(host(2), "c2", "blue");
  await untilReaches(host(1), "c1", own);
  await host(2).stop();
  await untilReaches(host(1), "c1", own);
  await expect.poll(health).toMatchObject({ Voters: 3, Healthy: 3 });
  await host(2).start();
  await untilNodes(host(2), all);
  await untilReaches(host(2), "c2", address);
  expect(await addressOf(host(2), "c2", "blue")).toBe(own);
  await host(2).ok("rm", "-f", "c2");
  await host(2).stop();
  await host(2).start([]);
  await untilNodes(host(2), all);
});

describe("the path to another host", () => {
  const pathTo = async (number: number) =>
    (await host(1).tsdocker("cluster", "status")).stdout
      .split("\n")
      .find((line) => line.startsWith(`host${number} `))
      ?.replace(/ +/g, " ");
  const untilPath = (number: number, wanted: RegExp) =>
    until(`the path is ${wanted}`, async () => wanted.test((await pathTo(number)) ?? ""), 60_000);
  /** Drops what comes for a host's tunnels. */
  const block = (number: number, what: string) =>
    site()
      .host(number)
      .run(
        "nft",
        `add table inet cut; add chain inet cut c { type filter hook prerouting priority -400; }; flush chain inet cut c; ${what}`,
      );

  test("is tried: what does not pass, and what to do, stands in the status and is an event", async () => {
    await untilPath(2, / up ok [\d.]+ ms 1450$/);
    const since = String(Math.floor(Date.now() / 1000));
    await host(1).ok("network", "create", "-d", "overlay", "blue");
    for (const number of [1, 2]) {
      await until("blue is there", () => lists(host(number), "blue"));
      await serve(host(number), `c${number}`, "--network", "blue");
    }
    const peers = () =>
      host(1)
        .ask("GET", "/networks/blue?verbose=true")
        .then(({ Peers }) => Peers);
    const seen = [
      { Name: expect.stringMatching(/^host1-[0-9a-f]{12}$/), IP: "192.0.2.1" },
      { Name: expect.stringMatching(/^host2-[0-9a-f]{12}$/), IP: "192.0.2.2", Path: "ok", MTU: 1450 },
    ];
    await until("both carry it", async () => (await peers())?.length === 2);
    expect(await peers()).toMatchObject(seen);
    try {
      await block(2, "add rule inet cut c udp dport 4789 meta length gt 1400 drop");
      await untilPath(2, / up narrow [\d.]+ ms 1350$/);
      await block(2, "add rule inet cut c udp dport 4789 drop");
      await untilPath(2, / up down /);
      expect((await host(1).tsdocker("cluster", "status")).stdout).toContain(
        "host2: no packet comes back: let UDP port 4789 through between 192.0.2.1 and 192.0.2.2, both ways",
      );
      await untilPath(3, / up ok /);
    } finally {
      await block(2, "delete table inet cut");
    }
    await untilPath(2, / up ok /);
    const told = () =>
      host(1).ok(
        ...["events", "--since", since, "--until", "0s", "--filter", "type=cluster"],
        ...["--format", "{{.Action}} {{.Actor.Attributes.name}}"],
      );
    // whole seconds
    for (const wanted of ["path-narrow host2", "path-down host2", "path-ok host2"])
      await until(`${wanted} is told`, async () => (await told()).split("\n").includes(wanted));
  });
});
