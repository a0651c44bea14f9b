// How a host comes to more addresses of a pool: a block that is nobody's, one of a host that is gone, and when there is
// none, what others can spare.

import type { Entry } from "../../src/driverapi/index.ts";
import { notFound } from "../../src/util/errors.ts";
import { ask } from "./ask.ts";
import { blockKey, blockStart, offsetsWithin, startOfKey } from "./geometry.ts";
import { aside, catchUp, isAgreed, mostTries, type Parts } from "./parts.ts";
import type { Pool } from "./pool.ts";
import { type BlockRecord, blockRecord } from "./records.ts";

/** Among how many free blocks hosts choose that were in each other's way. */
const mostChoices = 16;

/** Looks for more addresses; those who ask meanwhile wait for the same. False: there are none. @throws unavailable */
export function grow(parts: Parts, pool: Pool): Promise<boolean> {
  pool.growing ??= findMore(parts, pool).finally(() => {
    pool.growing = undefined;
  });
  return pool.growing;
}

/** When few addresses are left here, more are fetched before anybody needs them. */
export function growAhead(parts: Parts, pool: Pool): void {
  const low = Math.max(1, Math.floor(pool.geometry.blockSize / 4));
  if (pool.growing || pool.growingAhead || pool.free >= low || !parts.standing.hasLease) return;
  pool.growingAhead = claimBlock(parts, pool).finally(() => {
    pool.growingAhead = undefined;
  });
  const { growingAhead } = pool;
  aside(parts, "fetch addresses ahead", () => growingAhead);
}

async function findMore(parts: Parts, pool: Pool): Promise<boolean> {
  if (await pool.growingAhead) return true;
  return (await claimBlock(parts, pool)) || (await reclaim(parts, pool)) || (await borrow(parts, pool));
}

/** A block without owner: the lowest, or another one where hosts are in each other's way. */
async function claimBlock(parts: Parts, pool: Pool): Promise<boolean> {
  const { cluster, tables, self } = parts;
  for (let tries = 0; tries < mostTries; tries++) {
    const record = parts.pools.recordOf(pool);
    if (!record) throw notFound(`address pool ${pool.id} is not on record in the cluster any more`);
    const choices = freeBlocks(pool);
    const key = choices[tries === 0 ? 0 : Math.floor(parts.random() * choices.length)];
    if (key === undefined) return false;
    const entry = tables.blocks.get(key);
    const write = cluster.commit((it) => {
      it.require(tables.pools, record);
      const taken = withoutSelf(entry?.value.taken ?? {}, self);
      const next = blockRecord(self, { owner: self, taken });
      if (entry) it.replace(tables.blocks, entry, next);
      else it.create(tables.blocks, key, next);
    });
    if (await isAgreed(write)) return true;
  }
  return false;
}

/** A block of a host that has been gone for so long that it counts on it no more. */
async function reclaim(parts: Parts, pool: Pool): Promise<boolean> {
  const isWorthIt = (entry: Entry<BlockRecord>) => withoutGone(parts, entry.value) !== undefined;
  if (![...pool.records()].some(isWorthIt)) return false;
  // what is known here of the living may be old
  await catchUp(parts);
  for (const entry of pool.records()) {
    const left = withoutGone(parts, entry.value);
    if (!left || !hasRoom(pool, { key: entry.key, record: left })) continue;
    const { tables, self } = parts;
    const next = blockRecord(self, { owner: self, taken: withoutSelf(left.taken, self) });
    if (!(await isAgreed(tables.blocks.replace(entry, next)))) continue;
    parts.log.info(
      { block: entry.key, from: entry.value.owner },
      "took over addresses of a host that is gone",
    );
    return true;
  }
  return false;
}

/** Without what hosts had that are gone; undefined when there is nothing of that kind, or another host's to decide. */
function withoutGone({ standing, self }: Parts, record: BlockRecord): BlockRecord | undefined {
  const kept = Object.entries(record.taken).filter(([, taker]) => !standing.isGone(taker));
  const isOwnerGone = standing.isGone(record.owner);
  const isOwn = record.owner === self;
  if (!isOwnerGone && !(isOwn && kept.length < Object.keys(record.taken).length)) return undefined;
  return { ...record, taken: Object.fromEntries(kept) };
}

/** What living hosts own and do not use, those first that are thought to have most. */
async function borrow(parts: Parts, pool: Pool): Promise<boolean> {
  const { cluster, self, tables } = parts;
  const owners = new Set(
    [...pool.records()].filter((entry) => hasRoom(pool, entryFacts(entry))).map(({ value }) => value.owner),
  );
  const others = [...owners].filter((owner) => owner !== self && owner !== "" && cluster.isAlive(owner));
  const idleOf = (owner: string) => tables.usage.get(`${pool.uid}/${owner}`)?.value.idle ?? 1;
  for (const owner of others.toSorted((a, b) => idleOf(b) - idleOf(a))) {
    const heard = await ask(parts, owner, { pool, count: Math.max(1, pool.waiting) });
    if (heard.kind === "granted") return true;
    if (heard.kind === "silent") parts.log.debug({ host: owner }, "a host does not answer for its addresses");
  }
  return false;
}

/** Keys of blocks without owner that have an address to give; the lowest ones. */
function freeBlocks(pool: Pool): string[] {
  const { geometry, uid } = pool;
  const { dynamic, blockSize } = geometry;
  if (!dynamic) return [];
  const found: string[] = [];
  const step = BigInt(blockSize);
  let next = blockStart(geometry, dynamic.first);
  const addUpTo = (end: bigint) => {
    for (; next < end && next <= dynamic.last && found.length < mostChoices; next += step)
      found.push(blockKey(uid, geometry, next));
  };
  for (const entry of pool.records()) {
    const start = startOfKey(entry.key);
    if (start < next) continue;
    addUpTo(start);
    if (start > dynamic.last || found.length >= mostChoices) return found;
    if (entry.value.owner === "" && hasRoom(pool, entryFacts(entry))) found.push(entry.key);
    next = start + step;
  }
  addUpTo(dynamic.last + 1n);
  return found;
}

function entryFacts({ key, value }: Entry<BlockRecord>) {
  return { key, record: value };
}

/** Whether some address of a block that requests without an address may get is the owner's to give. */
function hasRoom(
  pool: Pool,
  { key, record }: { readonly key: string; readonly record: BlockRecord },
): boolean {
  const within = offsetsWithin(pool.geometry, startOfKey(key), pool.geometry.dynamic);
  if (!within) return false;
  for (let offset = within.first; offset <= within.last; offset++)
    if (record.taken[offset] === undefined) return true;
  return false;
}

/** Addresses of a block that its owner holds are not on record one by one. */
function withoutSelf(taken: BlockRecord["taken"], self: string): BlockRecord["taken"] {
  return Object.fromEntries(Object.entries(taken).filter(([, taker]) => taker !== self));
}
