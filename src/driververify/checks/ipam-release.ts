// Addresses and pools that are given back.

import { sameAddress } from "../../netip/index.ts";
import { must } from "../check.ts";
import { nth } from "../ipam-scene.ts";
import { show } from "../show.ts";
import { exhausted, type IpamCheck, ofPool } from "./ipam-shapes.ts";
import { refusal } from "./refusal.ts";

const where = "IpamDriver.releaseAddress";

export const releaseChecks: readonly IpamCheck[] = [
  ofPool(
    { id: "addresses/release", rule: "An address that was released can be leased again.", where },
    async (scene, lease) => {
      const address = nth(lease, 5);
      for (let round = 0; round < 3; round++) {
        await scene.address(lease.poolId, { address });
        await scene.driver.releaseAddress(lease.poolId, address);
      }
    },
  ),
  ofPool(
    {
      id: "addresses/release-when-full",
      rule: "In a full pool an address that is released is the next one to be had.",
      where,
      length: 28,
    },
    async (scene, lease) => {
      const { addresses } = await exhausted(scene, lease);
      const [, , third] = addresses;
      must(third !== undefined, "three addresses", () => show(addresses));
      await scene.driver.releaseAddress(lease.poolId, third);
      const { address } = await scene.address(lease.poolId);
      must(sameAddress(address, third), show(third), () => show(address));
    },
  ),
  ofPool(
    { id: "addresses/release-twice", rule: "Releasing an address that is released succeeds.", where },
    async (scene, lease) => {
      const { address } = await scene.address(lease.poolId);
      for (let round = 0; round < 2; round++) await scene.driver.releaseAddress(lease.poolId, address);
    },
  ),
  {
    id: "addresses/release-unknown",
    rule: "Releasing an address that was not leased, or of a pool that is not there, succeeds.",
    where,
    async run(scene) {
      const lease = await (scene.leases ? scene.ownPool() : scene.anyPool());
      const { address } = scene.subnet();
      await scene.driver.releaseAddress(lease.poolId, address);
      await scene.driver.releaseAddress("no such pool", address);
    },
  },
  ofPool(
    { id: "addresses/release-one", rule: "Releasing one address leaves the others leased.", where },
    async (scene, lease) => {
      const [first, second] = [nth(lease, 5), nth(lease, 6)];
      for (const address of [first, second]) await scene.address(lease.poolId, { address });
      await scene.driver.releaseAddress(lease.poolId, first);
      await refusal("an address in use", () => scene.address(lease.poolId, { address: second }));
    },
  ),
];
