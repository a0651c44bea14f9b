// The owner's side of a question: what it can spare leaves its block's record in the same transaction that answers.

import type { Entry } from "../../src/driverapi/index.ts";
import { parseAddress } from "../../src/netip/index.ts";
import type { Block } from "./block.ts";
import { hostName, isAgreed, mostTries, type Parts } from "./parts.ts";
import type { Pool } from "./pool.ts";
import {
  type Answer,
  type AskRecord,
  type BlockRecord,
  blockRecord,
  everyHost,
  withTaken,
} from "./records.ts";

/** Addresses that become the asking host's, and the block's record then. */
interface Gift {
  readonly kind: "gift";
  readonly block: Block;
  readonly offsets: readonly number[];
  readonly record: BlockRecord;
}

/** Answers a question that is addressed to this host. One that was withdrawn needs none. @throws unavailable */
export async function answerQuestion(parts: Parts, key: string): Promise<void> {
  const { cluster, tables } = parts;
  for (let tries = 0; tries < mostTries; tries++) {
    const entry = tables.asks.get(key);
    if (!entry || entry.value.answer || !parts.standing.isTrusted) return;
    const gift = findGift(parts, entry.value);
    const isDone =
      gift.kind === "gift"
        ? await give(parts, entry, gift)
        : await isAgreed(
            cluster.commit((it) => it.replace(tables.asks, entry, { ...entry.value, answer: gift })),
          );
    if (isDone) return;
  }
}

/** False when a record had changed. */
async function give(
  { cluster, tables }: Parts,
  ask: Entry<AskRecord>,
  { block, offsets, record }: Gift,
): Promise<boolean> {
  const { entry } = block;
  if (!entry) return false;
  // stays when the answer is lost: then only the record's next revision tells whether they are another's
  const undo = block.giveAway(offsets);
  const answer: Answer = { kind: "granted", block: block.key };
  const isDone = await isAgreed(
    cluster.commit((it) => {
      it.replace(tables.blocks, entry, record);
      it.replace(tables.asks, ask, { ...ask.value, answer });
    }),
  );
  undo();
  return isDone;
}

function findGift(parts: Parts, question: AskRecord): Gift | Answer {
  const pool = parts.pools.get(question.pool);
  if (!pool) return { kind: "none" };
  const address = question.address === undefined ? undefined : parseAddress(question.address);
  return address
    ? findAddress(parts, { pool, value: address.value }, question)
    : findSpare(parts, pool, question);
}

function findAddress(
  parts: Parts,
  { pool, value }: { readonly pool: Pool; readonly value: bigint },
  { by }: AskRecord,
): Gift | Answer {
  const { block, offset } = pool.spot(value);
  const record = block.entry?.value;
  if (!record || !block.isOwn || block.isLeaving(offset)) return { kind: "none" };
  const taker = record.taken[offset];
  if (taker !== undefined) return { kind: "refused", reason: takerWords(parts, taker) };
  const holder = block.held.get(offset);
  const here = hostName(parts, parts.self);
  if (holder) return { kind: "refused", reason: `${holder.name ?? "a container"} on ${here} has it` };
  if (block.isPending(offset)) return { kind: "refused", reason: `a container on ${here} gets it` };
  return single(parts, { block, record, offsets: [offset], by });
}

/** The whole of a block that nothing here needs, or a part of what is free. */
function findSpare(parts: Parts, pool: Pool, { by, count }: AskRecord): Gift | Answer {
  const own = pool.blocks().filter((block) => block.isOwn && block.free().length > 0);
  const [best] = own.toSorted((a, b) => b.free().length - a.free().length);
  const record = best?.entry?.value;
  if (!best || !record) return { kind: "none" };
  const free = best.free();
  const isSpare = best.isIdle && (pool.inUse === 0 || pool.free > free.length);
  if (isSpare) return whole(parts, { block: best, record, by });
  const most = Math.min(count, Math.ceil(free.length / 2));
  return single(parts, { block: best, record, offsets: free.slice(-most), by });
}

interface Giving {
  readonly block: Block;
  readonly record: BlockRecord;
  readonly by: string;
}

function single({ self }: Parts, { block, record, offsets, by }: Giving & Pick<Gift, "offsets">): Gift {
  const taken = offsets.reduce((all, offset) => withTaken(all, offset, by), record.taken);
  return { kind: "gift", block, offsets, record: blockRecord(self, { owner: record.owner, taken }) };
}

function whole({ self }: Parts, { block, record, by }: Giving): Gift {
  const others = Object.entries(record.taken).filter(([, taker]) => taker !== by);
  const taken = Object.fromEntries(others);
  return {
    kind: "gift",
    block,
    offsets: block.allOffsets(),
    record: blockRecord(self, { owner: by, taken }),
  };
}

/** Why nobody else can have an address. */
export function takerWords(parts: Pick<Parts, "cluster">, taker: string): string {
  return taker === everyHost ? "it is the network's own" : `a container on ${hostName(parts, taker)} has it`;
}
