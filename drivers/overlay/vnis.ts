// VNIs: which network has which is decided by the store, in one transaction for all of a network's.

import { createHash } from "node:crypto";
import type { ClusterAccess, SharedTable } from "../../src/driverapi/index.ts";
import { conflict, errorKind, unavailable } from "../../src/util/errors.ts";
import { shortId } from "../../src/util/ids.ts";
import { prefixOf, type SharedTables, type VniOwner } from "./shared.ts";

/** The last one: paths between hosts are tried with it, and no network can have it. */
export const probeVni = 0xff_ffff;

/** Docker's: lower ones are left to those who choose for themselves. */
const chosenRange = { first: 4096, last: probeVni - 1 } as const;

export interface VniWish {
  readonly networkId: string;
  /** How many. */
  readonly count: number;
  /** As many that the user chose, or none. */
  readonly presets: readonly number[];
}

const mostAttempts = 20;
/** After a lost race the record that won is on its way to this host's copy. */
const pauseMs = 25;
const pause = () => new Promise((resolve) => setTimeout(resolve, pauseMs));
/** Far below what one transaction of etcd takes. */
const mostAtOnce = 50;

/**
 * The network's VNIs: those it has, or new ones. `isNew`: nobody had asked before.
 * @throws conflict when one that the user chose is another network's; unavailable without the store
 */
export async function claimVnis(
  cluster: ClusterAccess,
  tables: SharedTables,
  wish: VniWish,
): Promise<{ readonly vnis: readonly number[]; readonly isNew: boolean }> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const known = tables.networks.get(wish.networkId)?.value;
    if (known) return { vnis: known.vnis, isNew: false };
    checkFree(tables.vnis, wish);
    const vnis = wish.presets.length > 0 ? wish.presets : chooseVnis(wish, tables.vnis, attempt);
    try {
      await cluster.commit((transaction) => {
        transaction.create(tables.networks, wish.networkId, { vnis });
        for (const vni of vnis) transaction.create(tables.vnis, String(vni), { networkId: wish.networkId });
      });
      return { vnis, isNew: true };
    } catch (error) {
      if (errorKind(error) !== "conflict") throw error;
      await pause();
    }
  }
  throw unavailable(`choose VNIs for network ${shortId(wish.networkId)}: others are always quicker`);
}

/** Gives a network's VNIs back, and what is left of its endpoints. What is gone is success. @throws unavailable */
export async function releaseVnis(
  cluster: ClusterAccess,
  tables: SharedTables,
  networkId: string,
): Promise<void> {
  const left = [...tables.endpoints.entries(prefixOf(networkId))].map(({ key }) => key);
  for (let at = 0; at < left.length; at += mostAtOnce)
    await cluster.commit((transaction) => {
      for (const key of left.slice(at, at + mostAtOnce)) transaction.delete(tables.endpoints, key);
    });
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const network = tables.networks.get(networkId);
    if (!network) return;
    const entries = network.value.vnis.flatMap((vni) => tables.vnis.get(String(vni)) ?? []);
    const owned = entries.filter(({ value }) => value.networkId === networkId);
    try {
      // as they were read: another network may have a VNI by the time that an old copy is acted on
      return await cluster.commit((transaction) => {
        transaction.remove(tables.networks, network);
        for (const entry of owned) transaction.remove(tables.vnis, entry);
      });
    } catch (error) {
      if (errorKind(error) !== "conflict") throw error;
      await pause();
    }
  }
  throw unavailable(`release VNIs of network ${shortId(networkId)}: others are always quicker`);
}

/** Derived from the network's id, so that hosts that create networks at the same time seldom meet; then the next free one. */
export function chooseVnis(
  { networkId, count }: VniWish,
  taken: Pick<SharedTable<VniOwner>, "get">,
  attempt = 0,
): number[] {
  const size = chosenRange.last - chosenRange.first + 1;
  const chosen = new Set<number>();
  for (let at = 0; at < count; at++) {
    const digest = createHash("sha256").update(`${networkId} ${at} ${attempt}`).digest();
    let offset = digest.readUInt32BE() % size;
    while (chosen.has(chosenRange.first + offset) || taken.get(String(chosenRange.first + offset)))
      offset = (offset + 1) % size;
    chosen.add(chosenRange.first + offset);
  }
  return [...chosen];
}

function checkFree(taken: SharedTable<VniOwner>, { networkId, presets }: VniWish): void {
  for (const vni of presets) {
    const owner = taken.get(String(vni))?.value.networkId;
    if (owner !== undefined && owner !== networkId)
      throw conflict(`VNI ${vni} is taken by network ${shortId(owner)}`);
  }
}
