// Network plugins beside a real daemon: programs that are not ours, on sockets.

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { type ServedPlugin, servePlugin } from "../../src/driverkit/index.ts";
import { invalid } from "../../src/util/errors.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";
import { type WirePlugin, wirePlugin } from "./wire-plugin.ts";

const sockets = mkdtempSync(join(tmpdir(), "tsp-"));
const site = useSite({ flags: ["--plugin-sockets", sockets] });
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const docker = (...args: readonly string[]) => daemon().docker(...args);
const { greeter, idle } = containersOn(daemon);

let plugin: WirePlugin;
let served: ServedPlugin | undefined;

async function serve(): Promise<void> {
  served = await servePlugin({ network: plugin.driver }, { on: join(sockets, "wire.sock") });
}

async function stopServing(): Promise<void> {
  await served?.close();
  served = undefined;
}

beforeEach(async () => {
  plugin = wirePlugin(site().host.netlink);
  await serve();
});

afterEach(async () => {
  if (!served) await serve();
  plugin.before = async () => undefined;
  await daemon().removeAll();
  // endpoints end behind the answer; who stops listening before hears of it the next time
  await until("the plugin has heard of every end", async () =>
    (await site().host.netlink.links()).every(({ name }) => !/^w[bip][0-9a-f]{10}$/.test(name)),
  );
  await stopServing();
});

afterAll(() => rm(sockets, { recursive: true }));

describe("a network of a plugin", () => {
  test("is made, used and removed by the calls that dockerd makes", async () => {
    await ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
    expect(await ok("network", "inspect", "-f", "{{.Driver}} {{.Scope}}", "w1")).toBe("wire local");
    await greeter("web", "--network", "w1");
    expect(await ok("run", "--rm", "--network", "w1", "busybox", "nc", "web", "80")).toBe("web");
    expect(await ok("exec", "web", "ip", "route")).toContain("default via 10.9.0.1 dev eth0");
    await ok("rm", "-f", "web");
    await ok("network", "rm", "w1");
    const ofOne = ["createEndpoint", "join", "leave", "deleteEndpoint"];
    expect(plugin.calls.filter((call) => ofOne.includes(call)).toSorted()).toEqual(
      [...ofOne, ...ofOne].toSorted(),
    );
    expect([plugin.calls.at(0), plugin.calls.at(-1)]).toEqual(["createNetwork", "deleteNetwork"]);
  });

  test("joins and leaves a container that runs", async () => {
    await ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
    await idle("c1");
    await ok("network", "connect", "--ip", "10.9.0.7", "w1", "c1");
    expect(await ok("exec", "c1", "ip", "-4", "-o", "addr", "show", "eth1")).toContain("10.9.0.7/24");
    await ok("network", "disconnect", "w1", "c1");
    expect(plugin.calls).toEqual(["createNetwork", "createEndpoint", "join", "leave", "deleteEndpoint"]);
    expect(await ok("exec", "c1", "ls", "/sys/class/net")).not.toContain("eth1");
  });

  test("may ask the daemon from inside any call", async () => {
    plugin.before = async () => {
      for (const path of ["/networks", "/containers/json?all=1", "/info"]) await daemon().ask("GET", path);
      for (const { Id } of await daemon().ask("GET", "/containers/json?all=1"))
        await daemon().ask("GET", `/containers/${Id}/json`);
      for (const { Id } of await daemon().ask("GET", "/networks"))
        await daemon().api("GET", `/networks/${Id}`);
    };
    await ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
    await idle("c1", "--network", "w1");
    await ok("rm", "-f", "c1");
    await ok("network", "rm", "w1");
    expect(plugin.calls).toContain("join");
  });
});

describe("a plugin that fails", () => {
  test.each(["createEndpoint", "join"])(
    "in %s refuses the container in its own words, and leaves nothing",
    async (method) => {
      await ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
      const before = await daemon().snapshot();
      plugin.before = async (called) => {
        if (called === method) throw invalid("out of wire");
      };
      const { code, stderr } = await docker("run", "--rm", "--network", "w1", "busybox", "true");
      expect(code).toBe(125);
      expect(stderr).toContain("out of wire");
      await ok("container", "prune", "-f");
      await daemon().expectBackTo(before);
    },
  );

  test("in createNetwork leaves no network, and its name free", async () => {
    plugin.before = async () => {
      throw invalid("out of wire");
    };
    const { stderr } = await docker("network", "create", "-d", "wire", "w1");
    expect(stderr).toContain("plugin wire: NetworkDriver.CreateNetwork: out of wire");
    plugin.before = async () => undefined;
    await ok("network", "create", "-d", "wire", "w1");
  });

  test("is told by name when nobody bears it, or something else", async () => {
    expect((await docker("network", "create", "-d", "nobody", "w1")).stderr).toContain(
      'plugin "nobody" not found',
    );
    const ipam = await docker("network", "create", "--ipam-driver", "wire", "w1");
    expect(ipam.stderr).toContain('plugin "wire" is no IpamDriver: it implements NetworkDriver');
  });
});

describe("a plugin that is away", () => {
  test("delays no start of the daemon, and its networks are there", async () => {
    await ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
    await idle("c1", "--network", "w1", "--stop-timeout", "0");
    await stopServing();
    await daemon().stop();
    await daemon().start();
    expect(await ok("network", "ls", "-q", "-f", "driver=wire")).not.toBe("");
    const refused = await docker("start", "c1");
    expect(refused.stderr).toContain("plugin wire is not there");
    await serve();
    await ok("start", "c1");
    expect(await ok("exec", "c1", "ip", "-4", "-o", "addr", "show", "eth0")).toContain("10.9.0.");
  });

  test("is waited for by containers that restart by themselves", async () => {
    await ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
    await idle("c1", "--network", "w1", "--restart", "always", "--stop-timeout", "0");
    await stopServing();
    await daemon().stop();
    await daemon().start();
    const { events } = daemon();
    await until("the container waits", async () => events.some(({ Action }) => Action === "wait-driver"));
    expect(await ok("inspect", "-f", "{{.State.Error}}", "c1")).toContain("plugin wire is not there");
    await serve();
    await until("the container runs", async () => (await ok("ps", "-q", "-f", "name=c1")) !== "");
    expect(await ok("exec", "c1", "ip", "-4", "-o", "addr", "show", "eth0")).toContain("10.9.0.");
  });
});
