// This host's records in a table that all hosts share. A start does not wait for them: what is wished is written as soon as
// the store takes it, again when somebody else changed or deleted it, and what a crash left is swept away.

import { errorKind, errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type {
  Change,
  ClusterAccess,
  OwnRecords,
  OwnRecordsOptions,
  SharedTable,
  SharedTransaction,
} from "./types.ts";

/** Far below what one transaction of etcd takes. */
const mostAtOnce = 50;
const retryMs = 1_000;
/** Whose records they are. */
export interface OwnRecordsOf<T> extends OwnRecordsOptions<T> {
  readonly cluster: Pick<ClusterAccess, "self" | "state" | "nodes" | "followLife">;
  readonly log: Log;
}

interface Surroundings<T> extends OwnRecordsOf<T> {
  readonly table: SharedTable<T>;
  /** As `ClusterAccess.commit`, a moment later and together with others. */
  readonly gather: (change: (transaction: SharedTransaction) => void) => Promise<void>;
}

/** Owns those records of a table whose `node` is this host. */
export class HostRecords<T extends { readonly node: string }> implements OwnRecords<T> {
  readonly #around: Surroundings<T>;
  readonly #wanted = new Map<string, T>();
  /** Keys whose record may not be what is wanted. */
  readonly #doubtful = new Set<string>();
  readonly #stops: (() => void)[];
  #knowsAll = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(around: Surroundings<T>) {
    this.#around = around;
    const { cluster, table } = around;
    this.#stops = [
      table.follow((changes) => this.#changed(changes)),
      cluster.nodes.follow((changes) => {
        for (const change of changes) if (change.kind === "delete") this.#forgetNode(change.before.key);
        this.#start();
      }),
      cluster.followLife(() => this.#start()),
    ];
  }

  set(key: string, record: T): void {
    this.#wanted.set(key, record);
    this.#change(key);
  }

  delete(key: string): void {
    this.#wanted.delete(key);
    this.#change(key);
  }

  sweep(): void {
    this.#knowsAll = true;
    const { cluster, table } = this.#around;
    for (const { key, value } of table.entries()) {
      this.#doubt(key);
      if (!cluster.nodes.get(value.node)) this.#doubtful.add(key);
    }
    this.#start();
  }

  async settle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops.splice(0)) stop();
  }

  #changed(changes: readonly Change<T>[]): void {
    for (const change of changes) this.#doubt(change.kind === "put" ? change.entry.key : change.before.key);
    this.#start();
  }

  #change(key: string): void {
    if (this.#isClosed) return;
    this.#doubtful.add(key);
    this.#start();
  }

  /** Somebody else's records are theirs. */
  #doubt(key: string): void {
    const { cluster, table } = this.#around;
    const isOurs = table.get(key)?.value.node === cluster.self.id;
    if (this.#wanted.has(key) || (isOurs && this.#knowsAll)) this.#doubtful.add(key);
  }

  /** A host that left for good, or was gone for too long, deletes nothing any more: any other one may. */
  #forgetNode(node: string): void {
    const { cluster, table } = this.#around;
    if (node === cluster.self.id) return;
    for (const { key, value } of table.entries()) if (value.node === node) this.#doubtful.add(key);
  }

  #start(): void {
    if (this.#running || this.#isClosed || this.#doubtful.size === 0) return;
    if (this.#around.cluster.state === "frozen") return;
    clearTimeout(this.#timer);
    this.#running = this.#write().finally(() => {
      this.#running = undefined;
    });
  }

  async #write(): Promise<void> {
    while (this.#doubtful.size > 0 && !this.#isClosed) {
      let keys: readonly string[] = [];
      try {
        await this.#around.gather((transaction) => {
          if (this.#isClosed) return;
          keys = [...this.#doubtful].slice(0, mostAtOnce);
          for (const key of keys) this.#doubtful.delete(key);
          this.#collect(keys, transaction);
        });
      } catch (error) {
        for (const key of keys) this.#doubtful.add(key);
        if (this.#isClosed) return;
        const { log, table } = this.#around;
        const fields = { table: table.name, kind: errorKind(error), reason: errorMessage(error) };
        log.debug(fields, "cannot tell other hosts yet");
        this.#timer = setTimeout(() => this.#start(), retryMs).unref();
        return;
      }
    }
  }

  /** Writes what is not as wanted. */
  #collect(keys: readonly string[], transaction: SharedTransaction): void {
    const { table, isSame } = this.#around;
    for (const key of keys) {
      const [known, wanted] = [table.get(key)?.value, this.#wanted.get(key)];
      if (known && wanted && isSame(known, wanted)) continue;
      if (wanted) transaction.put(table, key, wanted);
      else if (known) transaction.delete(table, key);
    }
  }
}
