// Addresses that somebody names, or that are not for endpoints: gateways, auxiliary ones, ranges.

import { prefixContains, sameAddress } from "../../netip/index.ts";
import { must } from "../check.ts";
import { leases } from "../ipam-needs.ts";
import { type IpamScene, nth } from "../ipam-scene.ts";
import { show } from "../show.ts";
import { exhausted, type IpamCheck, mustDiffer, mustNotLease, ofPool, taken } from "./ipam-shapes.ts";
import { refusal } from "./refusal.ts";

/** A pool of whose addresses a sixteenth is given unasked. */
async function withRange(scene: IpamScene) {
  const pool = scene.subnet();
  const subPool = { address: nth({ pool }, 64), length: 28 };
  return { lease: await scene.pool({ pool, subPool }), subPool };
}

export const namedAddressChecks: readonly IpamCheck[] = [
  ofPool(
    {
      id: "addresses/asked",
      rule: "An address that is asked for and free is the one that is leased.",
      where: "AddressRequest.address",
    },
    async (scene, lease) => {
      const address = nth(lease, 77);
      const leased = await scene.address(lease.poolId, { address });
      must(sameAddress(leased.address, address), show(address), () => show(leased));
    },
  ),
  ofPool(
    {
      id: "addresses/asked-twice",
      rule: "An address that is leased is refused as forbidden.",
      where: "IpamDriver",
    },
    async (scene, lease) => {
      const wish = { address: nth(lease, 9) };
      await scene.address(lease.poolId, wish);
      await mustNotLease(scene, lease, { what: "an address in use", kinds: ["forbidden"], wish });
    },
  ),
  ofPool(
    {
      id: "addresses/asked-is-skipped",
      rule: "An address that was asked for is not chosen for another.",
      length: 28,
    },
    async (scene, lease) => {
      const asked = [2, 3, 5].map((number) => nth(lease, number));
      for (const address of asked) await scene.address(lease.poolId, { address });
      mustDiffer([...asked, ...(await taken(scene, lease, 6))]);
    },
  ),
  ofPool(
    {
      id: "addresses/outside",
      rule: "An address outside its pool is refused as invalid.",
      where: "IpamDriver",
    },
    async (scene, lease) => {
      const wish = { address: nth(lease, 300) };
      await mustNotLease(scene, lease, { what: "an address outside its pool", kinds: ["invalid"], wish });
    },
  ),
  ofPool(
    {
      id: "addresses/other-family",
      rule: "An address of the other family is refused as invalid.",
      where: "IpamDriver",
    },
    async (scene, lease) => {
      const { address } = scene.subnet(64, 6);
      const what = "an address of the other family";
      await mustNotLease(scene, lease, { what, kinds: ["invalid"], wish: { address } });
    },
  ),
  {
    id: "addresses/unknown-pool",
    rule: "An address of a pool that is not there is refused.",
    where: "IpamDriver.requestAddress",
    needs: [leases],
    run: (scene) =>
      mustNotLease(
        scene,
        { poolId: "no such pool" },
        { what: "an unknown pool", kinds: ["invalid", "not-found"] },
      ),
  },
  ofPool(
    {
      id: "addresses/released-pool",
      rule: "An address of a pool that was released is refused.",
      where: "IpamDriver.releasePool",
    },
    async (scene, { poolId }) => {
      await scene.driver.releasePool(poolId);
      await refusal("a pool that was released", () => scene.address(poolId));
    },
  ),
  ofPool(
    {
      id: "addresses/gateway",
      rule: "A gateway gets an address of the pool, which no endpoint gets.",
      where: "AddressRequest.purpose",
      length: 28,
    },
    async (scene, lease) => {
      const gateway = await scene.address(lease.poolId, { purpose: "gateway" });
      must(prefixContains(lease.pool, gateway.address), `one of ${show(lease.pool)}`, () => show(gateway));
      mustDiffer([gateway.address, ...(await exhausted(scene, lease)).addresses]);
    },
  ),
  ofPool(
    {
      id: "addresses/asked-gateway",
      rule: "A gateway that is asked for gets its address, which no endpoint gets.",
      where: "AddressRequest.purpose",
      length: 28,
    },
    async (scene, lease) => {
      const address = nth(lease, 11);
      const leased = await scene.address(lease.poolId, { purpose: "gateway", address });
      must(sameAddress(leased.address, address), show(address), () => show(leased));
      mustDiffer([address, ...(await exhausted(scene, lease)).addresses]);
    },
  ),
  ofPool(
    {
      id: "addresses/auxiliary",
      rule: "An auxiliary address is nobody else's.",
      where: "AddressRequest.purpose",
      length: 28,
    },
    async (scene, lease) => {
      const address = nth(lease, 4);
      await scene.address(lease.poolId, { purpose: "auxiliary", address });
      mustDiffer([address, ...(await exhausted(scene, lease)).addresses]);
    },
  ),
  {
    id: "addresses/range",
    rule: "Addresses that nobody asked for come from the pool's range.",
    where: "PoolRequest.subPool",
    needs: [leases],
    async run(scene) {
      const { lease, subPool } = await withRange(scene);
      const addresses = await taken(scene, lease, 10);
      const strays = addresses.filter((address) => !prefixContains(subPool, address));
      must(strays.length === 0, `of ${show(subPool)}`, () => show(strays));
    },
  },
  {
    id: "addresses/outside-range",
    rule: "An address outside the range can be asked for.",
    where: "PoolRequest.subPool",
    needs: [leases],
    async run(scene) {
      const { lease } = await withRange(scene);
      await scene.address(lease.poolId, { address: nth(lease, 200) });
    },
  },
];
