// What no network can be: each wish with Docker's status and a message that names what is wrong, and nothing left behind.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { statusOf } from "../../../src/api/errors.ts";
import { readNetworkSpec } from "../../../src/api/networks/spec.ts";
import type { CreateNetworkRequest } from "../../../src/api/schemas/network.ts";
import { errorMessage } from "../../../src/util/errors.ts";
import { address, endpointSpec, networkSpec, pool, sandboxSpec } from "../cnm/specs.ts";
import type { World } from "../cnm/world.ts";
import { everyStep } from "../steps.ts";
import { createSite, options, type Site } from "./site.ts";

let site: Site;
let world: World;

beforeAll(async () => {
  site = await createSite();
  world = await site.world();
  const { controller } = world;
  await controller.createNetwork(
    networkSpec("there", { ipam: { driver: "", pools: [pool("10.9.0.0/24")] } }),
  );
  const config = { configOnly: true, options: options({ "driver.mtu": "1400" }) };
  await controller.createNetwork(networkSpec("config", config));
  await site.machine.remember();
});

afterAll(() =>
  everyStep(
    () => world.controller.deleteNetwork("there"),
    () => world.controller.deleteNetwork("config"),
    () => world[Symbol.asyncDispose](),
    () => site.lab[Symbol.asyncDispose](),
  ),
);

async function refusal(request: CreateNetworkRequest): Promise<string> {
  try {
    await world.controller.createNetwork(readNetworkSpec(request));
  } catch (error) {
    return `${statusOf(error)} ${errorMessage(error)}`;
  }
  await world.controller.deleteNetwork(request.Name ?? "");
  return "made";
}

const subnets = (...Config: NonNullable<NonNullable<CreateNetworkRequest["IPAM"]>["Config"]>) => ({
  Name: "x1",
  IPAM: { Config },
});
const option = (key: string, value: string) => ({ Name: "x1", Options: options({ [key]: value }) });
const ours = (key: string, value: string) => ({ Name: "x1", Options: { [`tsdocker.${key}`]: value } });

const cases: readonly [what: string, request: CreateNetworkRequest, refusal: string][] = [
  ["no name", { Name: "" }, "400 invalid network name: name is empty"],
  ["a name with a slash", { Name: "a/b" }, "400 invalid name: a/b includes invalid characters"],
  ["a name that is taken", { Name: "there" }, "409 network with name there already exists"],
  ["a predefined name", { Name: "host" }, "403 operation is not permitted on predefined host network"],
  ["a driver that there is not", { Name: "x1", Driver: "nope" }, '404 plugin "nope" not found'],
  [
    "a second host network",
    { Name: "x1", Driver: "host" },
    '403 only one instance of "host" network is allowed',
  ],
  [
    "an IPAM driver that there is not",
    { Name: "x1", IPAM: { Driver: "nope" } },
    '404 plugin "nope" not found',
  ],
  ["an IPAM driver without subnets", { Name: "x1", IPAM: { Driver: "null" } }, "400 ipv4 pool is empty"],
  ["swarm's scope", { Name: "x1", Scope: "swarm" }, "403 cannot create a swarm scoped network"],
  ["a scope that is none", { Name: "x1", Scope: "moon" }, '403 invalid network scope "moon"'],
  ["neither family", { Name: "x1", EnableIPv4: false }, "400 IPv4 or IPv6 must be enabled"],
  [
    "an IPv4 subnet without IPv4",
    { ...subnets({ Subnet: "10.1.0.0/24" }), EnableIPv4: false, EnableIPv6: true },
    "400 invalid network config:\ninvalid subnet 10.1.0.0/24: IPv4 is off for this network",
  ],
  ["a subnet that is none", subnets({ Subnet: "10.1.0.0" }), '400 invalid subnet: "10.1.0.0"'],
  [
    "a subnet with host bits",
    subnets({ Subnet: "10.1.0.7/24" }),
    "invalid subnet 10.1.0.7/24: it should be 10.1.0.0/24",
  ],
  [
    "a multicast subnet",
    subnets({ Subnet: "224.1.0.0/24" }),
    "400 invalid network config:\ninvalid subnet 224.1.0.0/24",
  ],
  ["a loopback subnet", subnets({ Subnet: "127.1.0.0/24" }), "loopback addresses belong to the host alone"],
  [
    "a link-local subnet that is not the kernel's",
    { ...subnets({ Subnet: "fe80:0:0:1::/64" }), EnableIPv6: true },
    "clashes with the Link-Local prefix 'fe80::/64'",
  ],
  ["everything as a subnet", subnets({ Subnet: "0.0.0.0/0" }), "400 invalid address pool"],
  [
    "a subnet that another network has",
    subnets({ Subnet: "10.9.0.128/25" }),
    "403 Pool overlaps with other one",
  ],
  [
    "one subnet twice",
    subnets({ Subnet: "10.1.0.0/24" }, { Subnet: "10.1.0.0/24" }),
    "403 Pool overlaps with other one",
  ],
  [
    "subnets that overlap",
    subnets({ Subnet: "10.1.0.0/16" }, { Subnet: "10.1.2.0/24" }),
    "403 Pool overlaps with other one",
  ],
  [
    "a range outside the subnet",
    subnets({ Subnet: "10.1.0.0/24", IPRange: "10.2.0.0/25" }),
    "doesn't contain ip-range",
  ],
  [
    "a range that is larger",
    subnets({ Subnet: "10.1.0.0/24", IPRange: "10.0.0.0/8" }),
    "bigger than its parent subnet",
  ],
  ["a range without a subnet", subnets({ IPRange: "10.1.0.0/25" }), "400 invalid address subpool"],
  [
    "a gateway outside",
    subnets({ Subnet: "10.1.0.0/24", Gateway: "10.2.0.1" }),
    "invalid gateway 10.2.0.1: parent subnet",
  ],
  [
    "a gateway of the other family",
    subnets({ Subnet: "10.1.0.0/24", Gateway: "fd00::1" }),
    "is an IPv4 block",
  ],
  [
    "a gateway that is no address",
    subnets({ Subnet: "10.1.0.0/24", Gateway: "router" }),
    '400 invalid gateway: "router"',
  ],
  [
    "the network address as gateway",
    subnets({ Subnet: "10.1.0.0/24", Gateway: "10.1.0.0" }),
    "400 failed to allocate gateway (10.1.0.0): requested address is out of range",
  ],
  [
    "the broadcast address as gateway",
    subnets({ Subnet: "10.1.0.0/24", Gateway: "10.1.0.255" }),
    "400 failed to allocate gateway (10.1.0.255)",
  ],
  [
    "an auxiliary address outside",
    subnets({ Subnet: "10.1.0.0/24", AuxiliaryAddresses: { a: "10.2.0.1" } }),
    "invalid auxiliary address a: parent subnet",
  ],
  [
    "an auxiliary address that is the gateway",
    subnets({ Subnet: "10.1.0.0/24", Gateway: "10.1.0.1", AuxiliaryAddresses: { a: "10.1.0.1" } }),
    "403 failed to allocate secondary ip address (a:10.1.0.1): Address already in use",
  ],
  [
    "the same auxiliary address twice",
    subnets({ Subnet: "10.1.0.0/24", AuxiliaryAddresses: { a: "10.1.0.5", b: "10.1.0.5" } }),
    "403 failed to allocate secondary ip address (b:10.1.0.5)",
  ],
  [
    "the broadcast address as auxiliary address",
    subnets({ Subnet: "10.1.0.0/24", AuxiliaryAddresses: { a: "10.1.0.255" } }),
    "400 failed to allocate secondary ip address (a:10.1.0.255)",
  ],
  ["ICC that is no boolean", option("bridge.enable_icc", "yes"), 'bridge.enable_icc: "yes" is not a boolean'],
  ["masquerade that is none", option("bridge.enable_ip_masquerade", ""), "bridge.enable_ip_masquerade"],
  [
    "IPv6 that is no boolean",
    option("enable_ipv6", "2"),
    'com.docker.network.enable_ipv6: "2" is not a boolean',
  ],
  ["an MTU of letters", option("driver.mtu", "big"), 'com.docker.network.driver.mtu: "big" is not an MTU'],
  ["an MTU below zero", option("driver.mtu", "-1"), "com.docker.network.driver.mtu"],
  ["an MTU too small", option("driver.mtu", "67"), "com.docker.network.driver.mtu"],
  ["an MTU too large", option("driver.mtu", "65536"), "com.docker.network.driver.mtu"],
  ["a bridge name too long", option("bridge.name", "sixteen-letters-"), "com.docker.network.bridge.name"],
  ["a bridge name that is a path", option("bridge.name", "../x"), "com.docker.network.bridge.name"],
  ["a bridge of another network", option("bridge.name", "docker0"), "403 cannot create network"],
  [
    "a device that is no bridge",
    option("bridge.name", "eth0"),
    "409 create bridge eth0: the device eth0 is there already",
  ],
  ["a gateway mode that is none", option("bridge.gateway_mode_ipv4", "nat64"), "unknown gateway mode nat64"],
  [
    "isolated gateways outside an internal network",
    option("bridge.gateway_mode_ipv4", "isolated"),
    "400 gateway mode 'isolated'",
  ],
  ["a binding address that is none", option("bridge.host_binding_ipv4", "eth0"), "host_binding_ipv4"],
  [
    "a source address of the other family",
    option("host_ipv4", "2001:db8::1"),
    "com.docker.network.host_ipv4",
  ],
  ["too many announcements", option("advertise_addr_nmsgs", "4"), "advertise_addr_nmsgs"],
  ["announcements too near", option("advertise_addr_ms", "99"), "advertise_addr_ms"],
  [
    "an option of bridges that there is not",
    option("bridge.enable_ipv7", "1"),
    "400 unknown option com.docker.network.bridge.enable_ipv7 for driver bridge",
  ],
  [
    "an option of ours that there is not",
    ours("route", "10.1.0.0/24"),
    "400 unknown option tsdocker.route for driver bridge",
  ],
  [
    "routes that are none",
    ours("routes", "everywhere"),
    '400 invalid value for tsdocker.routes: "everywhere"',
  ],
  ["a next hop outside", ours("routes", "10.1.0.0/24 via 10.9.0.1"), "400 invalid value for tsdocker.routes"],
  ["name servers that are none", ours("dns", "localhost"), '400 invalid value for tsdocker.dns: "localhost"'],
  [
    "a configuration that there is not",
    { Name: "x1", ConfigFrom: { Network: "nope" } },
    '404 configuration network "nope" does not exist',
  ],
  [
    "a configuration that is a network",
    { Name: "x1", ConfigFrom: { Network: "there" } },
    '404 configuration network "there" does not exist',
  ],
  [
    "a configuration and a subnet",
    { ...subnets({ Subnet: "10.1.0.0/24" }), ConfigFrom: { Network: "config" } },
    "403 user specified configurations are not supported if the network depends on a configuration network",
  ],
  [
    "a configuration and options",
    { ...option("driver.mtu", "1400"), ConfigFrom: { Network: "config" } },
    "403 network driver options are not supported if the network depends on a configuration network",
  ],
  [
    "a configuration of a configuration",
    { Name: "x1", ConfigOnly: true, ConfigFrom: { Network: "config" } },
    "403 a configuration network cannot depend on another configuration network",
  ],
  [
    "a configuration that is internal",
    { Name: "x1", ConfigOnly: true, Internal: true },
    "403 configuration network can only contain network specific fields",
  ],
];

describe("a network is refused that has", () => {
  test.each(cases)("%s", async (_, request, message) => {
    expect(await refusal(request)).toContain(message);
  });
});

describe("an endpoint is refused that has", () => {
  const wish = (part: Parameters<typeof endpointSpec>[1], network = "there") => endpointSpec(network, part);
  const driver = (key: string, value: string) => wish({ driverOptions: { [key]: value } });

  test.each([
    [
      "an address outside",
      wish({ ipv4: address("10.8.0.1") }),
      "no configured subnet contains IP address 10.8.0.1",
    ],
    [
      "an address of a family that is off",
      wish({ ipv6: address("fd00::1") }),
      "no configured subnet contains IP address fd00::1",
    ],
    ["the network address", wish({ ipv4: address("10.9.0.0") }), "400 requested address is out of range"],
    ["the broadcast address", wish({ ipv4: address("10.9.0.255") }), "400 requested address is out of range"],
    ["the gateway's address", wish({ ipv4: address("10.9.0.1") }), "403 Address already in use"],
    [
      "an address on the default network",
      wish({ ipv4: address("172.17.0.9") }, "bridge"),
      "400 user-specified IP address is supported on user-defined networks only",
    ],
    ["a configuration for a network", wish({}, "config"), "configuration-only network"],
    [
      "an interface name too long",
      driver("com.docker.network.endpoint.ifname", "much-too-long-name"),
      "com.docker.network.endpoint.ifname",
    ],
    [
      "a host interface name that is none",
      driver("tsdocker.host_interface_name", "a b"),
      "tsdocker.host_interface_name",
    ],
    ["a host interface name that is taken", driver("tsdocker.host_interface_name", "eth0"), "409"],
    [
      "a sysctl of another link",
      driver("com.docker.network.endpoint.sysctls", "net.ipv4.conf.eth0.forwarding=1"),
      "com.docker.network.endpoint.sysctls",
    ],
    [
      "a sysctl that there is not",
      driver("com.docker.network.endpoint.sysctls", "net.ipv4.conf.IFNAME.nope=1"),
      "nope",
    ],
    [
      "an option that there is not",
      driver("com.docker.network.endpoint.nope", "1"),
      "400 unknown option com.docker.network.endpoint.nope",
    ],
    ["an option of ours that there is not", driver("tsdocker.nope", "1"), "400 unknown option tsdocker.nope"],
  ])("%s", async (_, endpoint, message) => {
    const made = world.controller.createSandbox(sandboxSpec("c1", { endpoints: [endpoint] })).then(
      async (sandbox) => {
        await sandbox.delete();
        return "made";
      },
      (error: unknown) => `${statusOf(error)} ${errorMessage(error)}`,
    );
    expect(await made).toContain(message);
    expect(world.controller.network(endpoint.network).endpoints.size).toBe(0);
  });

  test("an address that somebody has", async () => {
    const first = await world.controller.createSandbox(
      sandboxSpec("c1", { endpoints: [wish({ ipv4: address("10.9.0.9") })] }),
    );
    const second = world.controller.createSandbox(
      sandboxSpec("c2", { endpoints: [wish({ ipv4: address("10.9.0.9") })] }),
    );
    try {
      await expect(second).rejects.toThrow("Address already in use");
    } finally {
      await first.delete();
    }
  });
});

test("of all that was refused nothing is left, in the kernel or in the model", async () => {
  const { controller } = world;
  await controller.settle();
  await site.machine.expectUnchanged();
  expect(
    controller
      .networks()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(["bridge", "config", "host", "none", "there"]);
  const free = await controller.createNetwork(networkSpec("free"));
  expect(free.record.pools[0]?.subnet.address).toEqual(address("172.18.0.0"));
  await controller.deleteNetwork("free");
});
