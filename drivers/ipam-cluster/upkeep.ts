// What a host does with its addresses when nobody asks: it makes sure of them after it was away, gives back what it does
// not need, and lets the others know how many it uses.

import { type Address, formatAddress } from "../../src/netip/index.ts";
import { errorKind, errorMessage } from "../../src/util/errors.ts";
import type { Block } from "./block.ts";
import { retakeNamed } from "./named-address.ts";
import { catchUp, isAgreed, mostTries, type Parts } from "./parts.ts";
import type { Pool, Spot } from "./pool.ts";
import { type BlockRecord, blockRecord } from "./records.ts";

/** Writes per transaction; the store takes 128. */
const mostAtOnce = 100;

/** How many addresses are asked for at a time. */
const mostQuestions = 8;

/**
 * Writes everything anew that this host has: whoever was about to take it must look again, and what was taken is known
 * when this resolves. Then the host may hand out what is left. @throws unavailable
 */
export async function renew(parts: Parts): Promise<void> {
  for (let tries = 0; tries < mostTries; tries++) {
    if (!(await isRenewed(parts))) continue;
    parts.standing.trust();
    return;
  }
}

/** Compares what is in use here with the records. An address that became another's is lost; one that nobody has is taken again. */
export async function audit(parts: Parts, pool: Pool): Promise<void> {
  const doubtful = [...pool.held()].filter(({ block, offset }) => !block.isMine(offset));
  for (let at = 0; at < doubtful.length; at += mostQuestions)
    await Promise.all(doubtful.slice(at, at + mostQuestions).map((held) => auditOne(parts, pool, held)));
  if (!parts.pools.recordOf(pool)) parts.pools.removed(pool.uid);
}

/** Gives back single addresses that are not in use, and blocks beyond what is needed. @throws unavailable */
export async function tidy(parts: Parts, pool: Pool): Promise<void> {
  const now = parts.clock.now();
  pool.idleSinceMs = pool.inUse > 0 ? undefined : (pool.idleSinceMs ?? now);
  for (const block of pool.blocks()) {
    if (pool.growing || pool.growingAhead || pool.waiting > 0) return;
    if (block.isOwn) {
      if (isSpare(parts, pool, block)) await giveBack(parts, { block, offsets: block.allOffsets() });
    } else {
      const idle = block.singles().filter((offset) => block.isFree(offset));
      if (idle.length > 0) await giveBack(parts, { block, offsets: idle });
    }
    pool.follow(block.key);
  }
}

async function auditOne(
  parts: Parts,
  pool: Pool,
  { value, block, offset }: Spot & { readonly value: bigint },
): Promise<void> {
  const address = { family: pool.geometry.family, value };
  const reason = await reasonOfLoss(parts, pool, address);
  // it may have come back while others were asked
  if (reason === undefined || !block.held.has(offset) || block.isMine(offset)) return;
  block.release(offset);
  parts.log.warn({ address: formatAddress(address), reason }, "an address in use here is another's now");
  parts.lost({ poolId: pool.id, address, reason });
}

async function isRenewed({ cluster, tables, self }: Parts): Promise<boolean> {
  const own = [...tables.blocks.entries()].filter(
    ({ value }) => value.owner === self || Object.values(value.taken).includes(self),
  );
  for (let at = 0; at < own.length; at += mostAtOnce) {
    const write = cluster.commit((it) => {
      for (const entry of own.slice(at, at + mostAtOnce))
        it.replace(tables.blocks, entry, blockRecord(self, entry.value));
    });
    if (!(await isAgreed(write))) return false;
  }
  await catchUp({ tables, self });
  return own.every(({ key }) => tables.blocks.get(key)?.value.writtenBy === self);
}

/** Undefined: it is this host's, or that cannot be told now. */
async function reasonOfLoss(parts: Parts, pool: Pool, address: Address): Promise<string | undefined> {
  if (!parts.pools.recordOf(pool)) return "its network is gone";
  try {
    await retakeNamed(parts, pool, address);
    return undefined;
  } catch (error) {
    return errorKind(error) === "forbidden" ? errorMessage(error) : undefined;
  }
}

/** A block that nothing here uses and that will not be missed at once. */
function isSpare({ clock, idleMs }: Parts, pool: Pool, block: Block): boolean {
  if (!block.isIdle) return false;
  if (pool.idleSinceMs !== undefined) return clock.now() - pool.idleSinceMs >= idleMs;
  return pool.free - block.free().length >= pool.geometry.blockSize / 2;
}

async function giveBack(
  { cluster, tables, self }: Parts,
  { block, offsets }: { readonly block: Spot["block"]; readonly offsets: readonly number[] },
): Promise<void> {
  const { entry } = block;
  if (!entry) return;
  const owner = block.isOwn ? "" : entry.value.owner;
  const taken = withoutOffsets(entry.value.taken, { offsets, self });
  const undo = block.giveAway(offsets);
  await isAgreed(
    cluster.commit((it) => {
      if (owner === "" && Object.keys(taken).length === 0) it.remove(tables.blocks, entry);
      else it.replace(tables.blocks, entry, blockRecord(self, { owner, taken }));
    }),
  );
  undo();
}

function withoutOffsets(
  taken: BlockRecord["taken"],
  { offsets, self }: { readonly offsets: readonly number[]; readonly self: string },
): BlockRecord["taken"] {
  const isKept = ([offset, taker]: [string, string]) => taker !== self || !offsets.includes(Number(offset));
  return Object.fromEntries(Object.entries(taken).filter(isKept));
}
