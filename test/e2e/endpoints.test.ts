// A container's places on networks, as clients see them: what stays over restarts, where packets leave, links, events,
// and what is refused.

import { afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;
const { idle } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
const inspect = async (name: string) => await daemon().ask("GET", `/containers/${name}/json`);
const sh = (container: string, script: string) => ok("exec", container, "sh", "-c", script);

/** Interfaces with MAC and addresses, as the container sees them. */
const interfaces = (name: string) =>
  sh(name, "for i in eth0 eth1; do ip -o addr show dev $i; cat /sys/class/net/$i/address; done").then(
    // lifetimes and link-local addresses are the kernel's
    (text) =>
      text
        .split("\n")
        .filter((line) => !line.includes("fe80:"))
        .join("\n"),
  );

afterEach(() => daemon().removeAll());

describe("addresses, MACs and interfaces", () => {
  test("stay over stop and start, and over the daemon's restart", async () => {
    await ok("network", "create", "--ipv6", "n1");
    await ok("network", "create", "n2");
    await idle("cc", "--network", "n1", "--restart", "always");
    await ok("network", "connect", "n2", "cc");
    const before = await interfaces("cc");
    await ok("stop", "-t", "0", "cc");
    await idle("other", "--network", "n1");
    await ok("start", "cc");
    expect(await interfaces("cc")).toBe(before);
    await daemon().stop();
    await daemon().start();
    await until("it runs again", async () => (await inspect("cc")).State.Running);
    expect(await interfaces("cc")).toBe(before);
    await ok("network", "disconnect", "n2", "cc");
    await idle("next", "--network", "n2");
    await ok("network", "connect", "n2", "cc");
    expect(await interfaces("cc")).not.toBe(before);
  });

  test("are given in the order in which the networks are named, the first being eth0", async () => {
    for (const name of ["b", "a", "c"]) await ok("network", "create", name);
    await daemon().tsdocker(
      "run",
      "-d",
      "--name",
      "cc",
      "--network",
      "c",
      "--network",
      "a",
      "--network",
      "b",
      "busybox",
      "sleep",
      "1000",
    );
    const { Networks } = (await inspect("cc")).NetworkSettings;
    const names = await sh(
      "cc",
      "for i in eth0 eth1 eth2; do ip -o -4 addr show dev $i | awk '{print $4}'; done",
    );
    const subnets = ["c", "a", "b"].map((name) => `${Networks[name].IPAddress}/16`);
    expect(names.split("\n").map((text) => text.replace(/\/.*/, "/16"))).toEqual(subnets);
  });
});

test("the default route and the ports follow the priority, and come back", async () => {
  await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
  await ok("network", "create", "--subnet", "203.0.113.0/24", "n2");
  await ok(
    "run",
    "-d",
    "--name",
    "cc",
    "--network",
    "n1",
    "-p",
    "80",
    "busybox",
    "sh",
    "-c",
    "while :; do nc -l -p 80 -e echo cc; done",
  );
  const gateway = () => sh("cc", "ip route | awk '/^default/{print $3}'");
  const port = async () => (await ok("port", "cc", "80")).split("\n")[0]?.split(":").at(-1);
  const chosen = await port();
  expect(await gateway()).toBe("198.51.100.1");
  await daemon().tsdocker("network", "connect", "--gw-priority", "1", "n2", "cc");
  expect(await gateway()).toBe("203.0.113.1");
  await expect(site().peer).toReach(`192.0.2.1:${chosen}`, { answer: "cc" });
  expect(await port()).toBe(chosen);
  await ok("network", "disconnect", "n2", "cc");
  expect(await gateway()).toBe("198.51.100.1");
  await expect(site().peer).toReach(`192.0.2.1:${chosen}`, { answer: "cc" });
});

describe("legacy links", () => {
  test("are lines of hosts that follow the other container, by whatever name", async () => {
    await idle("db");
    await idle("web", "--link", "db:database");
    const hosts = () => sh("web", "grep database /etc/hosts");
    const address = async () => (await inspect("db")).NetworkSettings.IPAddress;
    expect(await hosts()).toContain(await address());
    expect((await inspect("web")).HostConfig.Links).toEqual(["/db:/web/database"]);
    await ok("rename", "db", "renamed");
    await ok("restart", "-t", "0", "web");
    expect(await hosts()).toMatch(/database [0-9a-f]{12} renamed$/);
  });

  test("need the other container to run", async () => {
    await ok("create", "--name", "db", "busybox", "sleep", "1000");
    const { code, stderr } = await daemon().docker(
      "run",
      "-d",
      "--name",
      "web",
      "--link",
      "db:database",
      "busybox",
      "true",
    );
    expect(code).toBe(125);
    expect(stderr).toContain("Cannot link to a non running container: /db AS /web/database");
  });
});

test("a container that shares another's network has none when that one is started again, until it is too", async () => {
  await idle("owner");
  await idle("guest", "--network", "container:owner");
  const address = () => sh("guest", "ip -o -4 addr show dev eth0 | awk '{print $4}'");
  const before = await address();
  await ok("restart", "-t", "0", "owner");
  // the kernel takes its time to delete a link
  await expect.poll(() => sh("guest", "ip -o link | grep -c eth0 || true")).toBe("0");
  await ok("restart", "-t", "0", "guest");
  expect(await address()).toBe(before);
});

test("events tell of connections with the network's name and driver and the container", async () => {
  await ok("network", "create", "n1");
  const id = await idle("cc");
  await ok("network", "connect", "n1", "cc");
  await ok("network", "disconnect", "n1", "cc");
  const told = await until("both are told", () => {
    const found = daemon().events.filter(
      ({ Actor }) => Actor.Attributes.name === "n1" && Actor.Attributes.container === id,
    );
    return found.length >= 2 && found;
  });
  expect(told.map(({ Action, Actor }) => [Action, Actor.Attributes])).toEqual([
    ["connect", { name: "n1", type: "bridge", container: id }],
    ["disconnect", { name: "n1", type: "bridge", container: id }],
  ]);
});

describe("a connection that cannot be", () => {
  const connect = (name: string, EndpointConfig: object) =>
    daemon().api("POST", "/networks/n1/connect", { Container: name, EndpointConfig });
  const ifname = { "com.docker.network.endpoint.ifname": "eth0" };
  const cases: readonly (readonly [object, number, RegExp])[] = [
    [
      { IPAMConfig: { IPv4Address: "10.0.0.1" } },
      400,
      /no configured subnet contains IP address 10\.0\.0\.1/,
    ],
    [{ IPAMConfig: { IPv4Address: "198.51.100.255" } }, 400, /out of range/],
    [{ IPAMConfig: { IPv4Address: "198.51.100.1" } }, 403, /Address already in use/],
    [{ IPAMConfig: { IPv4Address: "nonsense" } }, 400, /IPv4 address/],
    [{ MacAddress: "01:00:5e:00:00:01" }, 400, /multicast/],
    [{ MacAddress: "02:00" }, 400, /invalid MAC address/],
    [{ Aliases: ["a b"] }, 400, /invalid alias/],
    [{ DriverOpts: ifname }, 409, /interface eth0 is there already/],
    [{ DriverOpts: { "com.docker.network.endpoint.sysctls": "net.ipv4.ip_forward=1" } }, 400, /sysctls/],
    [{ DriverOpts: { "tsdocker.nonsense": "1" } }, 400, /unknown option tsdocker\.nonsense/],
    [{ GwPriority: "high" }, 400, /cannot unmarshal string/],
  ];

  test.each(cases)(
    "%j is refused with Docker's status, and leaves nothing in inspect",
    async (config, status, message) => {
      await ok("network", "create", "--subnet", "198.51.100.0/24", "n1");
      await idle("cc");
      const answer = await connect("cc", config);
      expect([answer.status, answer.body.message]).toEqual([status, expect.stringMatching(message)]);
      expect(Object.keys((await inspect("cc")).NetworkSettings.Networks)).toEqual(["bridge"]);
      expect(await daemon().ask("GET", "/networks/n1")).toMatchObject({ Containers: {} });
      expect(await sh("cc", "ip -o link | grep -c eth1 || true")).toBe("0");
    },
  );

  test("a network named twice is refused at create", async () => {
    const id = await ok("network", "create", "n1");
    const { status, body } = await daemon().api("POST", "/containers/create", {
      Image: "busybox",
      HostConfig: { NetworkMode: "n1" },
      NetworkingConfig: { EndpointsConfig: { n1: {}, [id]: {} } },
    });
    expect([status, body.message]).toEqual([400, "container cannot be connected to network n1 twice"]);
  });
});
