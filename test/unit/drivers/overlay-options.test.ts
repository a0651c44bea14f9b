// What users say of overlay networks, and what endpoints are made of it.

import { describe, expect, test } from "vitest";
import createOverlay from "../../../drivers/overlay/index.ts";
import { networkMtu } from "../../../drivers/overlay/mtu.ts";
import { macFor, publishedEndpoint } from "../../../drivers/overlay/new-endpoint.ts";
import { readOverlayConfig } from "../../../drivers/overlay/options.ts";
import type { CreateNetworkRequest } from "../../../src/driverapi/index.ts";
import * as kernel from "../../../src/kernel/index.ts";
import { address, mac, prefix } from "../kernel/values.ts";
import { createFakeHost } from "./fake-host.ts";

const pool = (subnet: string) => ({ addressSpace: "global", pool: prefix(subnet), auxAddresses: {} });

function request(
  generic: Readonly<Record<string, string>> = {},
  pools: readonly string[] = ["10.9.0.0/24"],
): CreateNetworkRequest {
  return {
    networkId: "b1".repeat(32),
    networkName: "blue",
    options: { enableIpv4: true, enableIpv6: true, internal: false, generic },
    ipv4Data: pools.filter((text) => !text.includes(":")).map(pool),
    ipv6Data: pools.filter((text) => text.includes(":")).map(pool),
  };
}

const vnis = "com.docker.network.driver.overlay.vxlanid_list";

describe("options of an overlay network", () => {
  test("have defaults", () => {
    expect(readOverlayConfig(request())).toMatchObject({
      presetVnis: [],
      underlayMtu: undefined,
      interfacePrefix: "eth",
      isGuarded: true,
      multicast: false,
      encrypted: false,
    });
  });

  test.for([
    [{ [vnis]: "5001" }, { presetVnis: [5001] }],
    [{ "com.docker.network.driver.mtu": "9000" }, { underlayMtu: 9000 }],
    [{ "tsdocker.antispoof": "off" }, { isGuarded: false }],
    [{ "tsdocker.multicast": "true" }, { multicast: true }],
    [{ encrypted: "" }, { encrypted: true }],
    [{ encrypted: "true" }, { encrypted: true }],
  ] as const)("are read: %o", ([generic, config]) => {
    expect(readOverlayConfig(request(generic))).toMatchObject(config);
  });

  test.for([
    [{ [vnis]: "0" }, /is not a list of VNIs/],
    [{ [vnis]: "16777215" }, /is not a list of VNIs/],
    [{ [vnis]: "5001,x" }, /is not a list of VNIs/],
    [{ [vnis]: "5001,5001" }, /names a VNI twice/],
    [{ [vnis]: "5001,5002" }, /2 VNIs for 1 subnets/],
    [{ "tsdocker.antispoof": "owned" }, /is not strict, off/],
    [{ "tsdocker.multicast": "perhaps" }, /is not a boolean/],
    [{ "com.docker.network.driver.mtu": "10" }, /is not an MTU/],
    [{ "com.docker.network.driver.overlay.nope": "1" }, /unknown option/],
  ] as const)("are refused: %o", ([generic, message]) => {
    expect(() => readOverlayConfig(request(generic))).toThrow(message);
  });

  test("take a VNI for each IPv4 subnet, or each IPv6 subnet where there is no other", () => {
    const both = readOverlayConfig(request({ [vnis]: "1,2" }, ["10.9.0.0/24", "10.10.0.0/24", "fd09::/64"]));
    expect(both.presetVnis).toEqual([1, 2]);
    expect(readOverlayConfig(request({ [vnis]: "3" }, ["fd09::/64"])).presetVnis).toEqual([3]);
    expect(() => readOverlayConfig(request({}, []))).toThrow("needs a subnet");
  });
});

describe("the MTU", () => {
  const ofUnderlay = (text: string, mtu = 1500) => ({ address: address(text), mtu });
  const host = { link: kernel };

  test("is the underlay's less what a tunnel adds, or the user's less that", () => {
    const config = readOverlayConfig(request());
    expect(networkMtu(host, config, ofUnderlay("192.0.2.1"))).toBe(1450);
    expect(networkMtu(host, config, ofUnderlay("2001:db8::1", 9000))).toBe(8930);
    const told = readOverlayConfig(request({ "com.docker.network.driver.mtu": "1400" }));
    expect(networkMtu(host, told, ofUnderlay("192.0.2.1"))).toBe(1350);
  });

  test("lets IPv6 fit", () => {
    const config = readOverlayConfig(request({}, ["10.9.0.0/24", "fd09::/64"]));
    expect(networkMtu(host, config, ofUnderlay("192.0.2.1", 1280))).toBe(1280);
  });
});

describe("an endpoint", () => {
  test("has Docker's MAC for its address", () => {
    expect(macFor({ address: prefix("10.9.0.2/24"), addressIpv6: prefix("fd09::2/64") })).toBe(
      "02:42:0a:09:00:02",
    );
    expect(macFor({ addressIpv6: prefix("fd09::1:2/64") })).toBe("02:42:00:01:00:02");
  });

  test("is told of with the VNI of its subnet", () => {
    const config = readOverlayConfig(request({}, ["10.9.0.0/24", "10.10.0.0/24", "fd09::/64"]));
    const own = {
      address: prefix("10.10.0.2/24"),
      addressIpv6: prefix("fd09::2/64"),
      macAddress: mac("02:42:0a:0a:00:02"),
    };
    const network = { config, vnis: [5001, 5002], endpoints: new Map(), turn: Promise.resolve() };
    expect(publishedEndpoint(network, { interface: own, driverOpts: {} }, "one")).toEqual({
      node: "one",
      mac: own.macAddress,
      addresses: [address("10.10.0.2"), address("fd09::2")],
      vni: 5002,
    });
  });
});

describe("a host that is in no cluster", () => {
  test("says so when an overlay network is made", async () => {
    const driver = createOverlay(createFakeHost());
    await expect(driver.createNetwork(request())).rejects.toMatchObject({
      kind: "forbidden",
      message: /overlay networks need a cluster/,
    });
    await driver.sweep?.({ networkIds: new Set(), endpointIds: new Set() });
  });
});
