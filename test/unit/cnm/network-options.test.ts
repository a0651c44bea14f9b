// Options that the controller carries out for every driver: routes, DNS servers, announcements.

import { describe, expect, test } from "vitest";
import {
  checkNetworkOptions,
  endpointRoutes,
  networkAdvertising,
  networkDns,
  networkRoutes,
} from "../../../src/cnm/network-options.ts";
import type { PoolRecord } from "../../../src/cnm/records.ts";
import { formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { address, networkSpec, pool, prefix } from "../../lab/cnm/specs.ts";
import { createFakeWorld } from "./fakes.ts";

const pools = ["10.1.0.0/24", "10.2.0.0/24", "2001:db8:1::/64"].map(
  (text): PoolRecord => ({
    poolId: text,
    addressSpace: "LocalDefault",
    family: text.includes(":") ? 6 : 4,
    subnet: prefix(text),
    auxiliaryAddresses: {},
  }),
);

const record = (options: Record<string, string>, part = {}) => ({
  options,
  pools,
  enableIpv4: true,
  enableIpv6: true,
  ...part,
});

function refusal(options: Record<string, string>, part = {}): string {
  try {
    checkNetworkOptions(record(options, part));
  } catch (error) {
    return `${errorKind(error)}: ${error instanceof Error ? error.message : error}`;
  }
  return "no refusal";
}

describe("tsdocker.dns", () => {
  test("is a list of servers of both families, in order", () => {
    const servers = networkDns(record({ "tsdocker.dns": "192.0.2.53, 2001:db8::53" }));
    expect(servers.map(formatAddress)).toEqual(["192.0.2.53", "2001:db8::53"]);
    expect(networkDns(record({}))).toEqual([]);
    expect(networkDns(record({ "tsdocker.dns": "" }))).toEqual([]);
  });

  test.each([
    "dns.example.org",
    "192.0.2.53:53",
    "0.0.0.0",
    "224.0.0.251",
    "192.0.2.1,,192.0.2.2",
    "192.0.2.0/24",
  ])("of %s is refused", (text) => {
    expect(refusal({ "tsdocker.dns": text })).toMatch(
      /^invalid: invalid value for tsdocker.dns: ".*" is not the address of a server$/,
    );
  });

  test("with the same server twice is refused", () => {
    expect(refusal({ "tsdocker.dns": "2001:db8::53,2001:db8:0::53" })).toBe(
      'invalid: invalid value for tsdocker.dns: "2001:db8::53" is there twice',
    );
  });
});

describe("tsdocker.routes", () => {
  test("has routes by a next hop, over the link, and to nowhere", () => {
    const text =
      "10.9.0.0/16 via 10.1.0.5,10.8.0.0/16, blackhole 10.7.0.0/16 , unreachable 2001:db8:7::/48 metric 5," +
      "2001:db8:9::/48  via  2001:db8:1::5 metric 4294967295";
    expect(networkRoutes(record({ "tsdocker.routes": text }))).toEqual([
      { destination: prefix("10.9.0.0/16"), nextHop: address("10.1.0.5") },
      { destination: prefix("10.8.0.0/16") },
      { destination: prefix("10.7.0.0/16"), type: "blackhole" },
      { destination: prefix("2001:db8:7::/48"), type: "unreachable", metric: 5 },
      { destination: prefix("2001:db8:9::/48"), nextHop: address("2001:db8:1::5"), metric: 4294967295 },
    ]);
  });

  test.each([
    ["10.9.0.0", "is not `[blackhole|unreachable|prohibit] SUBNET [via ADDRESS] [metric N]`"],
    ["10.9.0.0/16 via", "is not `[blackhole"],
    ["10.9.0.0/16 via eth0", "is not `[blackhole"],
    ["throw 10.9.0.0/16", "is not `[blackhole"],
    ["10.9.0.0/16 metric x", "is not `[blackhole"],
    ["10.9.0.1/16", "has host bits set: it should be 10.9.0.0/16"],
    ["0.0.0.0/0 via 10.1.0.5", "is a default route, which is the gateway's"],
    ["::/0", "is a default route, which is the gateway's"],
    ["224.0.0.0/4", "leads to multicast addresses"],
    ["10.9.0.0/16 via 2001:db8:1::5", "mixes IPv4 and IPv6"],
    ["blackhole 10.9.0.0/16 via 10.1.0.5", "goes nowhere (blackhole) and so has no next hop"],
    ["10.9.0.0/16 metric 0", "has a metric that is not between 1 and 4294967295"],
    ["10.9.0.0/16 metric 4294967296", "has a metric that is not between 1 and 4294967295"],
    ["10.9.0.0/16 via 10.3.0.1", "has a next hop outside the network's subnets"],
    ["10.2.0.0/24", "is the network's own subnet"],
    ["10.9.0.0/16, 10.9.0.0/16 via 10.1.0.5", "is there twice"],
  ])("of %s is refused: it %s", (text, why) => {
    const message = refusal({ "tsdocker.routes": text });
    expect(message).toMatch(/^invalid: invalid value for tsdocker.routes: "/);
    expect(message).toContain(why);
  });

  test("of a family that the network does not have is refused", () => {
    const ipv6 = { "tsdocker.routes": "2001:db8:9::/48" };
    expect(refusal(ipv6, { enableIpv6: false })).toMatch(/is IPv6, which this network does not have$/);
  });

  test("are those of an endpoint in its families, behind the kernel's own, and none for the router itself", () => {
    const network = record({
      "tsdocker.routes": "10.9.0.0/16 via 10.1.0.5, 2001:db8:9::/48 metric 7, 10.8.0.0/16",
    });
    const routesOf = (own: string, own6?: string) =>
      endpointRoutes(network, {
        interface: { address: prefix(own), ...(own6 && { addressIpv6: prefix(own6) }) },
        link: { name: "eth1", index: 3 },
      }).map(({ destination, metric }) => `${formatPrefix(destination)} ${metric}`);
    expect(routesOf("10.1.0.2/24")).toEqual(["10.9.0.0/16 103", "10.8.0.0/16 103"]);
    expect(routesOf("10.1.0.2/24", "2001:db8:1::2/64")).toContain("2001:db8:9::/48 7");
    expect(routesOf("10.1.0.5/24")).toEqual(["10.8.0.0/16 103"]);
    expect(endpointRoutes(network, { interface: {} })).toEqual([]);
  });
});

describe("announcements", () => {
  const key = (name: string) => `com.docker.network.advertise_addr_${name}`;

  test("are Docker's three, a second apart, or what the options say", () => {
    expect(networkAdvertising(record({}))).toEqual({ count: 3, intervalMs: 1000 });
    expect(networkAdvertising(record({ [key("nmsgs")]: "0", [key("ms")]: "100" }))).toEqual({
      count: 0,
      intervalMs: 100,
    });
  });

  test.each([
    ["nmsgs", "4", "between 0 and 3"],
    ["nmsgs", "-1", "between 0 and 3"],
    ["nmsgs", "many", "between 0 and 3"],
    ["ms", "99", "between 100 and 2000"],
    ["ms", "2001", "between 100 and 2000"],
    ["ms", "1.5", "between 100 and 2000"],
  ])("%s of %s is refused", (name, text, range) => {
    expect(refusal({ [key(name)]: text })).toBe(
      `invalid: invalid value for ${key(name)}: "${text}" is not a number ${range}`,
    );
  });
});

describe("a network", () => {
  test("whose options cannot be carried out leaves no pool, driver network or name", async () => {
    const { controller, bridge } = await createFakeWorld();
    const before = bridge.networks.size;
    const wrong = networkSpec("x1", {
      options: { "tsdocker.routes": "10.9.0.0/16 via 10.3.0.1" },
      ipam: { driver: "", pools: [pool("10.1.0.0/24")] },
    });
    await expect(controller.createNetwork(wrong)).rejects.toThrow("outside the network's subnets");
    expect(bridge.networks.size).toBe(before);
    await controller.createNetwork({ ...wrong, options: {} });
  });

  test("of a driver that names its options is refused others of ours, and keeps other people's", async () => {
    const { controller, bridge } = await createFakeWorld();
    Object.assign(bridge, { networkOptions: new Set(["tsdocker.known"]) });
    const make = (options: Record<string, string>) =>
      controller.createNetwork(networkSpec("x1", { options }));
    await expect(make({ "tsdocker.unknown": "1" })).rejects.toThrow(
      "unknown option tsdocker.unknown for driver bridge",
    );
    await make({ "tsdocker.known": "1", "tsdocker.dns": "192.0.2.1", "org.example.any": "1" });
  });
});
