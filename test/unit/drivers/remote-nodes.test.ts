// What a plugin hears of the hosts of a cluster.

import { expect, it, vi } from "vitest";
import { createRemoteDriver, type RemoteCapabilities } from "../../../drivers/remote/index.ts";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { unavailable } from "../../../src/util/errors.ts";

const global: RemoteCapabilities = {
  scope: "local",
  connectivityScope: "global",
  replay: false,
  checksGateway: false,
};

function driverOf(answer: () => Promise<Record<string, unknown>>, capabilities = global) {
  const told: string[] = [];
  const call = async (method: string, request?: object) => {
    const { DiscoveryType, DiscoveryData } = request as {
      DiscoveryType: number;
      DiscoveryData: { Address: string; BindAddress: string; Self: boolean };
    };
    const self = DiscoveryData.Self ? " self" : "";
    told.push(`${method} ${DiscoveryType} ${DiscoveryData.Address}${DiscoveryData.BindAddress}${self}`);
    return await answer();
  };
  return { told, driver: createRemoteDriver({ name: "p", call }, capabilities) };
}

it("tells of this host, of the others, of those that come and go, and of all when this one leaves", async () => {
  const cluster = new FakeCluster();
  await cluster.addNode("a");
  const own = await cluster.addNode("b");
  const { told, driver } = driverOf(async () => ({}));
  const stay = await driver.enterCluster?.(own);
  await expect.poll(() => told).toHaveLength(2);
  expect(told).toEqual([
    "NetworkDriver.DiscoverNew 1 192.0.2.2 self",
    "NetworkDriver.DiscoverNew 1 192.0.2.1",
  ]);
  await cluster.addNode("c");
  await cluster.removeNode("a");
  await expect.poll(() => told).toHaveLength(4);
  expect(told.slice(2)).toEqual([
    "NetworkDriver.DiscoverNew 1 192.0.2.3",
    "NetworkDriver.DiscoverDelete 1 192.0.2.1",
  ]);
  await stay?.end({ leaves: true });
  expect(told.slice(4).toSorted()).toEqual([
    "NetworkDriver.DiscoverDelete 1 192.0.2.2 self",
    "NetworkDriver.DiscoverDelete 1 192.0.2.3",
  ]);
  await cluster.addNode("d");
  expect(told).toHaveLength(6);
});

it("goes on when the plugin refuses", async () => {
  const cluster = new FakeCluster();
  const own = await cluster.addNode("a");
  const { told, driver } = driverOf(async () => {
    throw new Error("no");
  });
  const stay = await driver.enterCluster?.(own);
  await cluster.addNode("b");
  await expect.poll(() => told).toHaveLength(2);
  await stay?.end({ leaves: false });
  expect(told).toHaveLength(2);
});

it("tells a plugin that was away again who came, and no other end than it heard of", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const cluster = new FakeCluster();
    const own = await cluster.addNode("a");
    let isAway = true;
    const { told, driver } = driverOf(async () => {
      if (isAway) throw unavailable("plugin p is not there");
      return {};
    });
    const stay = await driver.enterCluster?.(own);
    await expect.poll(() => told).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    await cluster.addNode("b");
    await cluster.removeNode("b");
    isAway = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told.at(-1)).toBe("NetworkDriver.DiscoverNew 1 192.0.2.1 self");
    const before = told.length;
    await vi.advanceTimersByTimeAsync(120_000);
    expect(told).toHaveLength(before);
    await stay?.end({ leaves: true });
    expect(told.slice(before)).toEqual(["NetworkDriver.DiscoverDelete 1 192.0.2.1 self"]);
  } finally {
    vi.useRealTimers();
  }
});

it("tells nobody whose endpoints are reached on their own host alone", () => {
  const { driver } = driverOf(async () => ({}), { ...global, connectivityScope: "local" });
  expect(driver.enterCluster).toBeUndefined();
});
