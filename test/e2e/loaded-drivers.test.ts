// Drivers that somebody else wrote inside a real daemon: one that works, and those that fail in every way.

import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import "../lab/matchers.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const folder = mkdtempSync(join(tmpdir(), "tsdr-"));
afterAll(() => rm(folder, { recursive: true }));

function module(name: string, text: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, text);
  return path;
}

/** Answers as it should, except where a network's option says otherwise. */
const moody = module(
  "moody",
  `export const contract = 1;
export default (host) => {
  const moods = new Map();
  const act = async (networkId, method) => {
    const mood = moods.get(networkId)?.[method];
    if (mood === "throw") throw new Error("in a mood");
    if (mood === "forbid") throw Object.assign(new Error("not today"), { kind: "forbidden" });
    if (mood === "stray") setTimeout(() => { throw new Error("a stray one"); }, 1);
    if (mood === "reject") void Promise.reject("nobody looks");
  };
  return {
    capabilities: { scope: "local", connectivityScope: "local", replay: true },
    async createNetwork({ networkId, options }) {
      moods.set(networkId, options.generic);
      await act(networkId, "createNetwork");
    },
    deleteNetwork: ({ networkId }) => {
      const mood = moods.get(networkId)?.deleteNetwork;
      if (mood === "throw") { moods.set(networkId, {}); throw new Error("in a mood"); }
      return Promise.resolve();
    },
    async createEndpoint({ networkId, interface: asked }) { await act(networkId, "createEndpoint"); return asked; },
    async deleteEndpoint({ endpointId }) {
      await host.netlink.send(host.link.deleteLink("md" + endpointId.slice(0, 8))).catch(() => undefined);
    },
    async join({ networkId, endpointId }) {
      await act(networkId, "join");
      const srcName = "mi" + endpointId.slice(0, 8);
      await host.netlink.send(host.link.createVeth({ name: "md" + endpointId.slice(0, 8), up: true, peer: { name: srcName } }));
      return { link: { srcName, dstPrefix: "eth" }, staticRoutes: [], disableGatewayService: true };
    },
    async leave() {},
  };
};
`,
);
const broken = module("broken", 'throw new Error("cannot be imported");');

const flags = ["--driver", `moody=${moody}`, "--driver", `broken=${broken}`];
const site = useSite({ flags });
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const docker = (...args: readonly string[]) => daemon().docker(...args);
const { idle } = containersOn(daemon);
afterEach(() => daemon().removeAll());

const network = (...moods: readonly string[]) =>
  docker(
    "network",
    "create",
    "-d",
    "moody",
    "--subnet",
    "10.9.0.0/24",
    ...moods.flatMap((mood) => ["-o", mood]),
    "m1",
  );

test("a driver that is loaded is one like any other", async () => {
  await network();
  expect(await ok("info", "-f", "{{.Plugins.Network}}")).toContain("moody");
  await idle("c1", "--network", "m1", "--ip", "10.9.0.7");
  expect(await ok("exec", "c1", "ip", "-4", "-o", "addr", "show", "eth0")).toContain("10.9.0.7/24");
  await ok("rm", "-f", "c1");
  await ok("network", "rm", "m1");
});

test("a driver that fails fails the request, in its own words, and leaves nothing", async () => {
  const refused = await network("createNetwork=forbid");
  expect(refused.stderr).toContain("driver moody: createNetwork: not today");
  await network("join=throw");
  const before = await daemon().snapshot();
  const { code, stderr } = await docker("run", "--rm", "--network", "m1", "busybox", "true");
  expect([code, stderr]).toEqual([125, expect.stringContaining("driver moody: join: in a mood")]);
  await ok("container", "prune", "-f");
  await daemon().expectBackTo(before);
  await ok("network", "rm", "m1");
});

test("a network that its driver does not give up stays, and is removed when it does", async () => {
  await network("deleteNetwork=throw");
  expect((await docker("network", "rm", "m1")).stderr).toContain("driver moody: deleteNetwork: in a mood");
  expect(await ok("network", "ls", "-q", "-f", "name=m1")).not.toBe("");
  await ok("network", "rm", "m1");
});

test("errors that nobody waits for end nothing, and are in the log with the driver's name", async () => {
  const { pid } = daemon();
  await network("join=stray", "createEndpoint=reject");
  await ok("run", "--rm", "--network", "m1", "busybox", "true");
  for (const words of ["a stray one", "nobody looks"])
    await until("the log has it", async () => (await daemon().log()).includes(words));
  expect(daemon().pid).toBe(pid);
  await ok("network", "rm", "m1");
});

test("one that cannot be loaded is told to who names it", async () => {
  const { stderr } = await docker("network", "create", "-d", "broken", "b1");
  expect(stderr).toContain("driver broken was not loaded: ");
  expect(stderr).toContain("it throws when it is imported: cannot be imported");
});

test("networks whose driver is gone are listed, refuse containers by its name, and can be removed", async () => {
  await network();
  await idle("c1", "--network", "m1", "--stop-timeout", "0");
  await daemon().stop();
  try {
    await daemon().start([]);
    expect(await ok("network", "ls", "--format", "{{.Name}} {{.Driver}}", "-f", "name=m1")).toBe("m1 moody");
    expect((await docker("start", "c1")).stderr).toContain(
      "driver moody is not here: the daemon was started without --driver moody=MODULE",
    );
    await ok("rm", "-f", "c1");
    await ok("network", "rm", "m1");
  } finally {
    await daemon().stop();
    await daemon().start(flags);
  }
});
