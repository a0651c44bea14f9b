// This host's records in a table that all hosts share. A start does not wait for them: what is wished is written as soon as
// the store takes it, again when somebody else changed or deleted it, and what a crash left is swept away.

import type { Change, ClusterAccess, SharedTable } from "../../cluster/index.ts";
import { errorKind, errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";

/** Far below what one transaction of etcd takes. */
const mostAtOnce = 50;
const retryMs = 1_000;

export interface OwnRecordsOptions<T> {
  readonly cluster: ClusterAccess;
  readonly table: SharedTable<T>;
  readonly isSame: (a: T, b: T) => boolean;
  readonly log: Log;
}

/** Owns those records of a table whose `node` is this host. */
export class OwnRecords<T extends { readonly node: string }> {
  readonly #options: OwnRecordsOptions<T>;
  readonly #wanted = new Map<string, T>();
  /** Keys whose record may not be what is wanted. */
  readonly #doubtful = new Set<string>();
  readonly #stops: (() => void)[];
  #knowsAll = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: OwnRecordsOptions<T>) {
    this.#options = options;
    const { cluster, table } = options;
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

  /** Everything of this host has been set by now: what else is on record as its own, or as nobody's, was left behind. */
  sweep(): void {
    this.#knowsAll = true;
    const { cluster, table } = this.#options;
    for (const { key, value } of table.entries()) {
      this.#doubt(key);
      if (!cluster.nodes.get(value.node)) this.#doubtful.add(key);
    }
    this.#start();
  }

  /** Resolves when the store has what is wanted, or does not answer. */
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
    this.#doubtful.add(key);
    this.#start();
  }

  /** Somebody else's records are theirs. */
  #doubt(key: string): void {
    const { cluster, table } = this.#options;
    const isOurs = table.get(key)?.value.node === cluster.self.id;
    if (this.#wanted.has(key) || (isOurs && this.#knowsAll)) this.#doubtful.add(key);
  }

  /** A host that left for good, or was gone for too long, deletes nothing any more: any other one may. */
  #forgetNode(node: string): void {
    const { cluster, table } = this.#options;
    if (node === cluster.self.id) return;
    for (const { key, value } of table.entries()) if (value.node === node) this.#doubtful.add(key);
  }

  #start(): void {
    if (this.#running || this.#isClosed || this.#doubtful.size === 0) return;
    if (this.#options.cluster.state === "frozen") return;
    clearTimeout(this.#timer);
    this.#running = this.#write().finally(() => {
      this.#running = undefined;
    });
  }

  async #write(): Promise<void> {
    while (this.#doubtful.size > 0 && !this.#isClosed) {
      const keys = [...this.#doubtful].slice(0, mostAtOnce);
      for (const key of keys) this.#doubtful.delete(key);
      try {
        await this.#writeSome(keys);
      } catch (error) {
        for (const key of keys) this.#doubtful.add(key);
        const { log, table } = this.#options;
        const fields = { table: table.name, kind: errorKind(error), reason: errorMessage(error) };
        log.debug(fields, "cannot tell other hosts yet");
        this.#timer = setTimeout(() => this.#start(), retryMs).unref();
        return;
      }
    }
  }

  async #writeSome(keys: readonly string[]): Promise<void> {
    const { cluster, table, isSame } = this.#options;
    const changes = keys.filter((key) => {
      const [known, wanted] = [table.get(key)?.value, this.#wanted.get(key)];
      return known && wanted ? !isSame(known, wanted) : known !== wanted;
    });
    if (changes.length === 0) return;
    await cluster.commit((transaction) => {
      for (const key of changes) {
        const wanted = this.#wanted.get(key);
        if (wanted) transaction.put(table, key, wanted);
        else transaction.delete(table, key);
      }
    });
  }
}
