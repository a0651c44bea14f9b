// What the controller asks of IPAM drivers that are not ours.

import { expect, test } from "vitest";
import type { AddressRequest, IpamDriver, PoolRequest } from "../../../src/driverapi/index.ts";
import { parseAddress, parsePrefix } from "../../../src/netip/index.ts";
import { internal } from "../../../src/util/errors.ts";
import { endpointSpec, networkSpec, pool, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld } from "./fakes.ts";

function fakeIpam(capabilities: Partial<IpamDriver["capabilities"]> = {}) {
  const pools: PoolRequest[] = [];
  const addresses: AddressRequest[] = [];
  const subnet = parsePrefix("10.9.0.0/24");
  if (!subnet) throw new Error("no prefix");
  let next = 1;
  const ipam: IpamDriver = {
    name: "others",
    capabilities: { requiresMacAddress: false, requiresRequestReplay: false, ...capabilities },
    defaultAddressSpaces: async () => ({ local: "here", global: "there" }),
    requestPool: async (request) => {
      pools.push(request);
      return { poolId: "1", pool: subnet };
    },
    releasePool: async () => undefined,
    requestAddress: async (request) => {
      addresses.push(request);
      const address = request.address ?? parseAddress(`10.9.0.${next++}`);
      if (!address) throw internal("no address");
      return { address, length: 24 };
    },
    releaseAddress: async () => undefined,
  };
  return { ipam, pools, addresses };
}

test("one that wants MAC addresses is told the one that the endpoint has", async () => {
  const { ipam, addresses } = fakeIpam({ requiresMacAddress: true });
  const { controller } = await createFakeWorld({ ipamDrivers: [ipam] });
  await controller.createNetwork(networkSpec("n", { ipam: { driver: "others", pools: [] } }));
  const sandbox = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("n")] }));
  const asked = addresses.find(({ purpose }) => purpose === "endpoint");
  expect(asked).toMatchObject({ endpointName: "c1", macAddress: expect.stringMatching(/^[0-9a-f:]{17}$/) });
  expect(sandbox.endpoints()[0]?.mac).toBe(asked?.macAddress);
});

test("one that does not is told none, and hears of options, its own space, gateway and auxiliary addresses", async () => {
  const { ipam, pools, addresses } = fakeIpam();
  const { controller } = await createFakeWorld({ ipamDrivers: [ipam] });
  const pools4 = [pool("10.9.0.0/24", { gateway: "10.9.0.254", aux: { router: "10.9.0.250" } })];
  await controller.createNetwork(
    networkSpec("n", { ipam: { driver: "others", pools: pools4, options: { rack: "7" } } }),
  );
  await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("n")] }));
  expect(pools).toMatchObject([{ addressSpace: "here", family: 4, options: { rack: "7" } }]);
  expect(addresses.map(({ purpose }) => purpose)).toEqual(["gateway", "auxiliary", "endpoint"]);
  expect(addresses[2]).not.toHaveProperty("macAddress");
});

test("one that begins anew is told the network's options again", async () => {
  const { ipam, pools } = fakeIpam({ requiresRequestReplay: true });
  const before = await createFakeWorld({ ipamDrivers: [ipam] });
  const wish = { driver: "others", pools: [pool("10.9.0.0/24")], options: { rack: "7" } };
  await before.controller.createNetwork(networkSpec("n", { ipam: wish }));
  await createFakeWorld({ ipamDrivers: [ipam], after: before });
  expect(pools[1]).toMatchObject({ onRecord: "1", options: { rack: "7" } });
});
