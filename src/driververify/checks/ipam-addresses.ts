// Addresses of a pool: each is leased once, and comes back.

import type { AddressRequest, PoolLease } from "../../driverapi/index.ts";
import {
  type Address,
  firstAddress,
  formatAddress,
  lastAddress,
  prefixContains,
  sameAddress,
} from "../../netip/index.ts";
import { type Check, must } from "../check.ts";
import { type IpamScene, nth } from "../ipam-scene.ts";
import { show } from "../show.ts";
import { mustBeOfKind, refusal } from "./refusal.ts";

const where = "IpamDriver.requestAddress";

async function taken(scene: IpamScene, lease: PoolLease, count: number, wish?: Partial<AddressRequest>) {
  const addresses: Address[] = [];
  for (let at = 0; at < count; at++) addresses.push((await scene.address(lease.poolId, wish)).address);
  return addresses;
}

function mustDiffer(addresses: readonly Address[]): void {
  const texts = new Set(addresses.map(formatAddress));
  must(texts.size === addresses.length, `${addresses.length} different addresses`, () => show(addresses));
}

/** Takes until there is none; how many there were. */
async function exhausted(
  scene: IpamScene,
  lease: PoolLease,
): Promise<{ addresses: Address[]; error: unknown }> {
  const addresses: Address[] = [];
  for (let at = 0; at < 64; at++) {
    try {
      addresses.push((await scene.address(lease.poolId)).address);
    } catch (error) {
      return { addresses, error };
    }
  }
  must(false, "an end of addresses", "64 of a pool that has 16");
}

function inUse(
  scene: IpamScene,
  error: unknown,
  kinds: Parameters<typeof mustBeOfKind>[1],
  what: string,
): void {
  if (scene.stage.whyNoKinds === undefined) mustBeOfKind(error, kinds, what);
}

async function pool(scene: IpamScene, length = 24, family: 4 | 6 = 4): Promise<PoolLease> {
  scene.needLeases();
  return await scene.ownPool(length, family);
}

export const addressChecks: readonly Check<IpamScene>[] = [
  {
    id: "addresses/inside",
    rule: "An address is one of its pool.",
    where,
    async run(scene) {
      const lease = await pool(scene);
      const { address } = await scene.address(lease.poolId);
      must(prefixContains(lease.pool, address), `one of ${show(lease.pool)}`, () => show(address));
    },
  },
  {
    id: "addresses/length",
    rule: "An address comes with its pool's length.",
    where,
    async run(scene) {
      const lease = await pool(scene);
      const { length } = await scene.address(lease.poolId);
      must(length === lease.pool.length, `${lease.pool.length}`, `${length}`);
    },
  },
  {
    id: "addresses/ipv6",
    rule: "An address of an IPv6 pool is one of the pool, with its length.",
    where,
    async run(scene) {
      const lease = await pool(scene, 64, 6);
      const leased = await scene.address(lease.poolId);
      const isRight = prefixContains(lease.pool, leased.address) && leased.length === 64;
      must(isRight, `one of ${show(lease.pool)}`, () => show(leased));
    },
  },
  {
    id: "addresses/differ",
    rule: "No address is leased twice.",
    where,
    async run(scene) {
      mustDiffer(await taken(scene, await pool(scene), 20));
    },
  },
  {
    id: "addresses/ipv6-differ",
    rule: "No IPv6 address is leased twice.",
    where,
    async run(scene) {
      mustDiffer(await taken(scene, await pool(scene, 64, 6), 20));
    },
  },
  {
    id: "addresses/asked",
    rule: "An address that is asked for and free is the one that is leased.",
    where: "AddressRequest.address",
    async run(scene) {
      const lease = await pool(scene);
      const address = nth(lease, 77);
      const leased = await scene.address(lease.poolId, { address });
      must(sameAddress(leased.address, address), show(address), () => show(leased));
    },
  },
  {
    id: "addresses/asked-twice",
    rule: "An address that is leased is refused as forbidden.",
    where: "IpamDriver",
    async run(scene) {
      const lease = await pool(scene);
      const wish = { address: nth(lease, 9) };
      await scene.address(lease.poolId, wish);
      const error = await refusal("an address in use", () => scene.address(lease.poolId, wish));
      inUse(scene, error, ["forbidden"], "an address in use");
    },
  },
  {
    id: "addresses/asked-is-skipped",
    rule: "An address that was asked for is not chosen for another.",
    where,
    async run(scene) {
      const lease = await pool(scene, 28);
      const asked = [2, 3, 5].map((number) => nth(lease, number));
      for (const address of asked) await scene.address(lease.poolId, { address });
      mustDiffer([...asked, ...(await taken(scene, lease, 6))]);
    },
  },
  {
    id: "addresses/outside",
    rule: "An address outside its pool is refused as invalid.",
    where: "IpamDriver",
    async run(scene) {
      const lease = await pool(scene);
      const address = nth(lease, 300);
      const error = await refusal("an address outside its pool", () =>
        scene.address(lease.poolId, { address }),
      );
      inUse(scene, error, ["invalid"], "an address outside its pool");
    },
  },
  {
    id: "addresses/other-family",
    rule: "An address of the other family is refused as invalid.",
    where: "IpamDriver",
    async run(scene) {
      const lease = await pool(scene);
      const { address } = scene.subnet(64, 6);
      const error = await refusal("an address of the other family", () =>
        scene.address(lease.poolId, { address }),
      );
      inUse(scene, error, ["invalid"], "an address of the other family");
    },
  },
  {
    id: "addresses/network-address",
    rule: "The network's own address is not leased to endpoints.",
    where,
    async run(scene) {
      const lease = await pool(scene, 28);
      const { addresses } = await exhausted(scene, lease);
      const first = firstAddress(lease.pool);
      must(!addresses.some((address) => sameAddress(address, first)), `not ${show(first)}`, () =>
        show(addresses),
      );
    },
  },
  {
    id: "addresses/broadcast-address",
    rule: "The broadcast address of an IPv4 network is not leased to endpoints.",
    where,
    async run(scene) {
      const lease = await pool(scene, 28);
      const { addresses } = await exhausted(scene, lease);
      const last = lastAddress(lease.pool);
      must(!addresses.some((address) => sameAddress(address, last)), `not ${show(last)}`, () =>
        show(addresses),
      );
    },
  },
  {
    id: "addresses/exhausted",
    rule: "A pool without free addresses says so as unavailable.",
    where: "IpamDriver",
    async run(scene) {
      const { error, addresses } = await exhausted(scene, await pool(scene, 28));
      must(addresses.length > 0, "some addresses first", "none");
      inUse(scene, error, ["unavailable"], "an address of a full pool");
    },
  },
  {
    id: "addresses/all",
    rule: "All of a pool's addresses can be had: of 16 at least 13.",
    where,
    async run(scene) {
      const { addresses } = await exhausted(scene, await pool(scene, 28));
      must(addresses.length >= 13, "13 or 14", `${addresses.length}`);
    },
  },
  {
    id: "addresses/release",
    rule: "An address that was released can be leased again.",
    where: "IpamDriver.releaseAddress",
    async run(scene) {
      const lease = await pool(scene);
      const address = nth(lease, 5);
      for (let round = 0; round < 3; round++) {
        await scene.address(lease.poolId, { address });
        await scene.driver.releaseAddress(lease.poolId, address);
      }
    },
  },
  {
    id: "addresses/release-when-full",
    rule: "In a full pool an address that is released is the next one to be had.",
    where: "IpamDriver.releaseAddress",
    async run(scene) {
      const lease = await pool(scene, 28);
      const { addresses } = await exhausted(scene, lease);
      const [, , third] = addresses;
      must(third !== undefined, "three addresses", () => show(addresses));
      await scene.driver.releaseAddress(lease.poolId, third);
      const { address } = await scene.address(lease.poolId);
      must(sameAddress(address, third), show(third), () => show(address));
    },
  },
  {
    id: "addresses/release-twice",
    rule: "Releasing an address that is released succeeds.",
    where: "IpamDriver.releaseAddress",
    async run(scene) {
      const lease = await pool(scene);
      const { address } = await scene.address(lease.poolId);
      for (let round = 0; round < 2; round++) await scene.driver.releaseAddress(lease.poolId, address);
    },
  },
  {
    id: "addresses/release-unknown",
    rule: "Releasing an address that was not leased, or of a pool that is not there, succeeds.",
    where: "IpamDriver.releaseAddress",
    async run(scene) {
      const lease = scene.leases ? await pool(scene) : await scene.pool();
      const { address } = scene.subnet();
      await scene.driver.releaseAddress(lease.poolId, address);
      await scene.driver.releaseAddress("no such pool", address);
    },
  },
  {
    id: "addresses/release-one",
    rule: "Releasing one address leaves the others leased.",
    where: "IpamDriver.releaseAddress",
    async run(scene) {
      const lease = await pool(scene);
      const [first, second] = [nth(lease, 5), nth(lease, 6)];
      for (const address of [first, second]) await scene.address(lease.poolId, { address });
      await scene.driver.releaseAddress(lease.poolId, first);
      await refusal("an address in use", () => scene.address(lease.poolId, { address: second }));
    },
  },
  {
    id: "addresses/unknown-pool",
    rule: "An address of a pool that is not there is refused.",
    where,
    async run(scene) {
      scene.needLeases();
      const error = await refusal("an unknown pool", () => scene.address("no such pool"));
      inUse(scene, error, ["invalid", "not-found"], "an unknown pool");
    },
  },
  {
    id: "addresses/released-pool",
    rule: "An address of a pool that was released is refused.",
    where: "IpamDriver.releasePool",
    async run(scene) {
      const { poolId } = await pool(scene);
      await scene.driver.releasePool(poolId);
      await refusal("a pool that was released", () => scene.address(poolId));
    },
  },
  {
    id: "addresses/gateway",
    rule: "A gateway gets an address of the pool, which no endpoint gets.",
    where: "AddressRequest.purpose",
    async run(scene) {
      const lease = await pool(scene, 28);
      const gateway = await scene.address(lease.poolId, { purpose: "gateway" });
      must(prefixContains(lease.pool, gateway.address), `one of ${show(lease.pool)}`, () => show(gateway));
      mustDiffer([gateway.address, ...(await exhausted(scene, lease)).addresses]);
    },
  },
  {
    id: "addresses/asked-gateway",
    rule: "A gateway that is asked for gets its address.",
    where: "AddressRequest.purpose",
    async run(scene) {
      const lease = await pool(scene);
      const address = nth(lease, 254);
      const leased = await scene.address(lease.poolId, { purpose: "gateway", address });
      must(sameAddress(leased.address, address), show(address), () => show(leased));
    },
  },
  {
    id: "addresses/auxiliary",
    rule: "An auxiliary address is nobody else's.",
    where: "AddressRequest.purpose",
    async run(scene) {
      const lease = await pool(scene, 28);
      const address = nth(lease, 4);
      await scene.address(lease.poolId, { purpose: "auxiliary", address });
      mustDiffer([address, ...(await exhausted(scene, lease)).addresses]);
    },
  },
  {
    id: "addresses/range",
    rule: "Addresses that nobody asked for come from the pool's range.",
    where: "PoolRequest.subPool",
    async run(scene) {
      scene.needLeases();
      const whole = scene.subnet();
      const subPool = { address: nth({ pool: whole }, 64), length: 28 };
      const lease = await scene.pool({ pool: whole, subPool });
      const strays = (await taken(scene, lease, 10)).filter((address) => !prefixContains(subPool, address));
      must(strays.length === 0, `of ${show(subPool)}`, () => show(strays));
    },
  },
  {
    id: "addresses/outside-range",
    rule: "An address outside the range can be asked for.",
    where: "PoolRequest.subPool",
    async run(scene) {
      scene.needLeases();
      const whole = scene.subnet();
      const subPool = { address: nth({ pool: whole }, 64), length: 28 };
      const lease = await scene.pool({ pool: whole, subPool });
      await scene.address(lease.poolId, { address: nth(lease, 200) });
    },
  },
  {
    id: "addresses/pools-apart",
    rule: "Addresses of one pool say nothing about those of another.",
    where,
    async run(scene) {
      const [first, second] = [await pool(scene, 28), await pool(scene, 28)];
      await exhausted(scene, first);
      await scene.address(second.poolId);
    },
  },
  {
    id: "addresses/at-once",
    rule: "Addresses that are asked for at once are different.",
    where,
    async run(scene) {
      const lease = await pool(scene);
      const leased = await Promise.all(Array.from({ length: 30 }, () => scene.address(lease.poolId)));
      mustDiffer(leased.map(({ address }) => address));
    },
  },
  {
    id: "addresses/same-at-once",
    rule: "An address that several ask for at once is leased to one of them.",
    where,
    async run(scene) {
      const lease = await pool(scene);
      const wish = { address: nth(lease, 42) };
      const results = await Promise.allSettled(
        Array.from({ length: 5 }, () => scene.address(lease.poolId, wish)),
      );
      const count = results.filter(({ status }) => status === "fulfilled").length;
      must(count === 1, "one lease", `${count}`);
    },
  },
  {
    id: "addresses/replay",
    rule: "An address that is on record is leased again after a start.",
    where: "AddressRequest.onRecord",
    async run(scene) {
      scene.needReplay();
      const lease = await pool(scene);
      const { address } = await scene.address(lease.poolId);
      await scene.stage.restart();
      await scene.pool({ pool: lease.pool, onRecord: lease.poolId });
      const again = await scene.address(lease.poolId, { address, onRecord: true });
      must(sameAddress(again.address, address), show(address), () => show(again));
    },
  },
  {
    id: "addresses/replay-is-leased",
    rule: "An address that was repeated after a start is leased: nobody else gets it.",
    where: "IpamCapabilities.requiresRequestReplay",
    async run(scene) {
      scene.needReplay();
      const lease = await pool(scene, 28);
      const before = await taken(scene, lease, 4);
      await scene.stage.restart();
      await scene.pool({ pool: lease.pool, onRecord: lease.poolId });
      for (const address of before) await scene.address(lease.poolId, { address, onRecord: true });
      mustDiffer([...before, ...(await exhausted(scene, lease)).addresses]);
    },
  },
  {
    id: "addresses/replay-release",
    rule: "An address that was repeated after a start can be released.",
    where: "IpamDriver.releaseAddress",
    async run(scene) {
      scene.needReplay();
      const lease = await pool(scene);
      const { address } = await scene.address(lease.poolId);
      await scene.stage.restart();
      await scene.pool({ pool: lease.pool, onRecord: lease.poolId });
      await scene.address(lease.poolId, { address, onRecord: true });
      await scene.driver.releaseAddress(lease.poolId, address);
      await scene.address(lease.poolId, { address });
    },
  },
  {
    id: "addresses/request-stays",
    rule: "requestAddress does not change its request.",
    where: "AddressRequest",
    async run(scene) {
      const { poolId } = await pool(scene);
      const request: AddressRequest = { poolId, purpose: "endpoint", endpointName: "c1" };
      const copy = structuredClone(request);
      await scene.stage.driver.requestAddress(copy);
      must(show(copy) === show(request), show(request), () => show(copy));
    },
  },
  {
    id: "addresses/fuzz",
    rule: "In whatever order addresses are leased and released, none has two owners.",
    where,
    async run(scene) {
      const lease = await pool(scene, 27);
      const { random } = scene;
      const held = new Map<string, Address>();
      for (let step = 0; step < 200; step++) {
        const owned = [...held.values()];
        const victim = owned[random.below(owned.length + 20)];
        if (victim && owned.length > 0) {
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
  },
  {
    id: "usage/grows",
    rule: "usage counts an address that is leased, and no longer when it is released.",
    where: "IpamDriver.usage",
    async run(scene) {
      const usage = scene.need("usage");
      const { poolId } = await pool(scene);
      const before = (await usage(poolId)).inUse;
      const { address } = await scene.address(poolId);
      const during = (await usage(poolId)).inUse;
      must(during === before + 1n, `${before + 1n} in use`, `${during}`);
      await scene.driver.releaseAddress(poolId, address);
      const after = (await usage(poolId)).inUse;
      must(after === before, `${before} in use`, `${after}`);
    },
  },
  {
    id: "usage/available",
    rule: "usage says how many addresses can still be had.",
    where: "PoolUsage.available",
    async run(scene) {
      const usage = scene.need("usage");
      const lease = await pool(scene, 28);
      const { available } = await usage(lease.poolId);
      const { addresses } = await exhausted(scene, lease);
      must(available === BigInt(addresses.length), `${addresses.length} available`, `${available}`);
    },
  },
  {
    id: "usage/changes-nothing",
    rule: "usage only counts.",
    where: "IpamDriver.usage",
    async run(scene) {
      const usage = scene.need("usage");
      const { poolId } = await pool(scene);
      const [first, second] = [await usage(poolId), await usage(poolId)];
      must(show(first) === show(second), show(first), () => show(second));
    },
  },
  {
    id: "usage/losses",
    rule: "Losses can be followed, and no longer followed.",
    where: "IpamDriver.followLosses",
    run(scene) {
      const follow = scene.need("followLosses");
      const stop = follow(() => undefined);
      must(typeof stop === "function", "a function that ends it", () => show(stop));
      stop();
    },
  },
  {
    id: "usage/share",
    rule: "An address that is shared can be shared again and given back.",
    where: "IpamDriver.shareAddress",
    async run(scene) {
      const share = scene.need("shareAddress");
      const unshare = scene.need("unshareAddress");
      const { poolId } = await pool(scene);
      const { address } = await scene.address(poolId);
      for (let round = 0; round < 2; round++) await share(poolId, address, "c1");
      for (let round = 0; round < 2; round++) await unshare(poolId, address);
    },
  },
];
