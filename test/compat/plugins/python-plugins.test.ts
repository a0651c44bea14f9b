// pyveth (a network driver) and pyipam (an IPAM driver) of J. Cieślak, unmodified: in the folders `pyveth` and `pyipam`
// below TSDOCKER_PLUGINS, with what they import in `python`.

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createBridge, deleteLink, unless } from "../../../src/kernel/index.ts";
import { containersOn } from "../../e2e/containers.ts";
import { until } from "../../e2e/run.ts";
import { useSite } from "../../e2e/site.ts";
import { hasPlugin, type OthersPlugin, startPython } from "./others.ts";

if (hasPlugin("pyveth") && hasPlugin("pyipam")) {
  const sockets = mkdtempSync(join(tmpdir(), "tsp-"));
  const site = useSite({ flags: ["--plugin-sockets", sockets] });
  const daemon = () => site().daemon;
  const ok = (...args: readonly string[]) => daemon().ok(...args);
  const { greeter, idle } = containersOn(daemon);
  let veth: OthersPlugin;
  let ipam: OthersPlugin;

  beforeAll(async () => {
    const { host } = site();
    [veth, ipam] = await Promise.all([
      startPython("pyveth", { host, sockets }),
      startPython("pyipam", { host, sockets }),
    ]);
    await host.netlink.send(createBridge({ name: "br-others", up: true }));
  });

  afterEach(() => daemon().removeAll());

  afterAll(async () => {
    // pyveth deletes no link: they come back from their containers, as with dockerd, and stay
    const { netlink } = site().host;
    for (const { name, index } of await netlink.links())
      if (name === "br-others" || /^veth[0-9a-f]{8}$/.test(name))
        await unless(["ENODEV"], netlink.send(deleteLink(index)));
    await ipam[Symbol.asyncDispose]();
    await veth[Symbol.asyncDispose]();
    await rm(sockets, { recursive: true });
  });

  const create = (name: string, ...more: readonly string[]) =>
    ok("network", "create", "-d", "pyveth", "-o", "parent=br-others", ...more, name);
  /** Between two answers, and before the first, nobody listens. */
  const expectWeb = (...args: readonly string[]) => expect.poll(() => ok(...args)).toBe("web");
  const addressOf = (name: string, network: string) =>
    ok("inspect", "-f", `{{.NetworkSettings.Networks.${network}.IPAddress}}`, name);
  const macOf = (name: string, network: string) =>
    ok("inspect", "-f", `{{.NetworkSettings.Networks.${network}.MacAddress}}`, name);

  describe("pyveth", () => {
    test("carries containers that find each other by name, and is left and joined while they run", async () => {
      await create("v1", "--subnet", "10.9.0.0/24");
      await greeter("web", "--network", "v1");
      await expectWeb("run", "--rm", "--network", "v1", "busybox", "nc", "web", "80");
      await idle("c1");
      await ok("network", "connect", "--ip", "10.9.0.77", "v1", "c1");
      await expectWeb("exec", "c1", "nc", "web", "80");
      await ok("network", "disconnect", "v1", "c1");
      expect(await ok("exec", "c1", "ls", "/sys/class/net")).not.toContain("eth1");
      await ok("restart", "-t", "0", "web");
      await expectWeb("run", "--rm", "--network", "v1", "busybox", "nc", "web", "80");
    });

    test("may be killed and come back: what it had forgotten goes all the same", async () => {
      await create("v2", "--subnet", "10.9.2.0/24");
      await idle("c1", "--network", "v2");
      await veth.restart();
      await idle("c2", "--network", "v2");
      await ok("rm", "-f", "c1", "c2");
      await ok("network", "rm", "v2");
      expect(await ok("network", "ls", "-q", "-f", "driver=pyveth")).toBe("");
    });
  });

  describe("pyveth with pyipam", () => {
    test("hands out addresses, chooses pools, and is asked with the endpoint's MAC", async () => {
      await create("i1", "--ipam-driver", "pyipam");
      const subnet = await ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "i1");
      expect(subnet).toMatch(/^172\.\d+\.\d+\.0\/24$/);
      await greeter("web", "--network", "i1");
      await idle("c1", "--network", "i1");
      expect(await addressOf("web", "i1")).not.toBe(await addressOf("c1", "i1"));
      await expectWeb("exec", "c1", "nc", "web", "80");
      expect(await ok("exec", "c1", "cat", "/sys/class/net/eth0/address")).toBe(await macOf("c1", "i1"));
      const { stderr } = await daemon().docker(
        ...["run", "--rm", "--network", "i1", "--ip", await addressOf("c1", "i1"), "busybox", "true"],
      );
      expect(stderr).toMatch(/is already used|specifying an IP/);
    });

    test("that was started anew is told all that is leased, and hands out none of it", async () => {
      await create("i2", "--ipam-driver", "pyipam", "--subnet", "10.8.0.0/29");
      for (const name of ["c1", "c2"]) await idle(name, "--network", "i2");
      await ipam.restart();
      await idle("c3", "--network", "i2");
      const addresses = await Promise.all(["c1", "c2", "c3"].map((name) => addressOf(name, "i2")));
      expect(new Set(addresses).size).toBe(3);
      expect(addresses).not.toContain("10.8.0.1");
    });

    test("outlives the daemon, and the daemon them: addresses and names are as before", async () => {
      await create("i3", "--ipam-driver", "pyipam", "--subnet", "10.7.0.0/24");
      await greeter("web", "--network", "i3", "--restart", "always", "--stop-timeout", "0");
      const before = await addressOf("web", "i3");
      await daemon().stop();
      await daemon().start();
      await until("web runs", async () => (await ok("ps", "-q", "-f", "name=web")) !== "");
      expect(await addressOf("web", "i3")).toBe(before);
      await expectWeb("run", "--rm", "--network", "i3", "busybox", "nc", "web", "80");
    });
  });
} else {
  test.skip("pyveth and pyipam: they are not below TSDOCKER_PLUGINS, or this is not root", () => undefined);
}
