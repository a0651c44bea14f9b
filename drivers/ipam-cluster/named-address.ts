// An address that is asked for by name: taken by compare-and-swap on its block's record, or asked of the block's owner.

import { type Address, formatAddress } from "../../src/netip/index.ts";
import { forbidden, unavailable } from "../../src/util/errors.ts";
import { takerWords } from "./answer.ts";
import { ask } from "./ask.ts";
import type { Holder } from "./block.ts";
import { catchUp, hostName, isAgreed, mostTries, type Parts } from "./parts.ts";
import type { Pool, Spot } from "./pool.ts";
import { blockRecord, everyHost, withTaken } from "./records.ts";

interface Wanted extends Spot {
  readonly pool: Pool;
  readonly address: Address;
}

/** Takes this address for this host. @throws forbidden when it is in use, and says where; unavailable */
export async function takeNamed(parts: Parts, pool: Pool, address: Address, holder: Holder): Promise<void> {
  await withNamed(parts, { pool, address }, async ({ block, offset }) => block.hold(offset, holder));
}

/** Takes this address for the network itself: gateway and auxiliary addresses. @throws as `takeNamed` */
export async function reserveNamed(parts: Parts, pool: Pool, address: Address): Promise<void> {
  await withNamed(parts, { pool, address }, (wanted) => setTaker(parts, wanted, everyHost));
}

/**
 * Makes an address this host's again that is in use here although the record says otherwise.
 *
 * @throws forbidden when it is another's for good; unavailable when that cannot be told now
 */
export async function retakeNamed(parts: Parts, pool: Pool, address: Address): Promise<void> {
  await makeMine(parts, { ...pool.spot(address.value), pool, address });
}

/** Gives up an address of the network itself. One that is not is left alone. @throws unavailable */
export async function freeReserved(parts: Parts, pool: Pool, address: Address): Promise<void> {
  const spot = pool.spot(address.value);
  if (spot.block.entry?.value.taken[spot.offset] === everyHost)
    await setTaker(parts, { ...spot, pool, address }, undefined, everyHost);
  pool.follow(spot.block.key);
}

/** Calls back as soon as the address is this host's to dispose of. */
async function withNamed(
  parts: Parts,
  { pool, address }: Pick<Wanted, "pool" | "address">,
  dispose: (wanted: Wanted) => Promise<unknown>,
): Promise<void> {
  const spot = pool.spot(address.value);
  const wanted = { ...spot, pool, address };
  checkHere(wanted);
  const end = spot.block.expect(spot.offset);
  try {
    await makeMine(parts, wanted);
    await dispose(wanted);
  } finally {
    end();
    pool.follow(spot.block.key);
  }
}

async function makeMine(parts: Parts, wanted: Wanted): Promise<void> {
  const { block, offset } = wanted;
  for (let tries = 0; tries < mostTries; tries++) {
    if (block.isMine(offset)) {
      if (!block.isLeaving(offset)) return;
      throw inUse(wanted, "another host gets it");
    }
    if (await tryToTake(parts, wanted)) return;
  }
  throw unavailable(`lease ${formatAddress(wanted.address)}: other hosts change its block all the time`);
}

/** True when it is this host's now; false: look again. */
async function tryToTake(parts: Parts, wanted: Wanted): Promise<boolean> {
  const { cluster, standing } = parts;
  const record = wanted.block.entry?.value;
  const taker = record?.taken[wanted.offset];
  const owner = record?.owner ?? "";
  const holder = taker ?? owner;
  if (holder !== "" && holder !== everyHost && standing.isGone(holder)) {
    // what is known here of the living may be old
    await catchUp(parts);
    const isSame = wanted.block.entry?.value === record;
    return isSame && standing.isGone(holder) && (await takeFromRecord(parts, wanted));
  }
  if (taker !== undefined) throw inUse(wanted, takerWords(parts, taker));
  if (owner === "") return await takeFromRecord(parts, wanted);
  if (!cluster.isAlive(owner))
    throw outOfReach(wanted, `${hostName(parts, owner)}, which is away: what it has is kept for a while`);
  return await askOwner(parts, wanted, owner);
}

async function takeFromRecord(parts: Parts, wanted: Wanted): Promise<boolean> {
  const { block, offset } = wanted;
  const owner = block.entry?.value.owner ?? "";
  const { cluster, tables, self, standing } = parts;
  if (owner === self) return await setTaker(parts, wanted, undefined);
  const { entry } = block;
  const pool = parts.pools.recordOf(wanted.pool);
  if (!pool) throw unavailable(`address pool ${wanted.pool.id} is not on record in the cluster any more`);
  const kept = standing.isGone(owner) ? "" : owner;
  const record = blockRecord(self, { owner: kept, taken: withTaken(entry?.value.taken ?? {}, offset, self) });
  return await isAgreed(
    cluster.commit((it) => {
      it.require(tables.pools, pool);
      if (entry) it.replace(tables.blocks, entry, record);
      else it.create(tables.blocks, block.key, record);
    }),
  );
}

async function askOwner(parts: Parts, wanted: Wanted, owner: string): Promise<boolean> {
  const { pool, address } = wanted;
  const heard = await ask(parts, owner, { pool, address, count: 1 });
  if (heard.kind === "granted") return true;
  if (heard.kind === "refused") throw inUse(wanted, heard.reason);
  if (heard.kind === "none") return false;
  throw outOfReach(wanted, `${hostName(parts, owner)}, which does not answer`);
}

/** Writes whose an address is, whatever else changes in its block. */
async function setTaker(
  { tables, self }: Parts,
  { block, offset, address }: Wanted,
  taker: string | undefined,
  from?: string,
): Promise<true> {
  for (let tries = 0; tries < mostTries; tries++) {
    const { entry } = block;
    if (!entry || (from !== undefined && entry.value.taken[offset] !== from)) return true;
    const { owner } = entry.value;
    const taken = withTaken(entry.value.taken, offset, taker);
    // stays when no answer comes: it may be the network's then
    const undo = block.giveAway([offset]);
    const isWritten = await isAgreed(tables.blocks.replace(entry, blockRecord(self, { owner, taken })));
    undo();
    if (isWritten) return true;
  }
  throw unavailable(`lease ${formatAddress(address)}: other hosts change its block all the time`);
}

function checkHere(wanted: Wanted): void {
  const { block, offset } = wanted;
  const holder = block.held.get(offset);
  if (holder) throw inUse(wanted, `${holder.name ?? "a container"} on this host has it`);
  if (block.isPending(offset)) throw inUse(wanted, "a container on this host gets it");
}

function outOfReach({ address }: Wanted, who: string): Error {
  return unavailable(`lease ${formatAddress(address)}: it is in a block of ${who}`);
}

function inUse({ address }: Wanted, why: string): Error {
  return forbidden(`Address already in use: ${formatAddress(address)}: ${why}`);
}
