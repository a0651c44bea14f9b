// VNIs: which network has which is decided by the store, in one transaction for all of a network's.

import { createHash } from "node:crypto";
import type { ClusterAccess, SharedTable } from "../../src/driverapi/index.ts";
import { conflict, errorKind, unavailable } from "../../src/util/errors.ts";
import { shortId } from "../../src/util/ids.ts";
import type { SharedTables, VniOwner } from "./shared.ts";

/** Docker's: lower ones are left to those who choose for themselves. */
const chosenRange = { first: 4096, last: 0xff_ffff } as const;

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
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
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
  const network = tables.networks.get(networkId);
  if (!network) return;
  const owned = network.value.vnis.flatMap((vni) => tables.vnis.get(String(vni)) ?? []);
  await cluster.commit((transaction) => {
    transaction.delete(tables.networks, networkId);
    for (const entry of owned)
      if (entry.value.networkId === networkId) transaction.delete(tables.vnis, entry.key);
  });
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
