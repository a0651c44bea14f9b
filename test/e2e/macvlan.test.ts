// Macvlan networks by the docker CLI: containers on the LAN itself, by name and by address, over a daemon's restart.

import { afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { lacksLinkKind } from "../lab/drivers/kernel.ts";
import { containersOn } from "./containers.ts";
import { useSite } from "./site.ts";

const lacks = {
  dummy: await lacksLinkKind("dummy"),
  vlan: await lacksLinkKind("vlan"),
  ipvlan: await lacksLinkKind("ipvlan"),
};

const site = useSite();
const daemon = () => site().daemon;
const { greeter } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
const docker = (...args: readonly string[]) => daemon().docker(...args);
const onLan = ["--subnet", "192.0.2.0/24", "--ip-range", "192.0.2.128/25"];
const create = (name: string, ...flags: string[]) =>
  ok("network", "create", "-d", "macvlan", "-o", "parent=eth0", ...onLan, ...flags, name);

afterEach(() => daemon().removeAll());

describe("a container on a macvlan network", () => {
  test("is on the LAN, found by name, and publishes no ports", async () => {
    await create("m1", "--gateway", "192.0.2.2");
    await greeter("web", "--network", "m1", "-p", "8080:80", "--ip", "192.0.2.200");
    await expect(site().peer).toReach("192.0.2.200:80", { answer: "web" });
    await expect(site().peer).not.toReach("192.0.2.1:8080");
    expect(await ok("run", "--rm", "--network", "m1", "busybox", "nc", "web", "80")).toBe("web");
    expect(await ok("exec", "web", "ip", "route")).toContain("default via 192.0.2.2 dev eth0");
    expect(await ok("exec", "web", "cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6")).toBe("1");
    expect(await ok("port", "web")).toBe("");
  });

  test("comes back with its address when it starts again, at once", async () => {
    await create("m1");
    await greeter("web", "--network", "m1", "--ip", "192.0.2.200");
    for (let round = 0; round < 3; round++) {
      await ok("restart", "-t", "0", "web");
      await expect(site().peer).toReach("192.0.2.200:80", { answer: "web" });
    }
  });

  test("is served by the next daemon too", async () => {
    await create("m1");
    await greeter(
      "web",
      "--network",
      "m1",
      "--ip",
      "192.0.2.200",
      "--restart",
      "always",
      "--stop-timeout",
      "0",
    );
    await daemon().stop();
    await daemon().start();
    await expect(site().peer).toReach("192.0.2.200:80", { answer: "web" });
    await ok("network", "disconnect", "m1", "web");
    await expect(site().peer).not.toReach("192.0.2.200:80");
    await ok("rm", "-f", "web");
    await ok("network", "rm", "m1");
  });
});

describe("a macvlan network", () => {
  test("shows its parent, mode and MTU as they took effect", async () => {
    await create("m1", "-o", "macvlan_mode=private");
    const { Status, Internal } = await daemon().ask("GET", "/networks/m1?verbose=1");
    expect(Internal).toBe(false);
    expect(Status.Effective).toMatchObject({
      parent: "eth0",
      macvlan_mode: "private",
      "com.docker.network.driver.mtu": "1500",
    });
    expect(Status.Kernel.Links).toMatchObject([{ Role: "parent", Name: "eth0", MTU: 1500 }]);
  });

  test.each([
    [["-o", "parent=lo"], "loopback interface is not a valid macvlan parent link"],
    [["-o", "parent=eth9"], "-o parent interface was not found on the host: eth9"],
    [["-o", "parent=eth0.4095"], "vlan id must be between 1-4094, received: 4095"],
    [["-o", "macvlan_mode=loud"], "requested macvlan mode 'loud' is not valid"],
    [["-o", "nope=x"], "unknown option nope for driver macvlan"],
  ])("with %j is a bad request", async (flags, message) => {
    const { code, stderr } = await docker("network", "create", "-d", "macvlan", ...flags, "m1");
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(message) });
    expect(await ok("network", "ls", "-q", "-f", "name=m1")).toBe("");
  });

  const needs = [
    ["dummy", [], "macvlan networks without a parent need CONFIG_DUMMY: this kernel has none"],
    ["vlan", ["-o", "parent=eth0.10"], "need CONFIG_VLAN_8021Q: this kernel has none"],
  ] as const;
  const lacking = needs.filter(([kind]) => lacks[kind]);
  test.each(lacking)("that needs %s says so where the kernel has none", async (_, flags, message) => {
    const { stderr } = await docker("network", "create", "-d", "macvlan", ...flags, "m1");
    expect(stderr).toContain(message);
  });
});

test.runIf(lacks.ipvlan)("an ipvlan network needs a kernel that has ipvlan", async () => {
  const { stderr } = await docker("network", "create", "-d", "ipvlan", "-o", "parent=eth0", "i1");
  expect(stderr).toContain("ipvlan networks need CONFIG_IPVLAN: this kernel has none");
  const { status } = await daemon().api("POST", "/networks/create", { Name: "i1", Driver: "ipvlan" });
  expect(status).toBe(501);
});
