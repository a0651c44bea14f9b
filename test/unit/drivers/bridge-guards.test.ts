// What the bridge driver tells the firewall of its ports, and of the host on its bridges.

import { expect, test } from "vitest";
import createBridgeDriver from "../../../drivers/bridge/index.ts";
import { readBridgeConfig } from "../../../drivers/bridge/options.ts";
import { bridgeRule, guardRule } from "../../../drivers/bridge/rules.ts";
import type { CreateNetworkRequest } from "../../../src/driverapi/index.ts";
import { type Prefix, parseAddress, parseMac, parsePrefix } from "../../../src/netip/index.ts";
import { createFakeHost } from "./fake-host.ts";

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new Error(`${text} is no prefix`);
  return parsed;
}

const mac = parseMac("02:00:00:00:00:02");
const pool = (subnet: string, gateway: string) => ({
  addressSpace: "LocalDefault",
  pool: prefix(subnet),
  gateway: prefix(gateway),
  auxAddresses: {},
});

function request(generic: Readonly<Record<string, string>> = {}, internal = false): CreateNetworkRequest {
  return {
    networkId: "0123456789abcdef",
    networkName: "net",
    options: { enableIpv4: true, enableIpv6: true, internal, generic },
    ipv4Data: [pool("172.18.0.0/16", "172.18.0.1/16")],
    ipv6Data: [pool("2001:db8::/64", "2001:db8::1/64")],
  };
}

test("the host's own MAC and addresses on a bridge are nobody else's", () => {
  const rule = bridgeRule(readBridgeConfig(request()), { index: 10, mac });
  expect(rule.self).toEqual({ mac, addresses: [parseAddress("172.18.0.1"), parseAddress("2001:db8::1")] });
});

test("a host that stays off its network owns no address there", () => {
  const generic = { "com.docker.network.bridge.inhibit_ipv4": "true" };
  const rule = bridgeRule(readBridgeConfig(request(generic)), { index: 10, mac });
  expect(rule.self?.addresses).toEqual([parseAddress("2001:db8::1")]);
});

test("ports of two bridges are in two groups", () => {
  const config = readBridgeConfig(request());
  const own = { port: "p1", interface: { ...(mac && { macAddress: mac }) } };
  expect(guardRule(config, { index: 10 }, own)?.portGroup).toBe(
    bridgeRule(config, { index: 10, mac }).portGroup,
  );
  expect(guardRule(config, { index: 10 }, own)?.portGroup).not.toBe(
    guardRule(config, { index: 11 }, own)?.portGroup,
  );
});

test.for([
  ["tsdocker.antispoof", "hard", "owned, off, strict"],
  ["tsdocker.host_access", "yes", "all, ports, none"],
])("%s refuses %s and says what it takes", ([option = "", value = "", words = ""]) => {
  expect(() => readBridgeConfig(request({ [option]: value }))).toThrow(
    `invalid value for ${option}: "${value}" is not ${words}`,
  );
});

test("the link-local addresses that a user gave an endpoint are its own", async () => {
  const host = createFakeHost();
  const driver = createBridgeDriver(host);
  const network = request({ "tsdocker.antispoof": "strict" });
  const linkLocal = ["169.254.7.7", "fe80::7"].flatMap((text) => parseAddress(text) ?? []);
  const { networkId } = network;
  await driver.createNetwork(network);
  await driver.createEndpoint({
    networkId,
    endpointId: "fedcba9876543210",
    interface: { address: prefix("172.18.0.2/16") },
    options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {}, linkLocal },
  });
  expect(host.rules.get("guard fedcba9876543210")).toEqual([
    expect.objectContaining({ addresses: [parseAddress("172.18.0.2"), ...linkLocal] }),
  ]);
});

test("an endpoint is guarded from before it has a port until after, under its network's setting", async () => {
  const host = createFakeHost();
  const driver = createBridgeDriver(host);
  const network = request({ "tsdocker.antispoof": "strict" });
  const { networkId } = network;
  await driver.createNetwork(network);
  const endpoint = { networkId, endpointId: "fedcba9876543210" };
  await driver.createEndpoint({
    ...endpoint,
    interface: { address: prefix("172.18.0.2/16") },
    options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} },
  });
  expect(host.rules.get(`guard ${endpoint.endpointId}`)).toEqual([
    expect.objectContaining({
      kind: "guard",
      port: "vethfedcba98765",
      addresses: [parseAddress("172.18.0.2")],
      antispoof: "strict",
    }),
  ]);
  await driver.deleteEndpoint(endpoint);
  expect(host.rules.has(`guard ${endpoint.endpointId}`)).toBe(false);
});

test("a guard that cannot be set keeps the endpoint from being made", async () => {
  const host = createFakeHost();
  const driver = createBridgeDriver(host);
  await driver.createNetwork(request());
  const { networkId } = request();
  host.steps.failAt(1);
  const create = driver.createEndpoint({
    networkId,
    endpointId: "fedcba9876543210",
    interface: { address: prefix("172.18.0.2/16") },
    options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} },
  });
  await expect(create).rejects.toThrow();
  expect([...host.rules.keys()]).toEqual([networkId]);
});

test("a host that the driver makes forward is said to, once a family; one that forwarded already is not", async () => {
  const host = createFakeHost({ ipForwardNoDrop: false });
  host.sysctls.set("net.ipv4.ip_forward", "1");
  const driver = createBridgeDriver(host);
  await driver.createNetwork(request());
  expect(host.rules.get("forwarding 4")).toBeUndefined();
  expect(host.rules.get("forwarding 6")).toEqual([{ kind: "forwarding", family: 6 }]);
});
