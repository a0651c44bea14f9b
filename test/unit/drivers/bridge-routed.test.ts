// Ports of routed networks: open at the container's own addresses, whichever network is its way out.

import { describe, expect, test } from "vitest";
import createBridgeDriver from "../../../drivers/bridge/index.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";
import { createFakeHost } from "./fake-host.ts";

const networkId = "0123456789ab".padEnd(64, "c");
const endpointId = "ba9876543210".padEnd(64, "d");
const ref = { networkId, endpointId };

const poolData = (pool: string, gateway: string) => ({
  addressSpace: "LocalDefault",
  pool: prefix(pool),
  gateway: { address: address(gateway), length: prefix(pool).length },
  auxAddresses: {},
});

async function endpointWith(modes: { readonly ipv4: string; readonly ipv6: string }, internal = false) {
  const host = createFakeHost();
  const driver = createBridgeDriver(host);
  const mode = (family: string) => `com.docker.network.bridge.gateway_mode_${family}`;
  await driver.createNetwork({
    networkId,
    networkName: "x1",
    options: {
      enableIpv4: true,
      enableIpv6: true,
      internal,
      generic: { [mode("ipv4")]: modes.ipv4, [mode("ipv6")]: modes.ipv6 },
    },
    ipv4Data: [poolData("172.18.0.0/16", "172.18.0.1")],
    ipv6Data: [poolData("2001:db8::/64", "2001:db8::1")],
  });
  await driver.createEndpoint({
    ...ref,
    interface: { address: prefix("172.18.0.2/16"), addressIpv6: prefix("2001:db8::2/64") },
    options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} },
  });
  const joined = await driver.join({ ...ref, sandboxKey: "/c1", freeIndex: 2, suggestedName: "eth0" });
  const publish = (gateways: { readonly ipv4: boolean; readonly ipv6: boolean }) =>
    driver.programExternalConnectivity?.({
      ...ref,
      gateways,
      ipv6Elsewhere: false,
      portBindings: [{ protocol: "tcp", containerPort: 80, hostPorts: { first: 8080, last: 8080 } }],
      exposedPorts: [],
    });
  const rules = () => (host.rules.get(endpointId) ?? []).map(({ kind }) => kind);
  return { host, driver, joined, publish, rules };
}

const elsewhere = { ipv4: false, ipv6: false };

describe("an endpoint on a routed network that is not the way out", () => {
  test("has its ports open all the same, and no host port", async () => {
    const { host, joined, publish, rules } = await endpointWith({ ipv4: "routed", ipv6: "routed" });
    expect(joined.isReachedDirectly).toBe(true);
    expect(await publish(elsewhere)).toMatchObject([{ hostPort: 0 }, { hostPort: 0 }]);
    expect(rules()).toEqual(["allow", "allow"]);
    expect(host.held.size).toBe(0);
  });

  test("opens the routed family alone", async () => {
    const { joined, publish, rules } = await endpointWith({ ipv4: "nat", ipv6: "routed" });
    expect(joined.isReachedDirectly).toBe(true);
    expect(await publish(elsewhere)).toMatchObject([{ hostPort: 0, hostAddress: { family: 6 } }]);
    expect(rules()).toEqual(["allow"]);
  });

  test("closes them when it leaves", async () => {
    const { driver, publish, rules } = await endpointWith({ ipv4: "routed", ipv6: "routed" });
    await publish(elsewhere);
    await driver.revokeExternalConnectivity?.(ref);
    expect(rules()).toEqual([]);
  });
});

test("an endpoint on a translated or an internal network says nothing of being reached", async () => {
  expect((await endpointWith({ ipv4: "nat", ipv6: "nat" })).joined.isReachedDirectly).toBeUndefined();
  const isolated = await endpointWith({ ipv4: "routed", ipv6: "routed" }, true);
  expect(isolated.joined.isReachedDirectly).toBeUndefined();
});
