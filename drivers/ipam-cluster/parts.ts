// What the pieces of the driver share. Built once, handed down.

import type { AddressLoss, ClusterAccess } from "../../src/driverapi/index.ts";
import { errorKind, errorMessage } from "../../src/util/errors.ts";
import type { Log } from "../../src/util/log.ts";
import type { Clock } from "./clock.ts";
import type { KnownPools } from "./known-pools.ts";
import type { Answer, Tables } from "./records.ts";
import type { Standing } from "./standing.ts";

export interface Parts {
  readonly cluster: ClusterAccess;
  /** This host's id. */
  readonly self: string;
  readonly tables: Tables;
  readonly clock: Clock;
  readonly standing: Standing;
  readonly pools: KnownPools;
  /** Who waits for an answer, by the key of what was asked. */
  readonly answers: Map<string, (answer: Answer) => void>;
  /** How long another host may take to answer. */
  readonly answerMs: number;
  /** How long a block is kept of a pool that nobody here uses. */
  readonly idleMs: number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly lost: (loss: AddressLoss) => void;
  readonly log: Log;
}

/** How often a write is tried again because another host was first. */
export const mostTries = 32;

/**
 * Whether a write happened; false when a record was not as it was read, which this host's copy then knows.
 *
 * @throws unavailable
 */
export async function isAgreed(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (errorKind(error) !== "conflict") throw error;
    return false;
  }
}

/** Work that nobody waits for; what fails is tried again by the next tick. */
export function aside({ log }: Pick<Parts, "log">, what: string, work: () => Promise<unknown>): void {
  work().catch((error: unknown) => log.debug({ reason: errorMessage(error) }, `cannot ${what}`));
}

/** How people know a host. */
export function hostName({ cluster }: Pick<Parts, "cluster">, nodeId: string): string {
  const name = cluster.nodes.get(nodeId)?.value.name;
  return name === undefined ? `host ${nodeId}` : `host ${name}`;
}

/**
 * Waits until this host's copies have all that was written until now: what comes after a write of its own is later than
 * everything before it. @throws unavailable
 */
export async function catchUp({ tables, self }: Pick<Parts, "tables" | "self">): Promise<void> {
  await tables.usage.put(`life/${self}`, { inUse: 0, inRange: 0, idle: 0 });
}
