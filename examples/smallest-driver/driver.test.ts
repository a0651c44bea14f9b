// Without a kernel: links are names in a set. The conformance kit tries the driver on a real one.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CreateNetworkRequest, Host, NetworkDriver } from "tsdocker/driverapi";
import createDriver from "./index.ts";

type Fake = { readonly make?: string; readonly remove?: string };

/** A host that has links and nothing else. */
function fakeHost(links: Set<string>): Host {
  const refuse = (code: string) => {
    throw Object.assign(new Error(code), { code });
  };
  const send = async (...requests: readonly Fake[]) => {
    for (const { make, remove } of requests) {
      if (make !== undefined) links.has(make) ? refuse("EEXIST") : links.add(make);
      if (remove !== undefined && !links.delete(remove)) refuse("ENODEV");
    }
  };
  const hasCode = (error: unknown, ...codes: readonly string[]) =>
    error instanceof Error && "code" in error && codes.includes(String(error.code));
  const made = ({ name }: { name: string }): Fake => ({ make: name });
  const host = {
    netlink: {
      send,
      link: async (name: string) => (links.has(name) ? { index: 1, name } : undefined),
      links: async () => [...links].map((name) => ({ name, alias: "smallest:gone" })),
    },
    link: {
      hasCode,
      unless: (codes: readonly string[], work: Promise<unknown>) =>
        work.catch((error) => (hasCode(error, ...codes) ? undefined : Promise.reject(error))),
      createBridge: made,
      createVeth: made,
      deleteLink: (remove: string): Fake => ({ remove }),
    },
  };
  return host as unknown as Host;
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
const joining = { ...ref, sandboxKey: "/run/netns/c1", freeIndex: 2, suggestedName: "eth0" };

async function start(driver: NetworkDriver): Promise<void> {
  await driver.createNetwork(network);
  await driver.createEndpoint({ ...ref, interface: {}, options });
}

test("an endpoint joins with a link, as often as it is asked, and leaves nothing", async () => {
  const links = new Set<string>();
  const driver = createDriver(fakeHost(links));
  await start(driver);
  assert.deepEqual(await driver.join(joining), await driver.join(joining));
  assert.equal(links.size, 2);
  await driver.leave(ref);
  await driver.deleteEndpoint(ref);
  await driver.deleteNetwork(ref);
  await driver.deleteNetwork(ref);
  assert.equal(links.size, 0);
});

test("what is not there cannot join", async () => {
  const driver = createDriver(fakeHost(new Set()));
  await assert.rejects(driver.join(joining), { kind: "not-found" });
});

test("what a crash left is swept", async () => {
  const links = new Set(["left"]);
  await createDriver(fakeHost(links)).sweep?.({ networkIds: new Set(), endpointIds: new Set() });
  assert.equal(links.size, 0);
});
