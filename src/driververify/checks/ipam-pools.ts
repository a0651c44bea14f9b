// Who an IPAM driver is, and its pools.

import type { PoolLease } from "../../driverapi/index.ts";
import {
  hasHostBits,
  type Prefix,
  prefixContains,
  prefixesOverlap,
  prefixFamily,
  samePrefix,
} from "../../netip/index.ts";
import { errorMessage } from "../../util/errors.ts";
import { type Check, must, onlyIf } from "../check.ts";
import type { IpamScene } from "../ipam-scene.ts";
import { prefix } from "../scene.ts";
import { show } from "../show.ts";
import { mustBeOfKind, refusal } from "./refusal.ts";

const requestPool = "IpamDriver.requestPool";

/** A pool of the driver's own choice that the host can do with. */
async function chosen(scene: IpamScene, family: 4 | 6, exclude: readonly Prefix[] = []): Promise<PoolLease> {
  scene.needLeases();
  return await scene.pool({ family, exclude });
}

async function mustRefuse(
  scene: IpamScene,
  wish: Parameters<IpamScene["request"]>[0],
  {
    what,
    kinds,
  }: { readonly what: string; readonly kinds: readonly ("invalid" | "forbidden" | "unavailable")[] },
): Promise<unknown> {
  const error = await refusal(what, () => scene.pool(wish));
  if (scene.stage.whyNoKinds === undefined) mustBeOfKind(error, kinds, what);
  return error;
}

export const poolChecks: readonly Check<IpamScene>[] = [
  {
    id: "ipam-identity/name",
    rule: "A driver has a name that can stand on a command line, the same as long as it lives.",
    where: "IpamDriver.name",
    async run({ driver }) {
      const { name } = driver;
      must(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name), "letters, digits, _, . and -", show(name));
      await driver.defaultAddressSpaces();
      must(driver.name === name, name, () => driver.name);
    },
  },
  {
    id: "ipam-identity/mac",
    rule: "A driver says with true or false whether it needs MACs.",
    where: "IpamCapabilities.requiresMacAddress",
    run({ driver: { capabilities } }) {
      must(typeof capabilities.requiresMacAddress === "boolean", "true or false", () => show(capabilities));
    },
  },
  {
    id: "ipam-identity/replay",
    rule: "A driver says with true or false whether it is to be told again what is on record.",
    where: "IpamCapabilities.requiresRequestReplay",
    run({ driver: { capabilities } }) {
      must(typeof capabilities.requiresRequestReplay === "boolean", "true or false", () =>
        show(capabilities),
      );
    },
  },
  {
    id: "ipam-identity/spaces",
    rule: "The address spaces have names.",
    where: "IpamDriver.defaultAddressSpaces",
    async run({ driver }) {
      const spaces = await driver.defaultAddressSpaces();
      const isRight = [spaces.local, spaces.global].every((name) => typeof name === "string" && name !== "");
      must(isRight, "two names", () => show(spaces));
    },
  },
  {
    id: "ipam-identity/spaces-stay",
    rule: "The address spaces are the same each time.",
    where: "IpamDriver.defaultAddressSpaces",
    async run({ driver }) {
      const [first, second] = [await driver.defaultAddressSpaces(), await driver.defaultAddressSpaces()];
      must(show(first) === show(second), show(first), () => show(second));
    },
  },
  {
    id: "pools/id",
    rule: "A pool has an id.",
    where: "PoolLease.poolId",
    async run(scene) {
      const { poolId } = await scene.pool();
      must(typeof poolId === "string" && poolId !== "", "text", () => show(poolId));
    },
  },
  {
    id: "pools/asked",
    rule: "A pool that is asked for is the one that is leased.",
    where: "PoolRequest.pool",
    async run(scene) {
      scene.needLeases();
      const pool = scene.subnet();
      const lease = await scene.pool({ pool });
      must(samePrefix(lease.pool, pool), show(pool), () => show(lease.pool));
    },
  },
  {
    id: "pools/asked-ipv6",
    rule: "An IPv6 pool that is asked for is the one that is leased.",
    where: "PoolRequest.pool",
    async run(scene) {
      scene.needLeases();
      const pool = scene.subnet(64, 6);
      const lease = await scene.pool({ pool, family: 6 });
      must(samePrefix(lease.pool, pool), show(pool), () => show(lease.pool));
    },
  },
  {
    id: "pools/chosen",
    rule: "A pool that the driver chooses is of IPv4 when IPv4 is asked for.",
    where: "PoolRequest.family",
    async run(scene) {
      const { pool } = await scene.pool();
      must(prefixFamily(pool) === 4, "an IPv4 pool", () => show(pool));
    },
  },
  {
    id: "pools/chosen-ipv6",
    rule: "A pool that the driver chooses is of IPv6 when IPv6 is asked for.",
    where: "PoolRequest.family",
    async run(scene) {
      const { pool } = await scene.pool({ family: 6 });
      must(prefixFamily(pool) === 6, "an IPv6 pool", () => show(pool));
    },
  },
  {
    id: "pools/no-host-bits",
    rule: "A pool has no host bits.",
    where: "PoolLease.pool",
    async run(scene) {
      const { pool } = await scene.pool();
      must(!hasHostBits(pool), "a subnet", () => show(pool));
    },
  },
  {
    id: "pools/chosen-apart",
    rule: "Pools that the driver chooses do not overlap.",
    where: requestPool,
    async run(scene) {
      const pools: Prefix[] = [];
      for (let count = 0; count < 5; count++) pools.push((await chosen(scene, 4)).pool);
      const clash = pools.find((pool, at) =>
        pools.slice(at + 1).some((other) => prefixesOverlap(pool, other)),
      );
      must(clash === undefined, "five pools apart", () => show(pools));
    },
  },
  {
    id: "pools/exclude",
    rule: "A pool that the driver chooses overlaps nothing of what is to be excluded.",
    where: "PoolRequest.exclude",
    async run(scene) {
      const first = await chosen(scene, 4);
      await scene.driver.releasePool(first.poolId);
      const { pool } = await chosen(scene, 4, [first.pool]);
      must(!prefixesOverlap(pool, first.pool), `one apart from ${show(first.pool)}`, () => show(pool));
    },
  },
  {
    id: "pools/chosen-beside-asked",
    rule: "A pool that the driver chooses does not overlap one that was asked for.",
    where: requestPool,
    async run(scene) {
      const first = await chosen(scene, 4);
      await scene.driver.releasePool(first.poolId);
      const asked = await scene.pool({ pool: first.pool });
      const { pool } = await chosen(scene, 4);
      must(!prefixesOverlap(pool, asked.pool), `one apart from ${show(asked.pool)}`, () => show(pool));
    },
  },
  {
    id: "pools/gateway",
    rule: "A gateway that comes with a pool is in the pool.",
    where: "PoolLease.gateway",
    async run(scene) {
      const { pool, gateway } = await scene.pool();
      must(!gateway || prefixContains(pool, gateway.address), `one in ${show(pool)}`, () => show(gateway));
    },
  },
  {
    id: "pools/ids-differ",
    rule: "Two pools have two ids.",
    where: "PoolLease.poolId",
    async run(scene) {
      scene.needLeases();
      const [first, second] = [await scene.ownPool(), await scene.ownPool()];
      must(first.poolId !== second.poolId, "different ids", () => show(first.poolId));
    },
  },
  {
    id: "pools/overlap",
    rule: "A pool that is leased is not leased again.",
    where: "IpamDriver",
    async run(scene) {
      scene.needLeases();
      const { pool } = await scene.ownPool();
      await mustRefuse(scene, { pool }, { what: "a pool that is leased", kinds: ["forbidden"] });
    },
  },
  {
    id: "pools/overlap-inner",
    rule: "A pool inside one that is leased is not leased.",
    where: "IpamDriver",
    async run(scene) {
      scene.needLeases();
      const { pool } = await scene.ownPool();
      const inner = { ...pool, length: 26 };
      await mustRefuse(scene, { pool: inner }, { what: "a pool inside another", kinds: ["forbidden"] });
    },
  },
  {
    id: "pools/overlap-outer",
    rule: "A pool around one that is leased is not leased.",
    where: "IpamDriver",
    async run(scene) {
      scene.needLeases();
      await scene.ownPool(26);
      const outer = prefix("198.18.0.0/16");
      await mustRefuse(scene, { pool: outer }, { what: "a pool around another", kinds: ["forbidden"] });
    },
  },
  {
    id: "pools/overlap-is-told",
    rule: "The error about an overlap says of which pool.",
    where: "IpamDriver",
    async run(scene) {
      scene.needLeases();
      const { pool } = await scene.ownPool();
      const error = await refusal("a pool that is leased", () => scene.pool({ pool }));
      must(/overlap|already|in use/i.test(errorMessage(error)), "the pool, or that it overlaps one", () =>
        errorMessage(error),
      );
    },
  },
  {
    id: "pools/again",
    rule: "A pool that was released can be leased again at once.",
    where: "IpamDriver.releasePool",
    async run(scene) {
      scene.needLeases();
      const pool = scene.subnet();
      for (let round = 0; round < 3; round++) {
        const { poolId } = await scene.pool({ pool });
        await scene.driver.releasePool(poolId);
      }
    },
  },
  {
    id: "pools/release-twice",
    rule: "Releasing a pool that is released succeeds.",
    where: "IpamDriver.releasePool",
    async run(scene) {
      const { poolId } = await scene.pool();
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
    async run(scene) {
      scene.needLeases();
      const pool = scene.subnet();
      for (let round = 0; round < 2; round++) {
        const { poolId } = await scene.pool({ pool });
        await scene.address(poolId, { address: { ...pool.address, value: pool.address.value + 7n } });
        await scene.driver.releasePool(poolId);
      }
    },
  },
  {
    id: "pools/release-one",
    rule: "Releasing one pool leaves the others leased.",
    where: "IpamDriver.releasePool",
    async run(scene) {
      scene.needLeases();
      const [first, second] = [await scene.ownPool(), await scene.ownPool()];
      await scene.driver.releasePool(first.poolId);
      await refusal("a pool that is leased", () => scene.pool({ pool: second.pool }));
      await scene.address(second.poolId);
    },
  },
  {
    id: "pools/wrong-family",
    rule: "An IPv6 pool is no answer to a wish for IPv4, and is refused as invalid.",
    where: "PoolRequest.family",
    async run(scene) {
      const pool = scene.subnet(64, 6);
      await mustRefuse(
        scene,
        { pool, family: 4 },
        { what: "a pool of the other family", kinds: ["invalid"] },
      );
    },
  },
  {
    id: "pools/host-bits",
    rule: "A pool with host bits is refused as invalid.",
    where: "IpamDriver",
    async run(scene) {
      const pool = prefix("198.19.7.9/24");
      await mustRefuse(scene, { pool }, { what: "a pool with host bits", kinds: ["invalid"] });
    },
  },
  {
    id: "pools/sub-pool-outside",
    rule: "A range outside its pool is refused as invalid.",
    where: "PoolRequest.subPool",
    async run(scene) {
      const wish = { pool: scene.subnet(), subPool: prefix("203.0.113.0/26") };
      await mustRefuse(scene, wish, { what: "a range outside its pool", kinds: ["invalid"] });
    },
  },
  {
    id: "pools/refused-is-free",
    rule: "A pool whose lease was refused is still free.",
    where: requestPool,
    async run(scene) {
      scene.needLeases();
      const pool = scene.subnet();
      await refusal("a range outside its pool", () =>
        scene.pool({ pool, subPool: prefix("203.0.113.0/26") }),
      );
      await scene.pool({ pool });
    },
  },
  {
    id: "pools/many",
    rule: "Many pools can be leased, each under an id of its own.",
    where: requestPool,
    async run(scene) {
      scene.needLeases();
      const ids = new Set<string>();
      for (let count = 0; count < 60; count++) ids.add((await scene.ownPool()).poolId);
      must(ids.size === 60, "60 ids", () => `${ids.size}`);
    },
  },
  {
    id: "pools/at-once",
    rule: "Pools that are chosen at once do not overlap.",
    where: requestPool,
    async run(scene) {
      scene.needLeases();
      const leases = await Promise.all(Array.from({ length: 6 }, () => chosen(scene, 4)));
      const pools = leases.map(({ pool }) => pool);
      const clash = pools.find((pool, at) =>
        pools.slice(at + 1).some((other) => prefixesOverlap(pool, other)),
      );
      must(clash === undefined, "six pools apart", () => show(pools));
    },
  },
  {
    id: "pools/same-at-once",
    rule: "A pool that several ask for at once is leased to one of them.",
    where: requestPool,
    async run(scene) {
      scene.needLeases();
      const pool = scene.subnet();
      const results = await Promise.allSettled(Array.from({ length: 4 }, () => scene.pool({ pool })));
      const count = results.filter(({ status }) => status === "fulfilled").length;
      must(count === 1, "one lease", `${count}`);
    },
  },
  {
    id: "pools/replay",
    rule: "A pool that is on record is leased again after a start, under the same id.",
    where: "PoolRequest.onRecord",
    async run(scene) {
      scene.needReplay();
      const before = await scene.pool();
      await scene.stage.restart();
      const again = await scene.pool({ pool: before.pool, onRecord: before.poolId });
      must(again.poolId === before.poolId, show(before.poolId), () => show(again.poolId));
    },
  },
  {
    id: "pools/replay-is-leased",
    rule: "A pool that was repeated after a start is leased: nobody else gets it.",
    where: "IpamCapabilities.requiresRequestReplay",
    async run(scene) {
      scene.needReplay();
      scene.needLeases();
      const { pool, poolId } = await scene.ownPool();
      await scene.stage.restart();
      await scene.pool({ pool, onRecord: poolId });
      await refusal("a pool that is leased", () => scene.pool({ pool }));
    },
  },
  {
    id: "pools/sweep",
    rule: "sweep leaves pools alone that are in use.",
    where: "IpamDriver.sweep",
    async run(scene) {
      const sweep = scene.need("sweep");
      scene.needLeases();
      const { pool, poolId } = await scene.ownPool();
      await sweep(new Set([poolId]));
      await refusal("a pool that is leased", () => scene.pool({ pool }));
    },
  },
  {
    id: "pools/request-stays",
    rule: "requestPool does not change its request.",
    where: "PoolRequest",
    async run(scene) {
      const request = scene.leases ? scene.request({ pool: scene.subnet() }) : scene.request();
      const copy = structuredClone(request);
      const lease = await scene.stage.driver.requestPool(copy);
      await scene.driver.releasePool(lease.poolId);
      must(show(copy) === show(request), show(request), () => show(copy));
    },
  },
  {
    id: "pools/unknown-space",
    rule: "An address space that is not the driver's is refused as invalid.",
    where: "PoolRequest.addressSpace",
    async run(scene) {
      onlyIf(scene.stage.whyNoKinds === undefined, "plugins need not know their own spaces' names");
      const wish = { addressSpace: "no such space", ...(scene.leases && { pool: scene.subnet() }) };
      await mustRefuse(scene, wish, { what: "an unknown address space", kinds: ["invalid"] });
    },
  },
];
