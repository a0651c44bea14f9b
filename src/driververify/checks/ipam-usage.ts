// What IPAM drivers may do besides: count, share, and tell of losses.

import { must } from "../check.ts";
import { member } from "../ipam-needs.ts";
import { show } from "../show.ts";
import { exhausted, type IpamCheck, ofPool } from "./ipam-shapes.ts";

const needs = [member("usage")];

export const usageChecks: readonly IpamCheck[] = [
  ofPool(
    {
      id: "usage/grows",
      rule: "usage counts an address that is leased, and no longer when it is released.",
      where: "IpamDriver.usage",
      needs,
    },
    async (scene, { poolId }) => {
      const inUse = async () => (await scene.method("usage")(poolId)).inUse;
      const before = await inUse();
      const { address } = await scene.address(poolId);
      const during = await inUse();
      must(during === before + 1n, `${before + 1n} in use`, `${during}`);
      await scene.driver.releaseAddress(poolId, address);
      const after = await inUse();
      must(after === before, `${before} in use`, `${after}`);
    },
  ),
  ofPool(
    {
      id: "usage/available",
      rule: "usage says how many addresses can still be had.",
      where: "PoolUsage.available",
      length: 28,
      needs,
    },
    async (scene, lease) => {
      const { available } = await scene.method("usage")(lease.poolId);
      const { addresses } = await exhausted(scene, lease);
      must(available === BigInt(addresses.length), `${addresses.length} available`, `${available}`);
    },
  ),
  ofPool(
    {
      id: "usage/changes-nothing",
      rule: "usage only counts.",
      where: "IpamDriver.usage",
      needs,
    },
    async (scene, { poolId }) => {
      const usage = scene.method("usage");
      const [first, second] = [await usage(poolId), await usage(poolId)];
      must(show(first) === show(second), show(first), () => show(second));
    },
  ),
  {
    id: "usage/losses",
    rule: "Losses can be followed, and no longer followed.",
    where: "IpamDriver.followLosses",
    needs: [member("followLosses")],
    run(scene) {
      const stop = scene.method("followLosses")(() => undefined);
      must(typeof stop === "function", "a function that ends it", () => show(stop));
      stop();
    },
  },
  ofPool(
    {
      id: "usage/share",
      rule: "An address that is shared can be shared again and given back.",
      where: "IpamDriver.shareAddress",
      needs: [member("shareAddress"), member("unshareAddress")],
    },
    async (scene, { poolId }) => {
      const { address } = await scene.address(poolId);
      for (let round = 0; round < 2; round++) await scene.method("shareAddress")(poolId, address, "c1");
      for (let round = 0; round < 2; round++) await scene.method("unshareAddress")(poolId, address);
    },
  ),
];
