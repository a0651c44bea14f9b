// Tells other hosts of this one's endpoints. A start does not wait for it: what is wished is written as soon as the store
// takes it, again when somebody else changed or deleted it.

import type { ClusterAccess } from "../../src/driverapi/index.ts";
import { formatAddress } from "../../src/netip/index.ts";
import { errorKind, errorMessage } from "../../src/util/errors.ts";
import type { Log } from "../../src/util/log.ts";
import type { PublishedEndpoint, SharedTables } from "./shared.ts";

/** Far below what one transaction of etcd takes. */
const mostAtOnce = 50;
const retryMs = 1_000;

/** Owns this host's records in the table of endpoints. */
export class Publisher {
  readonly #cluster: ClusterAccess;
  readonly #log: Log;
  readonly #wanted = new Map<string, PublishedEndpoint>();
  /** Keys whose record may not be what is wanted. */
  readonly #doubtful = new Set<string>();
  readonly #unfollow: (() => void)[] = [];
  #tables: SharedTables | undefined;
  #knowsAll = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(cluster: ClusterAccess, log: Log) {
    this.#cluster = cluster;
    this.#log = log;
    this.#unfollow.push(cluster.followLife(() => this.#start()));
  }

  /** From now on records are written. */
  open(tables: SharedTables): void {
    if (this.#isClosed) return;
    this.#tables = tables;
    this.#unfollow.push(
      tables.endpoints.follow((changes) => {
        for (const change of changes)
          this.#doubt(change.kind === "put" ? change.entry.key : change.before.key);
        this.#start();
      }),
      this.#cluster.nodes.follow((changes) => {
        for (const change of changes) if (change.kind === "delete") this.#forgetNode(change.before.key);
        this.#start();
      }),
    );
    this.#doubtAll();
    this.#start();
  }

  set(key: string, endpoint: PublishedEndpoint): void {
    this.#wanted.set(key, endpoint);
    this.#change(key);
  }

  delete(key: string): void {
    this.#wanted.delete(key);
    this.#change(key);
  }

  /** Everything of this host has been set by now: what else is on record as its own was left by a crash. */
  sweep(): void {
    this.#knowsAll = true;
    this.#doubtAll();
    this.#start();
  }

  /** Resolves when the store has what is wanted, or does not answer. */
  async settle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const unfollow of this.#unfollow.splice(0)) unfollow();
  }

  #change(key: string): void {
    this.#doubtful.add(key);
    this.#start();
  }

  #doubtAll(): void {
    for (const { key } of this.#tables?.endpoints.entries() ?? []) this.#doubt(key);
  }

  /** Somebody else's records are theirs. */
  #doubt(key: string): void {
    const record = this.#tables?.endpoints.get(key)?.value;
    const isOurs = record?.node === this.#cluster.self.id;
    if (this.#wanted.has(key) || (isOurs && this.#knowsAll)) this.#doubtful.add(key);
  }

  /** A host that left for good, or was gone for too long, deletes nothing any more: any other one may. */
  #forgetNode(node: string): void {
    if (node === this.#cluster.self.id) return;
    for (const { key, value } of this.#tables?.endpoints.entries() ?? [])
      if (value.node === node) this.#doubtful.add(key);
  }

  #start(): void {
    if (this.#running || this.#isClosed || !this.#tables || this.#doubtful.size === 0) return;
    if (this.#cluster.state === "frozen") return;
    clearTimeout(this.#timer);
    this.#running = this.#write(this.#tables).finally(() => {
      this.#running = undefined;
    });
  }

  async #write(tables: SharedTables): Promise<void> {
    while (this.#doubtful.size > 0 && !this.#isClosed) {
      const keys = [...this.#doubtful].slice(0, mostAtOnce);
      for (const key of keys) this.#doubtful.delete(key);
      try {
        await this.#writeSome(tables, keys);
      } catch (error) {
        for (const key of keys) this.#doubtful.add(key);
        const fields = { kind: errorKind(error), reason: errorMessage(error) };
        this.#log.debug(fields, "cannot tell other hosts of endpoints yet");
        this.#timer = setTimeout(() => this.#start(), retryMs).unref();
        return;
      }
    }
  }

  async #writeSome({ endpoints }: SharedTables, keys: readonly string[]): Promise<void> {
    const changes = keys.filter((key) => !sameEndpoint(endpoints.get(key)?.value, this.#wanted.get(key)));
    if (changes.length === 0) return;
    await this.#cluster.commit((transaction) => {
      for (const key of changes) {
        const wanted = this.#wanted.get(key);
        if (wanted) transaction.put(endpoints, key, wanted);
        else transaction.delete(endpoints, key);
      }
    });
  }
}

function sameEndpoint(a: PublishedEndpoint | undefined, b: PublishedEndpoint | undefined): boolean {
  if (!a || !b) return a === b;
  const text = ({ node, mac, addresses, vni }: PublishedEndpoint) =>
    [node, mac, vni, ...addresses.map(formatAddress)].join(" ");
  return text(a) === text(b);
}
