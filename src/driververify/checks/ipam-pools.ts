// Pools: leased as they are asked for, or chosen; given back; leased again after a start.

import {
  hasHostBits,
  type Prefix,
  prefixContains,
  prefixesOverlap,
  prefixFamily,
  samePrefix,
} from "../../netip/index.ts";
import { must } from "../check.ts";
import { choosesPools, leases, ownPools, replay, restart } from "../ipam-needs.ts";
import type { IpamScene } from "../ipam-scene.ts";
import { show } from "../show.ts";
import { type IpamCheck, mustBeApart } from "./ipam-shapes.ts";
import { refusal } from "./refusal.ts";

const choosing = [leases, choosesPools];

/** A rule about whatever pool there is. */
function anyPool(
  facts: Omit<IpamCheck, "run"> & { readonly family?: 4 | 6 },
  judge: (lease: Awaited<ReturnType<IpamScene["anyPool"]>>) => void,
): IpamCheck {
  const { family = 4, ...rest } = facts;
  return { ...rest, run: async (scene) => judge(await scene.anyPool(family)) };
}

function asked(facts: Pick<IpamCheck, "id" | "rule">, length: number, family: 4 | 6): IpamCheck {
  return {
    ...facts,
    where: "PoolRequest.pool",
    needs: [leases],
    async run(scene) {
      const pool = scene.subnet(length, family);
      const lease = await scene.named(pool);
      must(samePrefix(lease.pool, pool), show(pool), () => show(lease.pool));
    },
  };
}

export const poolChecks: readonly IpamCheck[] = [
  anyPool({ id: "pools/id", rule: "A pool has an id.", where: "PoolLease.poolId" }, ({ poolId }) =>
    must(typeof poolId === "string" && poolId !== "", "text", () => show(poolId)),
  ),
  asked({ id: "pools/asked", rule: "A pool that is asked for is the one that is leased." }, 24, 4),
  asked({ id: "pools/asked-ipv6", rule: "An IPv6 pool that is asked for is the one that is leased." }, 64, 6),
  anyPool(
    {
      id: "pools/chosen",
      rule: "A pool that the driver chooses is of IPv4 when IPv4 is asked for.",
      where: "PoolRequest.family",
      needs: [choosesPools],
    },
    ({ pool }) => must(prefixFamily(pool) === 4, "an IPv4 pool", () => show(pool)),
  ),
  anyPool(
    {
      id: "pools/chosen-ipv6",
      rule: "A pool that the driver chooses is of IPv6 when IPv6 is asked for.",
      where: "PoolRequest.family",
      needs: [choosesPools],
      family: 6,
    },
    ({ pool }) => must(prefixFamily(pool) === 6, "an IPv6 pool", () => show(pool)),
  ),
  anyPool(
    { id: "pools/no-host-bits", rule: "A pool has no host bits.", where: "PoolLease.pool" },
    ({ pool }) => must(!hasHostBits(pool), "a subnet", () => show(pool)),
  ),
  anyPool(
    {
      id: "pools/gateway",
      rule: "A gateway that comes with a pool is in the pool.",
      where: "PoolLease.gateway",
    },
    ({ pool, gateway }) =>
      must(!gateway || prefixContains(pool, gateway.address), `one in ${show(pool)}`, () => show(gateway)),
  ),
  {
    id: "pools/chosen-apart",
    rule: "Pools that the driver chooses do not overlap.",
    where: "IpamDriver.requestPool",
    needs: choosing,
    async run(scene) {
      const pools: Prefix[] = [];
      for (let count = 0; count < 5; count++) pools.push((await scene.anyPool()).pool);
      mustBeApart(pools);
    },
  },
  {
    id: "pools/at-once",
    rule: "Pools that are chosen at once do not overlap.",
    where: "IpamDriver.requestPool",
    needs: choosing,
    async run(scene) {
      const chosen = await Promise.all(Array.from({ length: 6 }, () => scene.anyPool()));
      mustBeApart(chosen.map(({ pool }) => pool));
    },
  },
  {
    id: "pools/exclude",
    rule: "A pool that the driver chooses overlaps nothing of what is to be excluded.",
    where: "PoolRequest.exclude",
    needs: choosing,
    async run(scene) {
      const first = await scene.anyPool();
      await scene.driver.releasePool(first.poolId);
      const { pool } = await scene.pool({ exclude: [first.pool] });
      must(!prefixesOverlap(pool, first.pool), `one apart from ${show(first.pool)}`, () => show(pool));
    },
  },
  {
    id: "pools/chosen-beside-asked",
    rule: "A pool that the driver chooses does not overlap one that was asked for.",
    where: "IpamDriver.requestPool",
    needs: choosing,
    async run(scene) {
      const first = await scene.anyPool();
      await scene.driver.releasePool(first.poolId);
      const { pool: named } = await scene.named(first.pool);
      const { pool } = await scene.anyPool();
      must(!prefixesOverlap(pool, named), `one apart from ${show(named)}`, () => show(pool));
    },
  },
  {
    id: "pools/ids-differ",
    rule: "Two pools have two ids.",
    where: "PoolLease.poolId",
    needs: [leases],
    async run(scene) {
      const [first, second] = [await scene.ownPool(), await scene.ownPool()];
      must(first.poolId !== second.poolId, "different ids", () => show(first.poolId));
    },
  },
  {
    id: "pools/many",
    rule: "Many pools can be leased, each under an id of its own.",
    where: "IpamDriver.requestPool",
    needs: [leases],
    async run(scene) {
      const ids = new Set<string>();
      for (let count = 0; count < 60; count++) ids.add((await scene.ownPool()).poolId);
      must(ids.size === 60, "60 ids", () => `${ids.size}`);
    },
  },
  {
    id: "pools/same-at-once",
    rule: "A pool that several ask for at once is leased to one of them.",
    where: "IpamDriver.requestPool",
    needs: [leases, ownPools],
    async run(scene) {
      const pool = scene.subnet();
      const results = await Promise.allSettled(Array.from({ length: 4 }, () => scene.named(pool)));
      const count = results.filter(({ status }) => status === "fulfilled").length;
      must(count === 1, "one lease", `${count}`);
    },
  },
  {
    id: "pools/again",
    rule: "A pool that was released can be leased again at once.",
    where: "IpamDriver.releasePool",
    needs: [leases],
    async run(scene) {
      const pool = scene.subnet();
      for (let round = 0; round < 3; round++) {
        const { poolId } = await scene.named(pool);
        await scene.driver.releasePool(poolId);
      }
    },
  },
  {
    id: "pools/release-twice",
    rule: "Releasing a pool that is released succeeds.",
    where: "IpamDriver.releasePool",
    async run(scene) {
      const { poolId } = await scene.anyPool();
      for (let round = 0; round < 2; round++) await scene.driver.releasePool(poolId);
    },
  },
  {
    id: "pools/release-unknown",
    rule: "Releasing a pool that never was succeeds.",
    where: "IpamDriver.releasePool",
    async run({ driver }) {
      for (const poolId of ["no such pool", "LocalDefault/203.0.113.0/24", ""])
        await driver.releasePool(poolId);
    },
  },
  {
    id: "pools/release-with-addresses",
    rule: "Releasing a pool gives its addresses back too.",
    where: "IpamDriver.releasePool",
    needs: [leases],
    async run(scene) {
      const pool = scene.subnet();
      for (let round = 0; round < 2; round++) {
        const { poolId } = await scene.named(pool);
        await scene.address(poolId, { address: { ...pool.address, value: pool.address.value + 7n } });
        await scene.driver.releasePool(poolId);
      }
    },
  },
  {
    id: "pools/release-one",
    rule: "Releasing one pool leaves the others leased.",
    where: "IpamDriver.releasePool",
    needs: [leases],
    async run(scene) {
      const [first, second] = [await scene.ownPool(), await scene.ownPool()];
      const { address } = await scene.address(second.poolId);
      await scene.driver.releasePool(first.poolId);
      await refusal("an address that is leased", () => scene.address(second.poolId, { address }));
      await scene.address(second.poolId);
    },
  },
  {
    id: "pools/replay",
    rule: "A pool that is on record is leased again after a start, under the same id.",
    where: "PoolRequest.onRecord",
    needs: [restart, replay],
    async run(scene) {
      const before = await scene.anyPool();
      await scene.stage.restart();
      const again = await scene.pool({ ...scene.wish(before.pool), onRecord: before.poolId });
      must(again.poolId === before.poolId, show(before.poolId), () => show(again.poolId));
    },
  },
  {
    id: "pools/request-stays",
    rule: "requestPool does not change its request.",
    where: "PoolRequest",
    async run(scene) {
      const request = scene.request(scene.leases ? scene.wish(scene.subnet()) : {});
      const copy = structuredClone(request);
      const { poolId } = await scene.looseDriver.requestPool(copy);
      await scene.driver.releasePool(poolId);
      must(show(copy) === show(request), show(request), () => show(copy));
    },
  },
];
