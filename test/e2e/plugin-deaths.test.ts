// A network plugin in a process of its own, and a daemon, killed while containers run on it.

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { everyStep } from "../lab/steps.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";
import { WireProcess } from "./wire-process.ts";

const sockets = mkdtempSync(join(tmpdir(), "tsp-"));
const site = useSite({ flags: ["--plugin-sockets", sockets], config: { "live-restore": true } });
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const { greeter, idle } = containersOn(daemon);
let plugin: WireProcess;

beforeEach(async () => {
  plugin = new WireProcess({ host: site().host, socket: join(sockets, "wire.sock") });
  await plugin.start();
});

afterEach(() =>
  everyStep(
    () => plugin.start(),
    () => daemon().removeAll(),
    // it hears of all that ended while it was away
    () => until("the plugin has no link left", async () => (await links()).length === 0),
    () => plugin.kill(),
  ),
);

afterAll(() => rm(sockets, { recursive: true }));

const links = async () =>
  (await site().host.netlink.links())
    .map(({ name }) => name)
    .filter((name) => /^w[bip][0-9a-f]{10}$/.test(name));
const create = () => ok("network", "create", "-d", "wire", "--subnet", "10.9.0.0/24", "w1");
const hello = () => ok("exec", "c1", "nc", "web", "80");

async function killDaemon(): Promise<void> {
  await daemon().signal("SIGKILL");
  await daemon().start();
}

describe("a container on a network of a plugin", () => {
  test("goes on when the plugin is killed, and when the daemon starts anew or is killed, with it or without", async () => {
    await create();
    await greeter("web", "--network", "w1");
    await idle("c1", "--network", "w1");
    const before = (await links()).toSorted();
    expect(await hello()).toBe("web");
    await plugin.kill();
    expect(await hello()).toBe("web");
    await daemon().stop();
    await daemon().start();
    expect(await daemon().log()).not.toContain("cannot restore");
    expect(await hello()).toBe("web");
    await plugin.start();
    await killDaemon();
    expect(await hello()).toBe("web");
    expect((await links()).toSorted()).toEqual(before);
    await idle("c2", "--network", "w1");
    expect(await ok("exec", "c2", "nc", "web", "80")).toBe("web");
  });

  test("can be removed while the plugin is away, also by a daemon that is killed then; the plugin hears of it", async () => {
    await create();
    await idle("c1", "--network", "w1");
    await plugin.kill();
    await ok("rm", "-f", "c1");
    await ok("network", "rm", "w1");
    expect(await links()).not.toEqual([]);
    await killDaemon();
    await plugin.start();
    await until("the plugin has heard of it", async () => (await links()).length === 0);
  });
});
