// Addresses of a pool: each is one of it, is leased once, and all can be had.

import type { AddressRequest } from "../../driverapi/index.ts";
import {
  type Address,
  firstAddress,
  formatAddress,
  lastAddress,
  prefixContains,
  sameAddress,
} from "../../netip/index.ts";
import { must } from "../check.ts";
import { replay, restart, singleAddresses, subnetAddresses } from "../ipam-needs.ts";
import { type IpamScene, nth } from "../ipam-scene.ts";
import { show } from "../show.ts";
import { exhausted, type IpamCheck, mustDiffer, mustNotLease, ofPool, taken } from "./ipam-shapes.ts";

const onRecord = [restart, replay];

/** Another instance, to which the pool is repeated. */
async function restarted(scene: IpamScene, { pool, poolId }: Awaited<ReturnType<IpamScene["pool"]>>) {
  await scene.stage.restart();
  await scene.pool({ ...scene.wish(pool), onRecord: poolId });
}

/** A rule about an address that nobody is given unasked. */
function never(
  facts: Pick<IpamCheck, "id" | "rule">,
  which: (lease: Awaited<ReturnType<IpamScene["pool"]>>) => Address,
): IpamCheck {
  return ofPool({ ...facts, length: 28, needs: [subnetAddresses] }, async (scene, lease) => {
    const { addresses } = await exhausted(scene, lease);
    const own = which(lease);
    must(!addresses.some((address) => sameAddress(address, own)), `not ${show(own)}`, () => show(addresses));
  });
}

export const addressChecks: readonly IpamCheck[] = [
  ofPool({ id: "addresses/inside", rule: "An address is one of its pool." }, async (scene, lease) => {
    const { address } = await scene.address(lease.poolId);
    must(prefixContains(lease.pool, address), `one of ${show(lease.pool)}`, () => show(address));
  }),
  ofPool(
    {
      id: "addresses/length",
      rule: "An address comes with its pool's length.",
      needs: [subnetAddresses],
    },
    async (scene, lease) => {
      const { length } = await scene.address(lease.poolId);
      must(length === lease.pool.length, `${lease.pool.length}`, `${length}`);
    },
  ),
  ofPool(
    {
      id: "addresses/ipv6",
      rule: "An address of an IPv6 pool is one of the pool, with its length.",
      length: 64,
      family: 6,
      needs: [subnetAddresses],
    },
    async (scene, lease) => {
      const leased = await scene.address(lease.poolId);
      const isRight = prefixContains(lease.pool, leased.address) && leased.length === 64;
      must(isRight, `one of ${show(lease.pool)}`, () => show(leased));
    },
  ),
  ofPool(
    {
      id: "addresses/single",
      rule: "A single address has its full length, of an IPv6 pool too.",
      where: "DriverTraits.singleAddresses",
      needs: [singleAddresses],
    },
    async (scene, { poolId }) => {
      const second = await scene.ownPool(64, 6);
      const lengths = [await scene.address(poolId), await scene.address(second.poolId)].map(
        ({ length }) => length,
      );
      must(lengths.join() === "32,128", "/32 and /128", () =>
        lengths.map((length) => `/${length}`).join(" and "),
      );
    },
  ),
  ofPool({ id: "addresses/differ", rule: "No address is leased twice." }, async (scene, lease) =>
    mustDiffer(await taken(scene, lease, 20)),
  ),
  ofPool(
    { id: "addresses/ipv6-differ", rule: "No IPv6 address is leased twice.", length: 64, family: 6 },
    async (scene, lease) => mustDiffer(await taken(scene, lease, 20)),
  ),
  never(
    {
      id: "addresses/network-address",
      rule: "The network's own address is not leased to endpoints.",
    },
    ({ pool }) => firstAddress(pool),
  ),
  never(
    {
      id: "addresses/broadcast-address",
      rule: "The broadcast address of an IPv4 network is not leased to endpoints.",
    },
    ({ pool }) => lastAddress(pool),
  ),
  ofPool(
    {
      id: "addresses/exhausted",
      rule: "A pool without free addresses says so as unavailable.",
      where: "IpamDriver",
      length: 28,
    },
    async (scene, lease) => {
      const { addresses } = await exhausted(scene, lease);
      must(addresses.length > 0, "some addresses first", "none");
      await mustNotLease(scene, lease, { what: "an address of a full pool", kinds: ["unavailable"] });
    },
  ),
  ofPool(
    {
      id: "addresses/all",
      rule: "All of a pool's addresses can be had: of 16 at least 13.",
      length: 28,
    },
    async (scene, lease) => {
      const { addresses } = await exhausted(scene, lease);
      must(addresses.length >= 13, "13 or 14", `${addresses.length}`);
    },
  ),
  ofPool(
    {
      id: "addresses/all-single",
      rule: "All single addresses of a pool can be had: of 16 there are 16.",
      where: "DriverTraits.singleAddresses",
      length: 28,
      needs: [singleAddresses],
    },
    async (scene, lease) => {
      const { addresses } = await exhausted(scene, lease);
      must(addresses.length === 16, "16", `${addresses.length}`);
    },
  ),
  ofPool(
    {
      id: "addresses/pools-apart",
      rule: "Addresses of one pool say nothing about those of another.",
      length: 28,
    },
    async (scene, first) => {
      const second = await scene.ownPool(28);
      await exhausted(scene, first);
      await scene.address(second.poolId);
    },
  ),
  ofPool(
    { id: "addresses/at-once", rule: "Addresses that are asked for at once are different." },
    async (scene, { poolId }) => {
      const leased = await Promise.all(Array.from({ length: 30 }, () => scene.address(poolId)));
      mustDiffer(leased.map(({ address }) => address));
    },
  ),
  ofPool(
    {
      id: "addresses/same-at-once",
      rule: "An address that several ask for at once is leased to one of them.",
    },
    async (scene, lease) => {
      const wish = { address: nth(lease, 42) };
      const results = await Promise.allSettled(
        Array.from({ length: 5 }, () => scene.address(lease.poolId, wish)),
      );
      const count = results.filter(({ status }) => status === "fulfilled").length;
      must(count === 1, "one lease", `${count}`);
    },
  ),
  ofPool(
    {
      id: "addresses/replay",
      rule: "An address that is on record is leased again after a start.",
      where: "AddressRequest.onRecord",
      needs: onRecord,
    },
    async (scene, lease) => {
      const { address } = await scene.address(lease.poolId);
      await restarted(scene, lease);
      const again = await scene.address(lease.poolId, { address, onRecord: true });
      must(sameAddress(again.address, address), show(address), () => show(again));
    },
  ),
  ofPool(
    {
      id: "addresses/replay-is-leased",
      rule: "An address that was repeated after a start is leased: nobody else gets it.",
      where: "IpamCapabilities.requiresRequestReplay",
      length: 28,
      needs: onRecord,
    },
    async (scene, lease) => {
      const before = await taken(scene, lease, 4);
      await restarted(scene, lease);
      for (const address of before) await scene.address(lease.poolId, { address, onRecord: true });
      mustDiffer([...before, ...(await exhausted(scene, lease)).addresses]);
    },
  ),
  ofPool(
    {
      id: "addresses/replay-release",
      rule: "An address that was repeated after a start can be released.",
      where: "IpamDriver.releaseAddress",
      needs: onRecord,
    },
    async (scene, lease) => {
      const { address } = await scene.address(lease.poolId);
      await restarted(scene, lease);
      await scene.address(lease.poolId, { address, onRecord: true });
      await scene.driver.releaseAddress(lease.poolId, address);
      await scene.address(lease.poolId, { address });
    },
  ),
  ofPool(
    {
      id: "addresses/request-stays",
      rule: "requestAddress does not change its request.",
      where: "AddressRequest",
    },
    async (scene, { poolId }) => {
      const request: AddressRequest = { poolId, purpose: "endpoint", endpointName: "c1" };
      const copy = structuredClone(request);
      await scene.looseDriver.requestAddress(copy);
      must(show(copy) === show(request), show(request), () => show(copy));
    },
  ),
  ofPool(
    {
      id: "addresses/fuzz",
      rule: "In whatever order addresses are leased and released, none has two owners.",
      length: 27,
    },
    async (scene, lease) => {
      const { random } = scene;
      const held = new Map<string, Address>();
      for (let step = 0; step < 200; step++) {
        const victim = [...held.values()][random.below(held.size + 20)];
        if (victim) {
          await scene.driver.releaseAddress(lease.poolId, victim);
          held.delete(formatAddress(victim));
          continue;
        }
        const wish = random.below(2) === 0 ? { address: nth(lease, 1 + random.below(30)) } : {};
        const leased = await scene.address(lease.poolId, wish).catch(() => undefined);
        if (!leased) continue;
        const text = formatAddress(leased.address);
        must(!held.has(text), "an address that nobody has", text);
        held.set(text, leased.address);
      }
    },
  ),
];
