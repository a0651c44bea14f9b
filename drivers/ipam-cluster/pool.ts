// One pool as this host sees it: the blocks that concern it, and which address is next. Nothing in here waits.

import type { Entry, SharedTable } from "../../src/driverapi/index.ts";
import { type Address, formatPrefix, type Prefix, parsePrefix } from "../../src/netip/index.ts";
import { Block, type Holder } from "./block.ts";
import { blockKey, blockStart, type Geometry, geometryOf, startOfKey } from "./geometry.ts";
import type { BlockRecord } from "./records.ts";

/** What a pool is called outside; every host calls it so. */
export function poolIdOf({ uid, subnet }: { readonly uid: string; readonly subnet: Prefix }): string {
  return `${uid} ${formatPrefix(subnet)}`;
}

/** The parts of a pool's id; undefined when it is none of ours. */
export function parsePoolId(poolId: string): { readonly uid: string; readonly subnet: Prefix } | undefined {
  const [uid = "", text = ""] = poolId.split(" ");
  const subnet = parsePrefix(text);
  return subnet && { uid, subnet };
}

export interface PoolFacts {
  readonly uid: string;
  readonly subnet: Prefix;
  readonly range?: Prefix;
}

/** An address in its block. */
export interface Spot {
  readonly block: Block;
  readonly offset: number;
}

/** Kept by the driver as long as the pool is on record or something here holds an address of it. */
export class Pool {
  readonly id: string;
  readonly uid: string;
  readonly geometry: Geometry;
  /** Requests that wait for more addresses. */
  waiting = 0;
  /** The search for more that is under way. */
  growing: Promise<boolean> | undefined;
  /** The search for a block before it is needed. */
  growingAhead: Promise<boolean> | undefined;
  /** When the last address here was released; undefined while some are in use. */
  idleSinceMs: number | undefined;
  readonly #table: SharedTable<BlockRecord>;
  readonly #self: string;
  readonly #blocks = new Map<string, Block>();
  #sorted: readonly Block[] | undefined;
  /** Where the search goes on, so that an address that was released rests. */
  #cursor = 0n;

  constructor(
    facts: PoolFacts,
    surroundings: { readonly blocks: SharedTable<BlockRecord>; readonly self: string },
  ) {
    this.id = poolIdOf(facts);
    this.uid = facts.uid;
    this.geometry = geometryOf(facts.subnet, facts.range);
    this.#table = surroundings.blocks;
    this.#self = surroundings.self;
    for (const { key } of this.records()) this.follow(key);
  }

  /** Every block of it that is on record, in order. */
  records(): Iterable<Entry<BlockRecord>> {
    return this.#table.entries(`${this.uid}/`);
  }

  /** Blocks that are this host's, of which it has addresses, or of which some are in use here; in order. */
  blocks(): readonly Block[] {
    this.#sorted ??= [...this.#blocks.values()].toSorted((a, b) => (a.start < b.start ? -1 : 1));
    return this.#sorted;
  }

  spot(value: bigint): Spot {
    const start = blockStart(this.geometry, value);
    return { block: this.#blockAt(start), offset: Number(value - start) };
  }

  /** A block's record has changed. */
  follow(key: string): void {
    const record = this.#table.get(key)?.value;
    const concerns =
      record && (record.owner === this.#self || Object.values(record.taken).includes(this.#self));
    if (concerns) this.#blockAt(startOfKey(key));
    else if (this.#blocks.get(key)?.isIdle) this.#drop(key);
  }

  /** Takes the next address that is free here; undefined: none is. */
  takeNext(holder: Holder): bigint | undefined {
    const blocks = this.blocks().filter((block) => block.free().length > 0);
    const found = this.#nextIn(blocks, this.#cursor) ?? this.#nextIn(blocks, 0n);
    if (!found) return undefined;
    found.block.hold(found.offset, holder);
    const value = found.block.start + BigInt(found.offset);
    this.#cursor = value + 1n;
    return value;
  }

  /** How many addresses `takeNext` could give. */
  get free(): number {
    return this.blocks().reduce((sum, block) => sum + block.free().length, 0);
  }

  /** How many are in use here. */
  get inUse(): number {
    return this.blocks().reduce((sum, block) => sum + block.held.size, 0);
  }

  /** Addresses in use here. */
  *held(): Generator<Spot & { readonly value: bigint; readonly holder: Holder }> {
    for (const block of this.blocks())
      for (const [offset, holder] of block.held)
        yield { block, offset, holder, value: block.start + BigInt(offset) };
  }

  #blockAt(start: bigint): Block {
    const key = blockKey(this.uid, this.geometry, start);
    const found = this.#blocks.get(key);
    if (found) return found;
    const read = () => this.#table.get(key);
    const block = new Block({ key, start, geometry: this.geometry, self: this.#self, read });
    this.#blocks.set(key, block);
    this.#sorted = undefined;
    return block;
  }

  #drop(key: string): void {
    this.#blocks.delete(key);
    this.#sorted = undefined;
  }

  #nextIn(blocks: readonly Block[], from: bigint): Spot | undefined {
    for (const block of blocks) {
      const offset = block.free().find((one) => block.start + BigInt(one) >= from);
      if (offset !== undefined) return { block, offset };
    }
    return undefined;
  }
}

/** Whether anybody may have the address. */
export function isUsable({ geometry }: Pool, { family, value }: Address): boolean {
  const { first, last } = geometry.usable;
  return family === geometry.family && value >= first && value <= last;
}
