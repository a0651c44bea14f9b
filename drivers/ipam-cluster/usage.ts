// How much of a pool is in use: what each host says of itself, and what that comes to.

import type { PoolUsage } from "../../src/driverapi/index.ts";
import { prefixSize } from "../../src/netip/index.ts";
import type { Parts } from "./parts.ts";
import type { Pool } from "./pool.ts";
import { everyHost, type UsageRecord } from "./records.ts";

/** Tells the others how much of a pool is in use here. @throws unavailable */
export async function publishUsage({ tables, self }: Parts, pool: Pool): Promise<void> {
  const key = `${pool.uid}/${self}`;
  const known = tables.usage.get(key)?.value;
  const usage = usageOf(pool);
  const isNothing = usage.inUse === 0 && usage.idle === 0;
  if (isNothing) return known && (await tables.usage.delete(key));
  const isSame = known?.inUse === usage.inUse && known.inRange === usage.inRange && known.idle === usage.idle;
  if (!isSame) await tables.usage.put(key, usage);
}

/** How much of a pool is in use here, now. */
export function usageOf(pool: Pool): UsageRecord {
  const { dynamic } = pool.geometry;
  const held = [...pool.held()];
  const isInRange = (value: bigint) =>
    dynamic !== undefined && value >= dynamic.first && value <= dynamic.last;
  return {
    inUse: held.length,
    inRange: held.filter(({ value }) => isInRange(value)).length,
    idle: pool.free,
  };
}

/** In use on all hosts, as far as they have said: every host tells of its own once a second. */
export function clusterUsage({ tables, self, standing }: Parts, pool: Pool): PoolUsage {
  const { usable, dynamic, subnet } = pool.geometry;
  const own = usageOf(pool);
  const prefix = `${pool.uid}/`;
  const others = [...tables.usage.entries(prefix)].filter(({ key }) => {
    const host = key.slice(prefix.length);
    return host !== self && !standing.isGone(host);
  });
  const taken = [...pool.records()].flatMap(({ value }) => Object.values(value.taken));
  const reserved = taken.filter((taker) => taker === everyHost).length;
  const inUse = others.reduce((sum, { value }) => sum + value.inUse, own.inUse + reserved);
  const inRange = others.reduce((sum, { value }) => sum + value.inRange, own.inRange + reserved);
  const nobodys = prefixSize(subnet) - (usable.last - usable.first + 1n);
  const size = dynamic ? dynamic.last - dynamic.first + 1n : 0n;
  const available = size - BigInt(inRange);
  return { inUse: nobodys + BigInt(inUse), available: available > 0n ? available : 0n };
}
