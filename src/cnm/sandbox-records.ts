// A sandbox and its endpoints on record, all of it in one transaction.

import type { Transaction } from "../store/index.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import type { SandboxRecord } from "./records.ts";
import { pack } from "./stored.ts";

/** What a caller has to store of a change, in the transaction that stores the change itself. */
export type Keep = (transaction: Transaction) => void;

/** The same of a change that is on record before it is known to succeed. */
export interface KeptChange {
  readonly keep: Keep;
  /** Stores what was there before. */
  readonly takeBack: Keep;
}

export interface StoredSandbox {
  readonly record: SandboxRecord;
  readonly endpoints: readonly Endpoint[];
  /** Those that the container leaves for good: they are forgotten. */
  readonly leaving: readonly Endpoint[];
  readonly keep?: Keep | undefined;
}

/** Owned by its sandbox. */
export class SandboxRecords {
  readonly #parts: ControllerParts;
  /** What is on disk as it is: values are replaced, never changed. */
  #written: ReadonlySet<unknown> = new Set();

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  /** Writes what has changed since the last time; each endpoint's place is remembered for a next start. */
  async store({ record, endpoints, leaving, keep }: StoredSandbox): Promise<void> {
    const { records, memory } = this.#parts;
    const before = this.#written;
    // ports may change them while the disk is waited for
    const current = endpoints.map((endpoint) => endpoint.record);
    // when it fails nobody knows what is there
    this.#written = new Set();
    await records.store.commit((transaction) => {
      for (const { id, record: left } of leaving) {
        transaction.delete(records.endpoints, id);
        memory.forget(transaction, left);
      }
      if (!before.has(record.spec)) transaction.put(records.sandboxes, record.id, pack(record));
      for (const own of current.filter((it) => !before.has(it))) {
        transaction.put(records.endpoints, own.id, pack(own));
        memory.note(transaction, own);
      }
      keep?.(transaction);
    });
    this.#written = new Set<unknown>([record.spec, ...current]);
  }
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
