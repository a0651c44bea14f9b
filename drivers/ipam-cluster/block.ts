// One block of addresses as this host sees it: what the record says, and what is done with it here. Nothing in here
// waits.

import type { Entry } from "../../src/driverapi/index.ts";
import { type Geometry, offsetsWithin } from "./geometry.ts";
import type { BlockRecord } from "./records.ts";

export interface BlockPlace {
  readonly key: string;
  /** Its first address. */
  readonly start: bigint;
  readonly geometry: Geometry;
  readonly self: string;
  /** The record as this host's copy has it now. */
  readonly read: () => Entry<BlockRecord> | undefined;
}

/** Whose an address is here; the name is for messages. */
export interface Holder {
  readonly name: string | undefined;
}

/** Kept by its pool. */
export class Block {
  readonly key: string;
  readonly start: bigint;
  /** By offset: addresses in use here. */
  readonly held = new Map<number, Holder>();
  readonly #place: BlockPlace;
  readonly #dynamic: { readonly first: number; readonly last: number } | undefined;
  /** By offset: addresses that a request is about to get. */
  readonly #pending = new Set<number>();
  /** By offset: addresses on their way to another host, and the record's revision when they went. */
  readonly #leaving = new Map<number, number>();
  #free: { readonly entry: Entry<BlockRecord> | undefined; readonly offsets: readonly number[] } | undefined;

  constructor(place: BlockPlace) {
    this.#place = place;
    this.key = place.key;
    this.start = place.start;
    this.#dynamic = offsetsWithin(place.geometry, place.start, place.geometry.dynamic);
  }

  get entry(): Entry<BlockRecord> | undefined {
    return this.#place.read();
  }

  get isOwn(): boolean {
    return this.entry?.value.owner === this.#place.self;
  }

  /** Whether the record says that the address is this host's, in use or not. */
  isMine(offset: number): boolean {
    const record = this.entry?.value;
    const taker = record?.taken[offset];
    return (taker ?? record?.owner) === this.#place.self;
  }

  /** Whether a request may have the address now, without asking anybody. */
  isFree(offset: number): boolean {
    return (
      this.isMine(offset) && !this.held.has(offset) && !this.#pending.has(offset) && !this.isLeaving(offset)
    );
  }

  /** A write that gives it away may have happened: only a newer record tells. */
  isLeaving(offset: number): boolean {
    const since = this.#leaving.get(offset);
    return since !== undefined && since === (this.entry?.revision ?? 0);
  }

  /** Offsets that requests without an address may have now. */
  free(): readonly number[] {
    const { entry } = this;
    if (this.#free?.entry !== entry || !this.#free) this.#free = { entry, offsets: this.#findFree() };
    return this.#free.offsets;
  }

  /** Offsets that the record says are this host's although another owns the block. */
  singles(): number[] {
    const { self } = this.#place;
    return Object.entries(this.entry?.value.taken ?? {}).flatMap(([offset, host]) =>
      host === self ? [Number(offset)] : [],
    );
  }

  /** Nothing here uses it, waits for it or gives it away. */
  get isIdle(): boolean {
    const offsets = [...this.#leaving.keys()];
    return this.held.size === 0 && this.#pending.size === 0 && !offsets.some((at) => this.isLeaving(at));
  }

  isPending(offset: number): boolean {
    return this.#pending.has(offset);
  }

  hold(offset: number, holder: Holder): void {
    this.held.set(offset, holder);
    this.#free = undefined;
  }

  release(offset: number): void {
    this.held.delete(offset);
    this.#free = undefined;
  }

  /** Keeps an address for a request that still has to agree with others; the answer ends that. */
  expect(offset: number): () => void {
    this.#pending.add(offset);
    this.#free = undefined;
    return () => {
      this.#pending.delete(offset);
      this.#free = undefined;
    };
  }

  /**
   * Hands nothing of these out while a write is under way that gives them to others. It need not be ended: the record
   * that comes of it does.
   */
  giveAway(offsets: readonly number[]): () => void {
    const revision = this.entry?.revision ?? 0;
    for (const offset of offsets) this.#leaving.set(offset, revision);
    this.#free = undefined;
    return () => {
      for (const offset of offsets) this.#leaving.delete(offset);
      this.#free = undefined;
    };
  }

  /** Every offset, also of addresses that nobody may have. */
  allOffsets(): number[] {
    return Array.from({ length: this.#place.geometry.blockSize }, (_, offset) => offset);
  }

  #findFree(): number[] {
    if (!this.#dynamic) return [];
    const { first, last } = this.#dynamic;
    const offsets: number[] = [];
    for (let offset = first; offset <= last; offset++) if (this.isFree(offset)) offsets.push(offset);
    return offsets;
  }
}
