// What rules about addresses have in common: a pool of the check's own, all of its addresses, and errors of a kind.

import type { AddressRequest, PoolLease } from "../../driverapi/index.ts";
import { type Address, formatAddress, type Prefix, prefixesOverlap } from "../../netip/index.ts";
import { type Check, must } from "../check.ts";
import { type IpamFacts, leases } from "../ipam-needs.ts";
import type { IpamScene } from "../ipam-scene.ts";
import { show } from "../show.ts";
import { mustBeOfKind, refusal } from "./refusal.ts";

export type IpamCheck = Check<IpamScene, IpamFacts>;

interface PoolFacts extends Omit<IpamCheck, "run" | "where"> {
  /** Absent: `IpamDriver.requestAddress`. */
  readonly where?: string;
  /** Of the pool; absent: 24. */
  readonly length?: number;
  /** Absent: IPv4. */
  readonly family?: 4 | 6;
}

/** A rule about a pool that is leased. */
export function ofPool(
  { where = "IpamDriver.requestAddress", length = 24, family = 4, needs = [], ...facts }: PoolFacts,
  run: (scene: IpamScene, lease: PoolLease) => Promise<void>,
): IpamCheck {
  return {
    ...facts,
    where,
    needs: [leases, ...needs],
    run: async (scene) => await run(scene, await scene.ownPool(length, family)),
  };
}

/** Addresses that nobody asked for. */
export async function taken(scene: IpamScene, lease: PoolLease, count: number): Promise<Address[]> {
  const addresses: Address[] = [];
  for (let at = 0; at < count; at++) addresses.push((await scene.address(lease.poolId)).address);
  return addresses;
}

/** Takes until there is none; which there were, and the error then. */
export async function exhausted(
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

export function mustDiffer(addresses: readonly Address[]): void {
  const texts = new Set(addresses.map(formatAddress));
  must(texts.size === addresses.length, `${addresses.length} different addresses`, () => show(addresses));
}

export function mustBeApart(pools: readonly Prefix[]): void {
  const clash = pools.find((pool, at) => pools.slice(at + 1).some((other) => prefixesOverlap(pool, other)));
  must(clash === undefined, `${pools.length} pools apart`, () => show(pools));
}

type Kinds = Parameters<typeof mustBeOfKind>[1];

/** The error of a call that must fail, of one of these kinds where errors have kinds. */
export async function mustRefuse(
  scene: IpamScene,
  { what, kinds }: { readonly what: string; readonly kinds: Kinds },
  work: () => unknown,
): Promise<unknown> {
  const error = await refusal(what, work);
  if (scene.stage.whyNoKinds === undefined) mustBeOfKind(error, kinds, what);
  return error;
}

/** A lease of this address that must fail. */
export async function mustNotLease(
  scene: IpamScene,
  { poolId }: Pick<PoolLease, "poolId">,
  refused: { readonly what: string; readonly kinds: Kinds; readonly wish?: Partial<AddressRequest> },
): Promise<void> {
  await mustRefuse(scene, refused, () => scene.address(poolId, refused.wish));
}
