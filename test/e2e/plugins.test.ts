// Network plugins beside a real daemon: programs that are not ours, on sockets.

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { type ServedPlugin, servePlugin } from "../../src/driverkit/index.ts";
import { deleteLink, unless } from "../../src/kernel/index.ts";
import { invalid } from "../../src/util/errors.ts";
import { everyStep } from "../lab/steps.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";
import { type Before, type WirePlugin, wirePlugin } from "./wire-plugin.ts";

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
  const { netlink } = site().host;
  const links = async () => (await netlink.links()).filter(({ name }) => /^w[bip][0-9a-f]{10}$/.test(name));
  plugin.before = async () => undefined;
  await everyStep(
    async () => served ?? (await serve()),
    () => daemon().removeAll(),
    // endpoints end behind the answer; who stops listening before hears of it the next time
    () => until("the plugin has heard of every end", async () => (await links()).length === 0),
    async () => {
      for (const { name } of await links()) await unless(["ENODEV"], netlink.send(deleteLink(name)));
    },
    stopServing,
  );
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
    // behind the answer
    await expect
      .poll(() => plugin.calls)
      .toEqual(["createNetwork", "createEndpoint", "join", "leave", "deleteEndpoint"]);
    expect(await ok("exec", "c1", "ls", "/sys/class/net")).not.toContain("eth1");
  });

  test("may ask the daemon from inside any call, also of what the call is about, and have it make something", async () => {
    const seen: string[] = [];
    const look: Before = async (method, { networkId, endpointId }) => {
      for (const path of ["/networks", "/info", "/events?since=1&until=2"]) await daemon().ask("GET", path);
      const { status, body } = await daemon().api("GET", `/networks/${networkId}?verbose=1`);
      const containers = await daemon().ask("GET", "/containers/json?all=1");
      // which may be gone since it was listed
      for (const { Id } of containers) await daemon().api("GET", `/containers/${Id}/json`);
      const isListed = Object.values<{ EndpointID: string }>(body.Containers ?? {}).some(
        ({ EndpointID }) => EndpointID === endpointId,
      );
      seen.push(`${method} ${status}${isListed ? " listed" : ""}`);
      if (method === "createNetwork" || method === "join")
        await ok("network", "create", "--subnet", "10.10.0.0/24", "inner");
      if (method === "deleteNetwork" || method === "leave") await ok("network", "rm", "inner");
    };
    plugin.before = async (method, about) => look(method, about).catch((error) => void seen.push(`${error}`));
    await ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
    await ok("network", "rm", "inner");
    await idle("c1", "--network", "w1");
    await ok("rm", "-f", "c1");
    await until("the endpoint is gone", async () => seen.length === 5);
    await ok("network", "create", "inner");
    await ok("network", "rm", "w1");
    expect(seen).toEqual([
      "createNetwork 404",
      "createEndpoint 200 listed",
      "join 200 listed",
      "leave 200 listed",
      "deleteEndpoint 200",
      "deleteNetwork 404",
    ]);
  });

  test("that hangs in a call keeps nobody else waiting", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
    plugin.before = async (method) => (method === "join" ? promise : undefined);
    const starting = docker("run", "-d", "--name", "c1", "--network", "w1", "busybox", "top");
    await until("it hangs", () => plugin.calls.includes("join"));
    // of others, of the network, and of the container that waits
    await ok("run", "--rm", "busybox", "true");
    expect(await ok("network", "inspect", "-f", "{{.Name}}", "w1")).toBe("w1");
    expect(await ok("inspect", "-f", "{{.State.Status}}", "c1")).toBe("created");
    expect(await ok("info", "-f", "{{.Plugins.Network}}")).toContain("wire");
    resolve();
    expect((await starting).code).toBe(0);
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
