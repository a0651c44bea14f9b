// What is refused of an endpoint before anything is made, and that a refusal leaves nothing.

import { describe, expect, test } from "vitest";
import type { EndpointSpec } from "../../../src/cnm/index.ts";
import { parseMac } from "../../../src/netip/index.ts";
import { address, endpointSpec, networkSpec, pool, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, leased } from "./fakes.ts";

const ifname = (name: string) => ({ driverOptions: { "com.docker.network.endpoint.ifname": name } });
const mac = (text: string) => {
  const parsed = parseMac(text);
  return parsed ? { mac: parsed } : {};
};
const linkLocal = (...texts: readonly string[]) => ({ linkLocal: texts.map(address) });

async function worldWith(...networks: readonly string[]) {
  const world = await createFakeWorld();
  for (const [at, name] of networks.entries())
    await world.controller.createNetwork(
      networkSpec(name, { ipam: { driver: "", pools: [pool(`10.0.${at}.0/24`)] } }),
    );
  return world;
}

test("its driver is asked what it thinks of the options, while the container does not run", async () => {
  const { controller, bridge } = await worldWith("x1");
  const asked: unknown[] = [];
  Object.assign(bridge, {
    checkEndpoint: (options: unknown) => {
      asked.push(options);
      throw new Error("no such option");
    },
  });
  const driverOptions = { "tsdocker.colour": "red" };
  expect(() => controller.checkEndpoint(endpointSpec("x1", { driverOptions }))).toThrow("no such option");
  expect(asked).toEqual([{ driverOpts: driverOptions }]);
});

const faults: readonly (readonly [string, Partial<EndpointSpec>, string, string])[] = [
  [
    "an address outside",
    { ipv4: address("10.9.0.1") },
    "invalid",
    "no configured subnet contains IP address 10.9.0.1",
  ],
  ["the network's address", { ipv4: address("10.0.1.0") }, "invalid", "requested address is out of range"],
  ["the broadcast address", { ipv4: address("10.0.1.255") }, "invalid", "requested address is out of range"],
  ["the gateway's address", { ipv4: address("10.0.1.1") }, "forbidden", "Address already in use"],
  ["another's address", { ipv4: address("10.0.1.9") }, "forbidden", "Address already in use"],
  [
    "IPv6 where there is none",
    { ipv6: address("2001:db8::2") },
    "invalid",
    "no configured subnet contains IP address 2001:db8::2",
  ],
  [
    "a multicast MAC",
    mac("01:00:5e:00:00:01"),
    "invalid",
    "invalid MAC address: 01:00:5e:00:00:01 is a multicast address",
  ],
  [
    "no MAC at all",
    mac("00:00:00:00:00:00"),
    "invalid",
    "invalid MAC address: 00:00:00:00:00:00 is no address",
  ],
  ["a name that is too long", ifname("a123456789012345"), "invalid", "is not a name for a network interface"],
  ["a name with a slash", ifname("a/b"), "invalid", "is not a name for a network interface"],
  ["the loopback's name", ifname("lo"), "invalid", "is the loopback interface"],
  ["a name that is taken", ifname("eth0"), "conflict", "interface eth0 is there already"],
  ["an empty alias", { aliases: [""] }, "invalid", 'invalid alias: ""'],
  ["an alias with a blank", { aliases: ["ok", "a b"] }, "invalid", 'invalid alias: "a b"'],
  ["an alias with a line end", { aliases: ["a\nb"] }, "invalid", "invalid alias"],
  ["a label that is too long", { aliases: ["a".repeat(64)] }, "invalid", "invalid alias"],
  [
    "a link-local address that is none",
    linkLocal("10.0.0.1"),
    "invalid",
    "invalid link-local IP address: 10.0.0.1",
  ],
  ["one link-local address twice", linkLocal("169.254.1.1", "169.254.1.1"), "invalid", "is there twice"],
  ["a priority out of range", { gatewayPriority: 2 ** 60 }, "invalid", "invalid gateway priority"],
];

describe("connecting with", () => {
  test.each(faults)("%s is refused, and leaves nothing", async (_, part, kind, message) => {
    const world = await worldWith("x1", "x2");
    const { controller } = world;
    await controller.createSandbox(
      sandboxSpec("other", { endpoints: [endpointSpec("x2", { ipv4: address("10.0.1.9") })] }),
    );
    const sandbox = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }));
    const before = sandbox.endpoints();
    const leasedBefore = await leased(world, "x2");
    const refused = sandbox.connect(endpointSpec("x2", part));
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toMatchObject({ kind });
    expect(sandbox.endpoints()).toEqual(before);
    expect(await leased(world, "x2")).toEqual(leasedBefore);
    expect((await controller.network("x2").view()).members.map(({ name }) => name)).toEqual(["other"]);
    expect(world.bridge.endpoints.size).toBe(2);
    expect(world.store.sizes()).toMatchObject({ endpoints: 2, places: 2 });
  });

  test("aliases that are names is fine, underscores and all", async () => {
    const { controller } = await worldWith("x1");
    const aliases = ["db", "my_db", "db.example.org", "x".repeat(63), "größe"];
    expect(() => controller.checkEndpoint(endpointSpec("x1", { aliases }))).not.toThrow();
  });
});

test("an interface whose name was chosen keeps others from taking it, whoever comes first", async () => {
  const { controller } = await worldWith("x1", "x2", "x3");
  const endpoints = [endpointSpec("x1"), endpointSpec("x2", ifname("eth0")), endpointSpec("x3")];
  const join = async () => {
    const sandbox = await controller.createSandbox(sandboxSpec("c1", { endpoints }));
    return sandbox.endpoints().map(({ networkName }) => networkName);
  };
  // the fake gives its links the names that are suggested, so only the suggestion can be seen
  await expect(join()).resolves.toEqual(["x1", "x2", "x3"]);
});
