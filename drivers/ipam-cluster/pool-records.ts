// Pools as the hosts agree on them: one is chosen or named, must overlap nothing, and goes with all its blocks.

import { randomBytes } from "node:crypto";
import type { PoolRequest, SharedTransaction } from "../../src/driverapi/index.ts";
import { alignUp, type Span, spanOf } from "../../src/driverkit/index.ts";
import {
  addressWidth,
  formatAddress,
  formatPrefix,
  hasHostBits,
  hostPrefix,
  isUnspecified,
  type Prefix,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  prefixFamily,
} from "../../src/netip/index.ts";
import { forbidden, invalid, unavailable } from "../../src/util/errors.ts";
import { isAgreed, mostTries, type Parts } from "./parts.ts";
import type { Pool } from "./pool.ts";
import { type PoolEntry, poolKey, type Tables } from "./records.ts";

/** A block to cut pools of length `size` from. */
export interface PoolSource {
  readonly base: Prefix;
  readonly size: number;
}

type PoolParts = Pick<Parts, "cluster" | "self" | "tables">;

/** Deletions of blocks per transaction; the store takes 128 writes. */
const mostAtOnce = 100;

/**
 * Puts a pool on record for all hosts: the one that is asked for, or one that is free.
 *
 * @throws invalid; forbidden when it overlaps another one or a host's address; unavailable
 */
export async function createPool(
  parts: PoolParts,
  request: PoolRequest,
  sources: readonly PoolSource[],
): Promise<PoolEntry> {
  for (let tries = 0; tries < mostTries; tries++) {
    const index = parts.tables.pools.get(indexKey(request.family));
    const record: PoolEntry = {
      kind: "pool",
      uid: randomBytes(6).toString("hex"),
      subnet: subnetFor(parts, request, sources),
      ...(request.subPool && { range: request.subPool }),
      network: request.networkName ?? "",
      madeBy: parts.self,
    };
    const write = parts.cluster.commit((transaction) => {
      transaction.create(parts.tables.pools, poolKey(record.subnet), record);
      // whoever adds a pool writes the index as it was when the pools were looked at
      const count = index?.value.kind === "index" ? index.value.count + 1 : 1;
      if (index) transaction.replace(parts.tables.pools, index, { kind: "index", count });
      else transaction.create(parts.tables.pools, indexKey(request.family), { kind: "index", count });
    });
    if (await isAgreed(write)) return record;
  }
  throw unavailable("lease a pool: other hosts lease some all the time");
}

/** Takes a pool and everything in it off the record. One that is gone is success. @throws unavailable */
export async function deletePool(
  { cluster, tables, pools }: PoolParts & Pick<Parts, "pools">,
  pool: Pool,
): Promise<void> {
  const entry = pools.recordOf(pool);
  // first of all: no host adds a block to a pool that has no record
  if (entry) await isAgreed(cluster.commit((transaction) => transaction.remove(tables.pools, entry)));
  await deleteRemains({ cluster, tables }, pool.uid);
}

/** What a pool's record leaves behind. */
export async function deleteRemains(
  { cluster, tables }: Pick<Parts, "cluster" | "tables">,
  uid: string,
): Promise<void> {
  const deletions = [
    ...[...tables.blocks.entries(`${uid}/`)].map(
      ({ key }) =>
        (it: SharedTransaction) =>
          it.delete(tables.blocks, key),
    ),
    ...[...tables.usage.entries(`${uid}/`)].map(
      ({ key }) =>
        (it: SharedTransaction) =>
          it.delete(tables.usage, key),
    ),
  ];
  for (let at = 0; at < deletions.length; at += mostAtOnce)
    await cluster.commit((transaction) => {
      for (const deletion of deletions.slice(at, at + mostAtOnce)) deletion(transaction);
    });
}

/** Every pool on record. */
export function* poolEntries(tables: Pick<Tables, "pools">): Generator<PoolEntry> {
  for (const { value } of tables.pools.entries()) if (value.kind === "pool") yield value;
}

function indexKey(family: number): string {
  return `index/${family}`;
}

function subnetFor(parts: PoolParts, request: PoolRequest, sources: readonly PoolSource[]): Prefix {
  const { pool, subPool, family } = request;
  if (!pool) {
    if (subPool) throw invalid("invalid address subpool");
    return chooseSubnet(parts, request, sources);
  }
  if (prefixFamily(pool) !== family || pool.length === 0 || hasHostBits(pool))
    throw invalid("invalid address pool");
  if (subPool && !prefixCovers(pool, subPool)) throw invalid("invalid address subpool");
  if (isUnspecified(pool.address))
    return chooseSubnet(
      parts,
      request,
      sources.map(({ base }) => ({ base, size: pool.length })),
    );
  checkFree(parts, pool);
  return pool;
}

/** @throws forbidden */
function checkFree({ cluster, tables }: PoolParts, pool: Prefix): void {
  const text = formatPrefix(pool);
  for (const { subnet, network } of poolEntries(tables))
    if (prefixesOverlap(subnet, pool))
      throw forbidden(
        `Pool overlaps with other one on this address space: ${text} with ${formatPrefix(subnet)} of network ${network}`,
      );
  for (const { value } of cluster.nodes.entries())
    if (prefixContains(pool, value.address))
      throw forbidden(
        `subnet ${text} holds ${formatAddress(value.address)}, where host ${value.name} is reached by the others`,
      );
}

/** The first that is free of pools, of what this host reaches, and of the hosts' own addresses. @throws invalid */
function chooseSubnet(
  { cluster, tables }: PoolParts,
  { family, exclude }: PoolRequest,
  sources: readonly PoolSource[],
): Prefix {
  const busy = [
    ...[...poolEntries(tables)].map(({ subnet }) => subnet),
    ...exclude,
    ...[...cluster.nodes.entries()].map(({ value }) => hostPrefix(value.address)),
  ]
    .filter((prefix) => prefixFamily(prefix) === family)
    .map(spanOf)
    .toSorted((a, b) => (a.first < b.first ? -1 : 1));
  const own = sources.filter(({ base, size }) => prefixFamily(base) === family && size >= base.length);
  for (const { base, size } of own) {
    const value = firstFree(spanOf(base), 1n << BigInt(addressWidth(family) - size), busy);
    if (value !== undefined) return { address: { family, value }, length: size };
  }
  const tried = own.map(({ base, size }) => `${formatPrefix(base)} in /${size}`).join(", ");
  throw invalid(
    `all predefined address pools have been fully subnetted: ${tried || `there are none for IPv${family}`}`,
  );
}

/** `busy` is in the order of first addresses. */
function firstFree(base: Span, step: bigint, busy: readonly Span[]): bigint | undefined {
  let first = base.first;
  for (const span of busy) {
    if (span.first > first + step - 1n) break;
    if (span.last >= first) first = alignUp(span.last + 1n, step);
  }
  return first + step - 1n <= base.last ? first : undefined;
}
