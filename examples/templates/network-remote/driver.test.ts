// Without a kernel: links are names in a set. `tsdocker driver verify` tries the plugin on a real one.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreateNetworkRequest } from "tsdocker/driverapi";
import { createDriver, type Ip, type Memory } from "./driver.ts";

/** `ip link show|add|set|delete`. */
function fakeIp(links: Set<string>): Ip {
  return async (_, verb, ...words) => {
    const name = verb === "show" ? words[1] : words[0];
    if (verb === "add") links.add(name ?? "");
    else if (!links.has(name ?? "")) throw new Error(`Device "${name}" does not exist.`);
    if (verb === "delete") links.delete(name ?? "");
  };
}

function fakeMemory(): Memory {
  let known: readonly string[] = [];
  return {
    read: () => known,
    write: async (networkIds) => {
      known = networkIds;
    },
  };
}

const network: CreateNetworkRequest = {
  networkId: "n".repeat(64),
  networkName: "n1",
  options: { enableIpv4: true, enableIpv6: false, internal: false, generic: {} },
  ipv4Data: [],
  ipv6Data: [],
};
const ref = { networkId: network.networkId, endpointId: "e".repeat(64) };
const options = { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} };
const joining = { ...ref, sandboxKey: "/run/netns/c1", freeIndex: 0, suggestedName: "" };

test("an endpoint joins with a link, as often as it is asked, and leaves nothing", async () => {
  const links = new Set<string>();
  const driver = createDriver(fakeIp(links), fakeMemory());
  await driver.createNetwork(network);
  await driver.createEndpoint({ ...ref, interface: {}, options });
  assert.deepEqual(await driver.join(joining), await driver.join(joining));
  assert.equal(links.size, 2);
  await driver.leave(ref);
  await driver.deleteEndpoint(ref);
  await driver.deleteNetwork(ref);
  await driver.deleteNetwork(ref);
  assert.equal(links.size, 0);
});

test("networks are there again when the plugin starts again", async () => {
  const [links, memory] = [new Set<string>(), fakeMemory()];
  await createDriver(fakeIp(links), memory).createNetwork(network);
  const driver = createDriver(fakeIp(links), memory);
  await driver.createEndpoint({ ...ref, interface: {}, options });
  await driver.join(joining);
});

test("what is not there cannot join", async () => {
  const driver = createDriver(fakeIp(new Set()), fakeMemory());
  await assert.rejects(driver.join(joining), { kind: "not-found" });
});
