// What a transaction asks of the store: writes that happen together, and what must hold for them to happen. Records are
// text here; the store never looks inside.

import { encodeRecord } from "../store/codec.ts";
import { conflict, EngineError, invalid } from "../util/errors.ts";
import type { SharedTransaction } from "./types.ts";

export interface RecordName {
  readonly table: string;
  readonly key: string;
}

/** The record's last write was this one; 0: there is no such record. */
export interface Condition extends RecordName {
  readonly revision: number;
}

/** `text` undefined deletes. */
export interface Write extends RecordName {
  readonly text: string | undefined;
}

/** At most one write per record: the last one asked for. */
export interface Changeset {
  readonly conditions: readonly Condition[];
  readonly writes: readonly Write[];
}

/** The store's answer at `revision`. `refused`: what it has of the records that conditions were about. */
export type Outcome =
  | { readonly kind: "done"; readonly revision: number }
  | { readonly kind: "refused"; readonly revision: number; readonly found: readonly Condition[] };

/** etcd's own limit (`--max-txn-ops`): conditions and writes of one transaction, each. */
export const maxTransactionSize = 128;

/**
 * Collects what `change` asks for.
 *
 * @throws invalid for a key or a size the store would not take; TypeError for a value that JSON cannot hold
 */
export function collectChanges(change: (transaction: SharedTransaction) => void): Changeset {
  const conditions: Condition[] = [];
  const writes = new Map<string, Write>();
  const expect = (table: string, key: string, revision: number) => {
    if (!conditions.some((one) => one.table === table && one.key === key && one.revision === revision))
      conditions.push({ table, key: checkKey(table, key), revision });
  };
  const write = (table: string, key: string, text: string | undefined) =>
    void writes.set(recordPath({ table, key }), { table, key: checkKey(table, key), text });
  change({
    create: (table, key, value) => {
      expect(table.name, key, 0);
      write(table.name, key, encodeRecord(value));
    },
    replace: (table, entry, value) => {
      expect(table.name, entry.key, entry.revision);
      write(table.name, entry.key, encodeRecord(value));
    },
    put: (table, key, value) => write(table.name, key, encodeRecord(value)),
    delete: (table, key) => write(table.name, key, undefined),
    remove: (table, entry) => {
      expect(table.name, entry.key, entry.revision);
      write(table.name, entry.key, undefined);
    },
    require: (table, entry) => expect(table.name, entry.key, entry.revision),
    requireNone: (table, key) => expect(table.name, key, 0),
  });
  if (Math.max(conditions.length, writes.size) > maxTransactionSize)
    throw invalid(`a transaction of ${writes.size} writes: the store takes at most ${maxTransactionSize}`);
  return { conditions, writes: [...writes.values()] };
}

/** `table/key`, as the store's keys end and as people read it. */
export function recordPath({ table, key }: RecordName): string {
  return `${table}/${key}`;
}

/** @throws invalid */
export function checkTableName(name: string): string {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) throw invalid(`table ${name}: a name is made of a-z, 0-9 and -`);
  return name;
}

/** The first condition that did not hold, by what was found. */
export function findBroken(
  conditions: readonly Condition[],
  found: readonly Condition[],
): Condition | undefined {
  const revisions = new Map(found.map((one) => [recordPath(one), one.revision]));
  return conditions.find((one) => revisions.get(recordPath(one)) !== one.revision);
}

/** The error of a transaction that was refused; `conflictingRecord` reads from it which record was in the way. */
export function refusal(conditions: readonly Condition[], found: readonly Condition[]): EngineError {
  const broken = findBroken(conditions, found);
  if (!broken) return conflict("record changed and changed back meanwhile");
  const isThere = found.some((one) => recordPath(one) === recordPath(broken) && one.revision !== 0);
  const why = broken.revision === 0 ? "exists already" : isThere ? "was changed meanwhile" : "is gone";
  return conflict(`record ${recordPath(broken)} ${why}`, { table: broken.table, key: broken.key });
}

/** The record that a conflict is about, if the error is one of a transaction. */
export function conflictingRecord(error: unknown): RecordName | undefined {
  if (!(error instanceof EngineError) || error.kind !== "conflict") return undefined;
  const cause = error.cause as Partial<RecordName> | undefined;
  if (typeof cause?.table !== "string" || typeof cause.key !== "string") return undefined;
  return { table: cause.table, key: cause.key };
}

function checkKey(table: string, key: string): string {
  if (!/^[A-Za-z0-9\-_.:/]+$/.test(key))
    throw invalid(`record ${table}/${key}: a key is made of letters, digits and -_.:/`);
  return key;
}
