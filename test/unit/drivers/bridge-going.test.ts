// The bridge driver on a fake host: networks that go, and what happens where a step of that fails; bridges that a stop left.

import { describe, expect, test, vi } from "vitest";
import createBridgeDriver from "../../../drivers/bridge/index.ts";
import type { CreateNetworkRequest } from "../../../src/driverapi/index.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";
import { createFakeHost } from "./fake-host.ts";

const networkId = "0123456789ab".padEnd(64, "c");
const endpointId = "ba9876543210".padEnd(64, "d");
const link = "br-0123456789ab";

function request(id = networkId, generic: Record<string, string> = {}): CreateNetworkRequest {
  const gateway = { address: address("172.18.0.1"), length: 16 };
  const pool = { addressSpace: "LocalDefault", pool: prefix("172.18.0.0/16"), gateway, auxAddresses: {} };
  return {
    networkId: id,
    networkName: "x1",
    options: { enableIpv4: true, enableIpv6: false, internal: false, generic },
    ipv4Data: [pool],
    ipv6Data: [],
  };
}

async function network(generic: Record<string, string> = {}) {
  const host = createFakeHost();
  const driver = createBridgeDriver(host);
  await driver.createNetwork(request(networkId, generic));
  return { host, driver };
}

const other = "fe".padEnd(64, "0");

describe("a network that could not be deleted whole", () => {
  test.each(["firewall", "netlink"] as const)("is deleted the next time (%s)", async (part) => {
    const { host, driver } = await network();
    const broken =
      part === "firewall"
        ? vi.spyOn(host.firewall, "set").mockRejectedValue(new Error("no"))
        : vi.spyOn(host.netlink, "send").mockRejectedValue(new Error("no"));
    await expect(driver.deleteNetwork({ networkId })).rejects.toThrow("no");
    broken.mockRestore();
    await driver.deleteNetwork({ networkId });
    await driver.settle?.();
    expect([...host.netlink.present.keys()]).toEqual([]);
    expect(host.rules.size).toBe(0);
    // device and subnet are free
    await driver.createNetwork(request(other));
  });

  test("is made anew when it is asked for instead", async () => {
    const { host, driver } = await network();
    const broken = vi.spyOn(host.firewall, "set").mockRejectedValue(new Error("no"));
    await expect(driver.deleteNetwork({ networkId })).rejects.toThrow("no");
    broken.mockRestore();
    await driver.createNetwork(request());
    expect(host.netlink.present.get(link)?.alias).toBe(`tsdocker:${networkId}`);
    expect(host.rules.has(networkId)).toBe(true);
  });
});

describe("a bridge that the daemon before had no time to delete", () => {
  test("is the network's own again", async () => {
    const host = createFakeHost();
    host.netlink.put(link, { kind: "bridge", alias: "tsdocker:deleted", up: false });
    const driver = createBridgeDriver(host);
    await driver.createNetwork(request());
    expect(host.netlink.present.get(link)?.alias).toBe(`tsdocker:${networkId}`);
    await driver.deleteNetwork({ networkId });
    await driver.settle?.();
    expect([...host.netlink.present.keys()]).toEqual([]);
  });

  test("goes at a start that knows no network for it", async () => {
    const host = createFakeHost();
    host.netlink.put(link, { kind: "bridge", alias: "tsdocker:deleted", up: false });
    await createBridgeDriver(host).sweep?.({ networkIds: new Set(), endpointIds: new Set() });
    expect([...host.netlink.present.keys()]).toEqual([]);
  });
});

test("an endpoint whose links' rules stay loses its port and its guard all the same", async () => {
  const { host, driver } = await network({ "com.docker.network.bridge.enable_icc": "false" });
  const options = { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} };
  const own = { address: prefix("172.18.0.2/16") };
  await driver.createEndpoint({ networkId, endpointId, interface: own, options });
  await driver.join({ networkId, endpointId, sandboxKey: "/c1", freeIndex: 2, suggestedName: "eth0" });
  await driver.setLinks?.({ networkId, endpointId, links: [] });
  const set = host.firewall.set.bind(host.firewall);
  vi.spyOn(host.firewall, "set").mockImplementation(async (owner, rules) => {
    if (owner.startsWith("links ")) throw new Error("no");
    await set(owner, rules);
  });
  await expect(driver.deleteEndpoint({ networkId, endpointId })).rejects.toThrow("no");
  expect([...host.netlink.present.keys()]).toEqual([link]);
  expect([...host.rules.keys()]).toEqual([networkId]);
});

test("an endpoint whose link is aside keeps its guard until its port is gone, but not its address", async () => {
  const { host, driver } = await network();
  const options = { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} };
  const own = { address: prefix("172.18.0.2/16") };
  const guard = () => host.rules.get(`guard ${endpointId}`);
  await driver.createEndpoint({ networkId, endpointId, interface: own, options });
  await driver.join({ networkId, endpointId, sandboxKey: "/c1", freeIndex: 2, suggestedName: "eth0" });
  expect(guard()).toMatchObject([{ addresses: [own.address.address] }]);
  const deleted = driver.deleteEndpoint({ networkId, endpointId, linkIsAside: true });
  await expect.poll(() => guard()).toMatchObject([{ addresses: [] }]);
  expect([...host.netlink.present.keys()]).toHaveLength(2);
  await driver.settle?.();
  await deleted;
  expect([...host.netlink.present.keys()]).toEqual([link]);
  expect(guard()).toBeUndefined();
});

describe("options of an endpoint", () => {
  const check = (driverOpts: Record<string, string>) => () =>
    createBridgeDriver(createFakeHost()).checkEndpoint?.({ driverOpts });

  test.each([
    ["com.docker.network.endpoint.ifname", "a/b"],
    ["com.docker.network.endpoint.sysctls", "net.ipv4.ip_forward=1"],
    ["tsdocker.host_interface_name", "much-too-long-for-linux"],
    ["tsdocker.no_such_option", "1"],
  ])("%s=%s is refused without touching anything", (key, value) => {
    expect(check({ [key]: value })).toThrow(key);
  });

  test("that can be are taken", () => {
    expect(check({ "tsdocker.host_interface_name": "web0" })).not.toThrow();
  });
});
