// What is on record of one host: for those who take it off the record when it will not come back, and for itself when it
// leaves.

import type { ClusterAccess, Entry, SharedTable } from "../../src/driverapi/index.ts";
import { type BlockRecord, blockRecord, everyHost, openTables, type Tables } from "./records.ts";

/** A record that goes with its host; `rest` stays of one that is not its alone. */
export interface HostRecord {
  readonly table: SharedTable<unknown>;
  readonly entry: Entry<unknown>;
  readonly rest?: unknown;
}

/** Of a host: its blocks, single addresses, questions, and what it said of its use. */
export async function recordsOfHost(
  cluster: ClusterAccess,
): Promise<(nodeId: string) => Iterable<HostRecord>> {
  const tables = await openTables(cluster);
  return (nodeId) => findRecords(tables, nodeId, cluster.self.id);
}

/** Hosts of which there is something on record. */
export async function hostsOnRecord(cluster: ClusterAccess): Promise<() => ReadonlySet<string>> {
  const { blocks, usage } = await openTables(cluster);
  return () => {
    const hosts = new Set<string>();
    for (const { value } of blocks.entries())
      for (const host of [value.owner, ...Object.values(value.taken)])
        if (host !== "" && host !== everyHost) hosts.add(host);
    for (const { key } of usage.entries()) hosts.add(key.slice(key.indexOf("/") + 1));
    return hosts;
  };
}

function* findRecords(
  { blocks, asks, usage }: Tables,
  nodeId: string,
  writtenBy: string,
): Generator<HostRecord> {
  for (const entry of blocks.entries()) {
    const rest = withoutHost(entry.value, nodeId);
    if (rest === entry.value) continue;
    const isEmpty = rest.owner === "" && Object.keys(rest.taken).length === 0;
    yield { table: blocks, entry, ...(!isEmpty && { rest: blockRecord(writtenBy, rest) }) };
  }
  for (const entry of asks.entries())
    if (entry.value.by === nodeId || entry.key.startsWith(`${nodeId}/`)) yield { table: asks, entry };
  for (const entry of usage.entries()) if (entry.key.endsWith(`/${nodeId}`)) yield { table: usage, entry };
}

/** The same record where the host has nothing of it. */
function withoutHost(record: BlockRecord, nodeId: string): BlockRecord {
  const kept = Object.entries(record.taken).filter(([, taker]) => taker !== nodeId);
  const isOwner = record.owner === nodeId;
  if (!isOwner && kept.length === Object.keys(record.taken).length) return record;
  return { ...record, owner: isOwner ? "" : record.owner, taken: Object.fromEntries(kept) };
}
