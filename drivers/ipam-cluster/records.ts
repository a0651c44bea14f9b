// What hosts share of their addresses: pools, blocks of addresses with an owner each, what hosts ask of one another, and
// how much of a pool each uses.

import type { ClusterAccess, SharedTable } from "../../src/driverapi/index.ts";
import { formatPrefix, type Prefix, prefixFamily } from "../../src/netip/index.ts";

/**
 * A pool, by family and subnet. Beside them one index per family, which whoever adds a pool writes too: of two hosts that
 * add at once one is refused, looks again, and sees what it overlaps.
 */
export type PoolRecord = PoolEntry | { readonly kind: "index"; readonly count: number };

export interface PoolEntry {
  readonly kind: "pool";
  /** Names its blocks; a later pool of the same subnet has another. */
  readonly uid: string;
  readonly subnet: Prefix;
  /** Addresses that nobody asks for by name come from here. */
  readonly range?: Prefix;
  /** For messages. */
  readonly network: string;
  /** The host that made it. */
  readonly madeBy: string;
}

/** A run of addresses. One that is on nobody's record is free for any host to create. */
export interface BlockRecord {
  /** The host that hands its addresses out, asking nobody; empty: no host. */
  readonly owner: string;
  /** By offset in the block: addresses that are not the owner's to give, and the host that has them. */
  readonly taken: Readonly<Record<string, string>>;
  /** The host that wrote this: a sign of its life. */
  readonly writtenBy: string;
}

/** In `taken`: an address of the network itself, on no host or on all: gateway and auxiliary addresses. */
export const everyHost = "*";

/** A host's request to another, which has what it lacks. Under `asked host/asking host/number`. */
export interface AskRecord {
  readonly by: string;
  /** The pool's uid. */
  readonly pool: string;
  /** This address, as text; absent: any, `count` of them if there are as many. */
  readonly address?: string;
  readonly count: number;
  readonly answer?: Answer;
}

export type Answer =
  /** The block whose record now says that they, or all of it, are the asking host's. */
  | { readonly kind: "granted"; readonly block: string }
  | { readonly kind: "refused"; readonly reason: string }
  /** It has none to give, or no more than what is asked for by name. */
  | { readonly kind: "none" };

/** How a host uses a pool, under `pool's uid/host`; now and then brought up to date. */
export interface UsageRecord {
  readonly inUse: number;
  /** Of these, inside the pool's range. */
  readonly inRange: number;
  /** Addresses that it has and does not use. */
  readonly idle: number;
}

export interface Tables {
  readonly pools: SharedTable<PoolRecord>;
  readonly blocks: SharedTable<BlockRecord>;
  readonly asks: SharedTable<AskRecord>;
  readonly usage: SharedTable<UsageRecord>;
}

export async function openTables(cluster: ClusterAccess): Promise<Tables> {
  const [pools, blocks, asks, usage] = await Promise.all([
    cluster.table<PoolRecord>("ipam-pools"),
    cluster.table<BlockRecord>("ipam-blocks"),
    cluster.table<AskRecord>("ipam-asks"),
    cluster.table<UsageRecord>("ipam-usage"),
  ]);
  return { pools, blocks, asks, usage };
}

/** Of a pool's record. */
export function poolKey(subnet: Prefix): string {
  return `${prefixFamily(subnet)}/${formatPrefix(subnet)}`;
}

/** A block's record with other owners; the host that writes signs. */
export function blockRecord(
  writtenBy: string,
  { owner, taken }: Pick<BlockRecord, "owner" | "taken">,
): BlockRecord {
  return { owner, taken, writtenBy };
}

/** `taken` with an address that becomes a host's, or, undefined, the owner's again. */
export function withTaken(
  taken: BlockRecord["taken"],
  offset: number,
  host: string | undefined,
): BlockRecord["taken"] {
  const { [offset]: _, ...others } = taken;
  return host === undefined ? others : { ...others, [offset]: host };
}
