// What this host last knew of its cluster, on disk: a daemon that starts without the store knows its networks. It runs
// a moment behind, and is never asked while the store answers.

import type { Collection, Store } from "../store/types.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { recordPath } from "./changeset.ts";
import type { Replica, StoredRecord } from "./replica.ts";

interface Kept {
  readonly table: string;
  readonly key: string;
  readonly value: unknown;
  readonly revision: number;
}

interface Origin {
  readonly clusterId: string;
  /** etcd's own id of the store that it was read from. */
  readonly storeId: string;
  readonly revision: number;
}

export interface LastKnownCopy extends Omit<Origin, "clusterId"> {
  readonly records: readonly StoredRecord[];
}

const originKey = "origin";
/** Many changes become one write to the disk. */
const delayMs = 500;

/** Owns two collections of the daemon's store. */
export class LastKnown {
  readonly #store: Store;
  readonly #clusterId: string;
  readonly #log: Log;
  readonly #records: Collection<Kept>;
  readonly #origin: Collection<Origin>;
  readonly #changed = new Map<string, Kept | undefined>();
  #head: Omit<Origin, "clusterId"> = { storeId: "", revision: 0 };
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(store: Store, clusterId: string, log: Log) {
    this.#store = store;
    this.#clusterId = clusterId;
    this.#log = log;
    this.#records = store.collection("cluster-copy");
    this.#origin = store.collection("cluster-copy-of");
  }

  /** Undefined when nothing is known of this cluster. */
  load(): LastKnownCopy | undefined {
    const origin = this.#origin.get(originKey);
    if (origin?.clusterId !== this.#clusterId) return undefined;
    const { storeId, revision } = origin;
    return { storeId, revision, records: [...this.#records.values()] };
  }

  /** Keeps what the replica is told from now on. `storeId`: where it comes from. */
  follow(replica: Replica, storeId: () => string): () => void {
    return replica.followAll((changes) => {
      for (const { table, key, change } of changes) {
        const { kind } = change;
        const kept =
          kind === "put"
            ? { table, key, value: change.entry.value, revision: change.entry.revision }
            : undefined;
        this.#changed.set(recordPath({ table, key }), kept);
      }
      this.#head = { storeId: storeId(), revision: replica.revision };
      this.#timer ??= setTimeout(() => void this.flush(), delayMs);
    });
  }

  /** What is known now replaces all that was kept, of another cluster too. */
  async replace(replica: Replica, storeId: string): Promise<void> {
    const kept = new Map([...replica.records()].map((record) => [recordPath(record), record]));
    for (const [path] of this.#records.entries()) if (!kept.has(path)) this.#changed.set(path, undefined);
    for (const [path, record] of kept)
      if (this.#records.get(path)?.revision !== record.revision) this.#changed.set(path, record);
    this.#head = { storeId, revision: replica.revision };
    await this.flush();
  }

  /** Nothing is known any more: the host left. */
  async forget(): Promise<void> {
    this.#stopTimer();
    await this.#writing;
    await this.#store.commit((transaction) => {
      for (const [path] of [...this.#records.entries()]) transaction.delete(this.#records, path);
      transaction.delete(this.#origin, originKey);
    });
  }

  /** Writes what is not on disk yet. A disk that fails is told of in the log: the store has it all. */
  flush(): Promise<void> {
    this.#stopTimer();
    // nothing was told since the load, or the store has not said yet which it is
    if (this.#head.storeId === "") return this.#writing;
    const changed = [...this.#changed];
    this.#changed.clear();
    const origin = { clusterId: this.#clusterId, ...this.#head };
    const write = () =>
      this.#store.commit((transaction) => {
        for (const [path, kept] of changed)
          if (kept) transaction.put(this.#records, path, kept);
          else transaction.delete(this.#records, path);
        transaction.put(this.#origin, originKey, origin);
      });
    this.#writing = this.#writing.then(write).catch((error) => {
      this.#log.warn({ reason: errorMessage(error) }, "cannot keep what is known of the cluster");
    });
    return this.#writing;
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
