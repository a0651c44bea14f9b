// Pools that are refused: taken ones, malformed ones, and those that are not the driver's to choose.

import type { PoolRequest } from "../../driverapi/index.ts";
import { type Prefix, sameAddress } from "../../netip/index.ts";
import { errorMessage } from "../../util/errors.ts";
import { must } from "../check.ts";
import {
  kinds,
  leases,
  member,
  namedPools,
  namedRanges,
  ownPools,
  replay,
  restart,
  sharedPools,
} from "../ipam-needs.ts";
import type { IpamScene } from "../ipam-scene.ts";
import { prefix } from "../pools.ts";
import { show } from "../show.ts";
import { type IpamCheck, mustDiffer, mustRefuse, taken } from "./ipam-shapes.ts";
import { refusal } from "./refusal.ts";

const alone = [leases, ownPools];

/** A rule about a wish that is refused, whatever else is leased. */
function refused(
  facts: Omit<IpamCheck, "run">,
  what: string,
  wish: (scene: IpamScene) => Partial<PoolRequest>,
): IpamCheck {
  return {
    ...facts,
    run: async (scene) =>
      void (await mustRefuse(scene, { what, kinds: ["invalid"] }, () => scene.pool(wish(scene)))),
  };
}

/** A rule about a pool that overlaps one of this length. */
function overlapping(
  facts: Pick<IpamCheck, "id" | "rule">,
  length: number,
  of: (pool: Prefix) => Prefix,
): IpamCheck {
  return {
    ...facts,
    where: "IpamDriver",
    needs: alone,
    async run(scene) {
      const { pool } = await scene.ownPool(length);
      const what = "a pool that overlaps another";
      await mustRefuse(scene, { what, kinds: ["forbidden"] }, () => scene.named(of(pool)));
    },
  };
}

const rangeElsewhere = prefix("203.0.113.0/26");

export const poolRefusalChecks: readonly IpamCheck[] = [
  overlapping(
    { id: "pools/overlap", rule: "A pool that is leased is not leased again." },
    24,
    (pool) => pool,
  ),
  overlapping(
    { id: "pools/overlap-inner", rule: "A pool inside one that is leased is not leased." },
    24,
    (pool) => ({ ...pool, length: 26 }),
  ),
  overlapping(
    { id: "pools/overlap-outer", rule: "A pool around one that is leased is not leased." },
    26,
    () => prefix("198.18.0.0/16"),
  ),
  {
    id: "pools/overlap-is-told",
    rule: "The error about an overlap says of which pool.",
    where: "IpamDriver",
    needs: alone,
    async run(scene) {
      const { pool } = await scene.ownPool();
      const message = errorMessage(await refusal("a pool that is leased", () => scene.named(pool)));
      must(/overlap|already|in use/i.test(message), "the pool, or that it overlaps one", message);
    },
  },
  {
    id: "pools/shared",
    rule: "A pool that several networks may have is leased to each, and no address twice.",
    where: "DriverTraits.sharedPools",
    needs: [leases, sharedPools],
    async run(scene) {
      const pool = scene.subnet();
      const [first, second] = [await scene.named(pool), await scene.named(pool)];
      mustDiffer([...(await taken(scene, first, 5)), ...(await taken(scene, second, 5))]);
    },
  },
  {
    id: "pools/shared-release",
    rule: "A pool that one network gives back stays that of the others, with all that is leased to them.",
    where: "DriverTraits.sharedPools",
    needs: [leases, sharedPools],
    async run(scene) {
      const pool = scene.subnet();
      const [first, second] = [await scene.named(pool), await scene.named(pool)];
      const { address } = await scene.address(second.poolId);
      await scene.driver.releasePool(first.poolId);
      const again = await scene.address(second.poolId);
      must(!sameAddress(again.address, address), `not ${show(address)}`, () => show(again));
    },
  },
  refused(
    {
      id: "pools/named",
      rule: "Where users name pools, a request without one is refused as invalid.",
      where: "DriverTraits.namedPools",
      needs: [namedPools],
    },
    "a request that names no pool",
    () => ({}),
  ),
  refused(
    {
      id: "pools/named-range",
      rule: "Where a part of a pool is the driver's to give, a request without that part is refused as invalid.",
      where: "DriverTraits.namedRanges",
      needs: [namedRanges],
    },
    "a request that names no range",
    (scene) => ({ pool: scene.subnet() }),
  ),
  refused(
    {
      id: "pools/wrong-family",
      rule: "An IPv6 pool is no answer to a wish for IPv4, and is refused as invalid.",
      where: "PoolRequest.family",
    },
    "a pool of the other family",
    (scene) => ({ ...scene.wish(scene.subnet(64, 6)), family: 4 }),
  ),
  refused(
    { id: "pools/host-bits", rule: "A pool with host bits is refused as invalid.", where: "IpamDriver" },
    "a pool with host bits",
    (scene) => ({ ...scene.wish(scene.subnet()), pool: prefix("198.19.7.9/24") }),
  ),
  refused(
    {
      id: "pools/sub-pool-outside",
      rule: "A range outside its pool is refused as invalid.",
      where: "PoolRequest.subPool",
    },
    "a range outside its pool",
    (scene) => ({ pool: scene.subnet(), subPool: rangeElsewhere }),
  ),
  refused(
    {
      id: "pools/unknown-space",
      rule: "An address space that is not the driver's is refused as invalid.",
      where: "PoolRequest.addressSpace",
      needs: [kinds],
    },
    "an unknown address space",
    (scene) => ({ ...(scene.leases && scene.wish(scene.subnet())), addressSpace: "no such space" }),
  ),
  {
    id: "pools/refused-is-free",
    rule: "A pool whose lease was refused is still free.",
    where: "IpamDriver.requestPool",
    needs: [leases],
    async run(scene) {
      const pool = scene.subnet();
      await refusal("a range outside its pool", () => scene.pool({ pool, subPool: rangeElsewhere }));
      await scene.named(pool);
    },
  },
  {
    id: "pools/replay-is-leased",
    rule: "A pool that was repeated after a start is leased: nobody else gets it.",
    where: "IpamCapabilities.requiresRequestReplay",
    needs: [restart, replay, ...alone],
    async run(scene) {
      const { pool, poolId } = await scene.ownPool();
      await scene.stage.restart();
      await scene.pool({ ...scene.wish(pool), onRecord: poolId });
      await refusal("a pool that is leased", () => scene.named(pool));
    },
  },
  {
    id: "pools/sweep",
    rule: "sweep leaves pools alone that are in use.",
    where: "IpamDriver.sweep",
    needs: [member("sweep"), ...alone],
    async run(scene) {
      const { pool, poolId } = await scene.ownPool();
      await scene.method("sweep")(new Set([poolId]));
      await refusal("a pool that is leased", () => scene.named(pool));
    },
  },
];
