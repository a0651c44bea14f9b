// Hosts that do not come back: who has been without a lease for longer than the grace time is taken off the record, with
// all that is recorded of it, once, by whichever host comes first.

import { EngineError, errorMessage } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import { maxTransactionSize } from "./changeset.ts";
import { aliveTable } from "./reserved.ts";
import type { ClusterAccess, ClusterNode, Entry, SharedTable } from "./types.ts";

/** A record that goes with its host. */
export interface NodeRecord {
  readonly table: SharedTable<unknown>;
  readonly entry: Entry<unknown>;
}

export interface GoneNodesOptions {
  /** From the end of its lease; time in which the store was away does not count. */
  readonly graceMs: number;
  /** What is on record of a host: endpoints, blocks of addresses. Read anew whenever something changed meanwhile. */
  readonly recordsOf: (node: ClusterNode) => Iterable<NodeRecord>;
  /** Milliseconds of a clock that never jumps; default `performance.now`. */
  readonly now?: () => number;
  readonly log?: Log;
}

const attempts = 5;
/** In each transaction there are two conditions beside the records. */
const chunkSize = maxTransactionSize - 2;

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
  #stop = () => undefined as unknown;

  private constructor(cluster: ClusterAccess, alive: SharedTable<unknown>, options: GoneNodesOptions) {
    this.#cluster = cluster;
    this.#alive = alive;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#log = options.log ?? silentLog;
  }

  /** Looks whenever a lease begins or ends, and ten times in a grace time. */
  static async watch(cluster: ClusterAccess, options: GoneNodesOptions): Promise<GoneNodes> {
    const nodes = new GoneNodes(cluster, await cluster.table(aliveTable), options);
    const intervalMs = Math.min(Math.max(options.graceMs / 10, 100), 60_000);
    const timer = setInterval(() => void nodes.#sweepAlone(), intervalMs);
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
    for (const id of [...this.#since.keys()])
      if (!isJudge || this.#cluster.isAlive(id) || !this.#cluster.nodes.get(id)) this.#since.delete(id);
    if (!isJudge) return;
    for (const { key } of this.#cluster.nodes.entries())
      if (!this.#cluster.isAlive(key) && !this.#since.has(key)) this.#since.set(key, this.#now());
  }

  /** Takes those off the record whose time is over. @returns the ids that this host removed */
  async sweep(): Promise<string[]> {
    this.look();
    const due = this.#now() - this.#options.graceMs;
    const removed: string[] = [];
    for (const [id, since] of [...this.#since]) {
      if (since > due || id === this.#cluster.self.id) continue;
      const node = this.#cluster.nodes.get(id);
      if (node && (await this.#remove(node))) removed.push(id);
    }
    return removed;
  }

  close(): void {
    this.#stop();
  }

  /** One at a time; what fails is tried again at the next. */
  async #sweepAlone(): Promise<void> {
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

  async #remove(node: Entry<ClusterNode>): Promise<boolean> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      try {
        await this.#removeRecords(node);
        this.#log.info(
          { node: node.key, name: node.value.name },
          "took a host off the record that was gone too long",
        );
        return true;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        const isStillDue =
          !this.#cluster.isAlive(node.key) && this.#cluster.nodes.get(node.key)?.revision === node.revision;
        // another host was faster, or the host is back
        if (error.kind === "conflict" && !isStillDue) return false;
        if (error.kind !== "conflict") {
          this.#log.warn(
            { node: node.key, reason: errorMessage(error) },
            "cannot take a host off the record",
          );
          return false;
        }
      }
    }
    return false;
  }

  /** The host's own record goes last: until then whoever comes next finds it and goes on. */
  async #removeRecords(node: Entry<ClusterNode>): Promise<void> {
    const records = [...this.#options.recordsOf(node.value)];
    for (let start = 0; start === 0 || start < records.length; start += chunkSize) {
      const isLast = start + chunkSize >= records.length;
      await this.#cluster.commit((transaction) => {
        transaction.requireNone(this.#alive, node.key);
        for (const { table, entry } of records.slice(start, start + chunkSize))
          transaction.remove(table, entry);
        if (isLast) transaction.remove(this.#cluster.nodes, node);
        else transaction.require(this.#cluster.nodes, node);
      });
    }
  }
}
