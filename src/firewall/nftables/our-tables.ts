// Our tables in a namespace: which they are, what an earlier process left of them, and how they go.

import type { Request } from "../../kernel/index.ts";
import {
  deleteTable,
  type Nftables,
  openNftables,
  type Table,
  type TableState,
} from "../../kernel/nftables/index.ts";
import { hasCode } from "../../util/errors.ts";
import { bridgeTable, mainTable } from "./sets.ts";

/** What an earlier process left of the main table. */
export async function mainTableState(nftables: Nftables): Promise<TableState | undefined> {
  return (await nftables.tables()).find((table) => isSameTable(table, mainTable));
}

/** Removes what the iptables back end does without from a namespace, if the kernel has nftables at all. */
export function removeMainTable(netns?: string): Promise<void> {
  return removeTables(netns, (table) => isSameTable(table, mainTable));
}

/** Removes all our tables from a namespace, if the kernel has nftables at all. */
export function removeNftables(netns?: string): Promise<void> {
  return removeTables(netns, isOurTable);
}

async function removeTables(netns: string | undefined, isGoing: (table: Table) => boolean): Promise<void> {
  try {
    await using nftables = await openNftables(netns);
    await nftables.commit(await removals(nftables, isGoing));
  } catch (error) {
    if (!hasCode(error, "EPROTONOSUPPORT", "EOPNOTSUPP", "EINVAL")) throw error;
  }
}

export function isOurTable(table: Table): boolean {
  return isSameTable(table, mainTable) || isSameTable(table, bridgeTable);
}

export function isSameTable(one: Table, other: Table): boolean {
  return one.family === other.family && one.name === other.name;
}

/** Deletes what is there of our tables: a deletion costs the kernel milliseconds even where there is nothing. */
export async function removals(nftables: Nftables, isGoing: (table: Table) => boolean): Promise<Request[]> {
  return (await nftables.tables()).filter(isGoing).map(({ family, name }) => deleteTable({ family, name }));
}
