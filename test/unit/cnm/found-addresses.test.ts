// Drivers that find addresses by themselves, and give the sandbox a link that is complete.

import { expect, test } from "vitest";
import createNullIpam from "../../../drivers/ipam-null/index.ts";
import type { JoinResponse } from "../../../src/driverapi/index.ts";
import { formatPrefix } from "../../../src/netip/index.ts";
import { address, endpointSpec, networkSpec, pool, prefix, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, FakeDriver, type FakeWorldOptions, type Steps } from "./fakes.ts";

class Finder extends FakeDriver {
  found: Partial<JoinResponse> = { interface: { address: prefix("10.1.0.9/24") } };

  constructor(steps: Steps, findsAddresses = true) {
    super(steps, "finder", { findsAddresses });
  }

  override async join(request: Parameters<FakeDriver["join"]>[0]) {
    const { link: _, ...response } = await super.join(request);
    return { ...response, ...this.found };
  }
}

async function worldWith(options: FakeWorldOptions & { readonly findsAddresses?: boolean } = {}) {
  const { findsAddresses = true, ...rest } = options;
  const finders: Finder[] = [];
  const world = await createFakeWorld({
    ...rest,
    drivers: (steps) => {
      finders.push(new Finder(steps, findsAddresses));
      return finders;
    },
    ipamDrivers: [createNullIpam({ defaultPools: [] })],
  });
  const [finder] = finders;
  if (!finder) throw new Error("there is no driver");
  return { world, finder };
}

const spec = (containerId = "c".repeat(64), part = {}) =>
  sandboxSpec("c1", { containerId, endpoints: [endpointSpec("f1", part)] });

test("what was found when an endpoint joined is shown, announced, asked for names, and found again after a start", async () => {
  const { world, finder } = await worldWith();
  finder.found = { ...finder.found, dnsServers: [address("10.1.0.53")] };
  await world.controller.createNetwork(networkSpec("f1", { driver: "finder" }));
  const sandbox = await world.controller.createSandbox(spec());
  const shown = () => sandbox.endpoints().map(({ ipv4 }) => ipv4 && formatPrefix(ipv4));
  expect(shown()).toEqual(["10.1.0.9/24"]);
  expect([...world.resolvers.records.values()]).toMatchObject([
    { names: ["c1", "cccccccccccc"], addresses: [address("10.1.0.9")] },
  ]);
  expect([...world.resolvers.resolvers.values()]).toMatchObject([
    { upstreams: [{ address: address("10.1.0.53") }] },
  ]);
  const { world: next } = await worldWith({ after: world, live: new Set(["c".repeat(64)]) });
  expect(next.controller.sandbox("c".repeat(64))?.endpoints()).toEqual(sandbox.endpoints());
});

test("nobody chooses subnets, or who gives addresses, where the driver finds them", async () => {
  const { world } = await worldWith();
  const create = (ipam: { driver: string; pools: ReturnType<typeof pool>[] }) =>
    world.controller.createNetwork(networkSpec("f1", { driver: "finder", ipam }));
  await expect(create({ driver: "default", pools: [pool("10.1.0.0/24")] })).rejects.toThrow(
    'networks of driver "finder" find their addresses by themselves: subnets, gateways and ranges cannot be chosen',
  );
  await expect(create({ driver: "other", pools: [] })).rejects.toThrow("IPAM drivers cannot be chosen here");
  const network = await create({ driver: "default", pools: [] });
  expect((await network.view()).ipam.driver).toBe("null");
});

test("a driver that does not find addresses must not answer with any", async () => {
  const { world } = await worldWith({ findsAddresses: false });
  await world.controller.createNetwork(
    networkSpec("f1", { driver: "finder", ipam: { driver: "null", pools: [] } }),
  );
  await expect(world.controller.createSandbox(spec())).rejects.toThrow(
    "driver finder answered with addresses that it was given",
  );
  expect(world.store.sizes()).toMatchObject({ endpoints: 0, sandboxes: 0 });
});
