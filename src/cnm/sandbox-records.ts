// A sandbox and its endpoints on record, all of it in one transaction.

import type { Transaction } from "../store/index.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import type { SandboxRecord } from "./records.ts";
import { pack } from "./stored.ts";

/** What a caller has to store of a change, in the transaction that stores the change itself. */
export type Keep = (transaction: Transaction) => void;

export interface StoredSandbox {
  readonly record: SandboxRecord;
  readonly endpoints: readonly Endpoint[];
  /** Those that the container leaves for good: they are forgotten. */
  readonly leaving: readonly Endpoint[];
  readonly keep?: Keep | undefined;
}

/** Writes it as it is now; each endpoint's place is remembered for a next start. */
export async function storeSandbox(
  { records, memory }: ControllerParts,
  { record, endpoints, leaving, keep }: StoredSandbox,
): Promise<void> {
  await records.store.commit((transaction) => {
    for (const { id, record: left } of leaving) {
      transaction.delete(records.endpoints, id);
      memory.forget(transaction, left);
    }
    transaction.put(records.sandboxes, record.id, pack(record));
    for (const endpoint of endpoints) {
      transaction.put(records.endpoints, endpoint.id, pack(endpoint.record));
      memory.note(transaction, endpoint.record);
    }
    keep?.(transaction);
  });
}

/** Takes it off the record; what it had is remembered for the container's next start. */
export async function deleteSandboxRecords(
  { records }: ControllerParts,
  sandboxId: string,
  endpoints: readonly Endpoint[],
): Promise<void> {
  await records.store.commit((transaction) => {
    for (const { id } of endpoints) transaction.delete(records.endpoints, id);
    transaction.delete(records.sandboxes, sandboxId);
  });
}
