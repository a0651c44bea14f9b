// Hosts that do not come back: who has been without a lease for longer than the grace time is taken off the record, with
// all that is recorded of it, once, by whichever host comes first.

import { EngineError, errorMessage } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import { maxTransactionSize } from "./changeset.ts";
import { aliveTable } from "./reserved.ts";
import type { ClusterAccess, ClusterNode, Entry, SharedTable, SharedTransaction } from "./types.ts";

/** A record that goes with its host. */
export interface NodeRecord {
  readonly table: SharedTable<unknown>;
  readonly entry: Entry<unknown>;
  /** What stays of it, where it is not that host's alone. */
  readonly rest?: unknown;
}

export interface GoneNodesOptions {
  /** From the end of its lease; time in which the store was away does not count. */
  readonly graceMs: () => number;
  /** What is on record of a host: endpoints, blocks of addresses. Read anew whenever something changed meanwhile. */
  readonly recordsOf: (nodeId: string) => Iterable<NodeRecord>;
  /** Ids of hosts of which there are records. Those that are no hosts any more left some behind. */
  readonly hostsOnRecord?: () => Iterable<string>;
  /** Milliseconds of a clock that never jumps; default `performance.now`. */
  readonly now?: () => number;
  readonly log?: Log;
}

const attempts = 5;
/** In each transaction there are two conditions beside the records. */
const chunkSize = maxTransactionSize - 2;

/** A look that comes later than this many intervals: this process stood still, and does not know what others did. */
const lateLooks = 3;

/** Takes a host's own records away, as far as they still are what was read. @throws conflict; unavailable */
export async function removeRecords(cluster: ClusterAccess, records: readonly NodeRecord[]): Promise<void> {
  for (let start = 0; start < records.length; start += chunkSize)
    await cluster.commit((transaction) => {
      for (const record of records.slice(start, start + chunkSize)) removeRecord(transaction, record);
    });
}

function removeRecord(transaction: SharedTransaction, { table, entry, rest }: NodeRecord): void {
  if (rest === undefined) transaction.remove(table, entry);
  else transaction.replace(table, entry, rest);
}

/** Watches who is gone. Owns a timer until it is closed. */
export class GoneNodes {
  readonly #cluster: ClusterAccess;
  readonly #alive: SharedTable<unknown>;
  readonly #options: GoneNodesOptions;
  readonly #now: () => number;
  readonly #log: Log;
  /** When each host was first seen without a lease. */
  readonly #since = new Map<string, number>();
  #isSweeping = false;
  #lookedMs: number;
  #stop = () => undefined as unknown;

  private constructor(cluster: ClusterAccess, alive: SharedTable<unknown>, options: GoneNodesOptions) {
    this.#cluster = cluster;
    this.#alive = alive;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#log = options.log ?? silentLog;
    this.#lookedMs = this.#now();
  }

  /** Looks whenever a lease begins or ends, and ten times in a grace time. */
  static async watch(cluster: ClusterAccess, options: GoneNodesOptions): Promise<GoneNodes> {
    const nodes = new GoneNodes(cluster, await cluster.table(aliveTable), options);
    const intervalMs = Math.min(Math.max(options.graceMs() / 10, 100), 60_000);
    const timer = setInterval(() => void nodes.#sweepAlone(intervalMs), intervalMs).unref();
    const unfollow = cluster.followLife(() => nodes.look());
    nodes.#stop = () => {
      clearInterval(timer);
      unfollow();
    };
    nodes.look();
    return nodes;
  }

  /** Notes who is without a lease. While the store is away nobody is judged, and the time begins again after it. */
  look(): void {
    const isJudge = this.#cluster.state === "connected";
    const ids = new Set(isJudge ? this.#idsOnRecord() : []);
    for (const id of [...this.#since.keys()])
      if (!ids.has(id) || this.#cluster.isAlive(id)) this.#since.delete(id);
    for (const id of ids)
      if (!this.#cluster.isAlive(id) && !this.#since.has(id)) this.#since.set(id, this.#now());
  }

  /** Takes those off the record whose time is over. @returns the ids that this host removed */
  async sweep(): Promise<string[]> {
    this.look();
    const due = this.#now() - this.#options.graceMs();
    const removed: string[] = [];
    for (const [id, since] of [...this.#since]) {
      if (since > due || id === this.#cluster.self.id) continue;
      if (await this.#remove(id, this.#cluster.nodes.get(id))) removed.push(id);
    }
    return removed;
  }

  close(): void {
    this.#stop();
  }

  /** One at a time; what fails is tried again at the next. */
  async #sweepAlone(intervalMs: number): Promise<void> {
    const stoodStill = this.#now() - this.#lookedMs > lateLooks * intervalMs;
    this.#lookedMs = this.#now();
    if (stoodStill) this.#since.clear();
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      await this.sweep();
    } catch (error) {
      this.#log.error({ reason: errorMessage(error) }, "cannot look for hosts that are gone");
    } finally {
      this.#isSweeping = false;
    }
  }

  #idsOnRecord(): string[] {
    const nodes = [...this.#cluster.nodes.entries()].map(({ key }) => key);
    return [...nodes, ...(this.#options.hostsOnRecord?.() ?? [])];
  }

  async #remove(id: string, node: Entry<ClusterNode> | undefined): Promise<boolean> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      try {
        await this.#removeRecords(id, node);
        const words = "took a host off the record that was gone too long";
        this.#log.info({ node: id, name: node?.value.name }, words);
        return true;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        const isStillDue =
          !this.#cluster.isAlive(id) && this.#cluster.nodes.get(id)?.revision === node?.revision;
        // another host was faster, or the host is back
        if (error.kind === "conflict" && !isStillDue) return false;
        if (error.kind !== "conflict") {
          this.#log.warn({ node: id, reason: errorMessage(error) }, "cannot take a host off the record");
          return false;
        }
      }
    }
    return false;
  }

  /** The host's own record goes last: until then whoever comes next finds it and goes on. */
  async #removeRecords(id: string, node: Entry<ClusterNode> | undefined): Promise<void> {
    const { nodes } = this.#cluster;
    const records = [...this.#options.recordsOf(id)];
    for (let start = 0; start === 0 || start < records.length; start += chunkSize) {
      const isLast = start + chunkSize >= records.length;
      await this.#cluster.commit((transaction) => {
        transaction.requireNone(this.#alive, id);
        for (const record of records.slice(start, start + chunkSize)) removeRecord(transaction, record);
        if (!node) transaction.requireNone(nodes, id);
        else if (isLast) transaction.remove(nodes, node);
        else transaction.require(nodes, node);
      });
    }
  }
}
