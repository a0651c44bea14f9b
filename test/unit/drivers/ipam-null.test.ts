// The IPAM driver of networks without addresses.

import { expect, test } from "vitest";
import createNullIpam from "../../../drivers/ipam-null/index.ts";
import { prefix } from "../../lab/cnm/specs.ts";

const request = { addressSpace: "null", family: 4, options: {}, exclude: [] } as const;

test("the null driver has one pool that holds every address and leases none", async () => {
  const ipam = createNullIpam({ defaultPools: [] });
  expect(await ipam.defaultAddressSpaces()).toEqual({ local: "null", global: "null" });
  const { pool, poolId } = await ipam.requestPool(request);
  expect(pool).toEqual(prefix("0.0.0.0/0"));
  await expect(ipam.requestAddress({ poolId, purpose: "endpoint" })).rejects.toThrow(
    "does not handle address requests",
  );
  await ipam.releasePool(poolId);
  expect((await ipam.requestPool({ ...request, family: 6 })).pool).toEqual(prefix("::/0"));
});

test("the null driver takes no subnet, range or other address space", async () => {
  const ipam = createNullIpam({ defaultPools: [] });
  await expect(ipam.requestPool({ ...request, pool: prefix("10.0.0.0/8") })).rejects.toThrow(
    "specific address pool",
  );
  await expect(ipam.requestPool({ ...request, subPool: prefix("10.0.0.0/8") })).rejects.toThrow("subpool");
  await expect(ipam.requestPool({ ...request, addressSpace: "x" })).rejects.toThrow(
    "unknown address space: x",
  );
});
