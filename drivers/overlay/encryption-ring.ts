// The ring of secrets in the cluster's store, and each host's life as a sender: made by whoever needs them first, by compare
// and swap. Secrets are in this table and nowhere else.

import { randomBytes } from "node:crypto";
import type { ClusterAccess, SharedTable } from "../../src/driverapi/index.ts";
import { errorKind, unavailable } from "../../src/util/errors.ts";
import { type KeyRing, largestSlot, type RingKey, type Sender, type SenderLife } from "./encryption-keys.ts";

/** Records of three kinds, told by their keys. */
export type KeyRecord = KeyRing | Sender | { readonly node: string };
export type KeyTable = SharedTable<KeyRecord>;

export const tableName = "overlay-keys";
const ringKey = "ring";
const senderKey = (node: string) => `sender/${node}`;
const slotKey = (slot: number) => `slot/${slot}`;

/** As the others' watches need it to be. */
export const rotationMs = 12 * 60 * 60 * 1000;
/** Between two rotations at the least, whatever clocks say: all have heard of the next key by then. */
export const leastPauseMs = 60_000;
const mostAttempts = 20;

/** What chance and time are, for tests. */
export interface Surroundings {
  readonly random: (bytes: number) => Buffer;
  /** The clock, in milliseconds. */
  readonly now: () => number;
}

export const surroundings: Surroundings = { random: randomBytes, now: Date.now };

export function ringIn(table: KeyTable): KeyRing | undefined {
  return table.get(ringKey)?.value as KeyRing | undefined;
}

export function senderIn(table: KeyTable, node: string): Sender | undefined {
  return table.get(senderKey(node))?.value as Sender | undefined;
}

/** The ring that there is, or a new one. @throws unavailable */
export async function needRing(table: KeyTable, { random, now }: Surroundings): Promise<KeyRing> {
  const known = ringIn(table);
  if (known) return known;
  const ring = { current: newKey(1, random), next: newKey(2, random), rotatedAt: now() };
  try {
    await table.create(ringKey, ring);
    return ring;
  } catch (error) {
    const other = ringIn(table);
    if (errorKind(error) === "conflict" && other) return other;
    throw error;
  }
}

/** Every key moves up by one. Somebody else's rotation meanwhile is as good. @throws unavailable */
export async function rotate(table: KeyTable, { random, now }: Surroundings): Promise<void> {
  const entry = table.get(ringKey);
  if (!entry) return;
  const { current, next } = entry.value as KeyRing;
  const ring: KeyRing = {
    current: next,
    next: newKey(next.id + 1, random),
    previous: current,
    rotatedAt: now(),
  };
  try {
    await table.replace(entry, ring);
  } catch (error) {
    if (errorKind(error) !== "conflict") throw error;
  }
}

/**
 * In how many milliseconds to rotate a ring that was first seen just now. A clock that is behind waits for a whole period;
 * one that is ahead rotates too soon, once.
 */
export function rotationDelay(
  { rotatedAt }: Pick<KeyRing, "rotatedAt">,
  now: number,
  periodMs = rotationMs,
): number {
  const age = Math.max(0, now - rotatedAt);
  return Math.max(Math.min(leastPauseMs, periodMs), periodMs - age);
}

/** A new life for this host as a sender: no key of an earlier one is used for sending any more. @throws unavailable */
export async function beginLife(
  cluster: Pick<ClusterAccess, "self" | "commit">,
  table: KeyTable,
  { random }: Surroundings,
): Promise<Sender> {
  const { id } = cluster.self;
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const entry = table.get(senderKey(id));
    const before = entry?.value as Sender | undefined;
    const life: SenderLife = { epoch: (before?.life.epoch ?? 0) + 1, nonce: random(16).toString("hex") };
    const sender: Sender = before
      ? { slot: before.slot, life, former: before.life }
      : { slot: freeSlot(table), life };
    try {
      await cluster.commit((transaction) => {
        if (entry) return transaction.replace(table, entry, sender);
        transaction.create(table, slotKey(sender.slot), { node: id });
        transaction.create(table, senderKey(id), sender);
      });
      return sender;
    } catch (error) {
      if (errorKind(error) !== "conflict") throw error;
    }
  }
  throw unavailable("begin to send to encrypted networks: others are always quicker");
}

/** Takes hosts that are no more off the table. @throws unavailable */
export async function forgetSenders(
  cluster: Pick<ClusterAccess, "commit">,
  table: KeyTable,
  isKnown: (node: string) => boolean,
): Promise<void> {
  const prefix = senderKey("");
  const gone = [...table.entries(prefix)].filter(({ key }) => !isKnown(key.slice(prefix.length)));
  for (const { key, value } of gone)
    await cluster.commit((transaction) => {
      transaction.delete(table, key);
      transaction.delete(table, slotKey((value as Sender).slot));
    });
}

function freeSlot(table: KeyTable): number {
  for (let slot = 1; slot <= largestSlot; slot++) if (!table.get(slotKey(slot))) return slot;
  throw unavailable("begin to send to encrypted networks: there are too many hosts");
}

function newKey(id: number, random: Surroundings["random"]): RingKey {
  return { id, secret: random(32).toString("base64") };
}
