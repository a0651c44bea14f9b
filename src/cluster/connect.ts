// This host's membership in a cluster whose store is etcd: copies of the shared tables, a lease, and writes by
// transaction. How hosts come to be members, and who runs etcd, is told elsewhere.

import { formatAddress } from "../netip/index.ts";
import type { Store } from "../store/types.ts";
import { type EngineError, errorMessage, unavailable } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import { agree } from "./agreement.ts";
import type { Changeset, Outcome } from "./changeset.ts";
import { deleteKey, type Endpoint, EtcdClient, type EtcdOptions, transact } from "./etcd/index.ts";
import { KeySpace } from "./key-space.ts";
import { LastKnown } from "./last-known.ts";
import { Liveness } from "./liveness.ts";
import { Lives } from "./lives.ts";
import { NodeLease } from "./node-lease.ts";
import { Replica } from "./replica.ts";
import { aliveTable, nodesTable } from "./reserved.ts";
import { StoreLink } from "./store-link.ts";
import { SharedTables } from "./tables.ts";
import type {
  CloseOptions,
  Cluster,
  ClusterNode,
  ClusterState,
  OwnRecords,
  OwnRecordsOptions,
  SharedTable,
  SharedTransaction,
} from "./types.ts";

export interface ConnectOptions extends EtcdOptions {
  readonly id: string;
  readonly self: ClusterNode;
  /** The daemon's own store, where what was last known is kept; without it a start needs the cluster's. */
  readonly store?: Store;
  /** How long the others wait for a sign of life; default 5. etcd makes less than 2 two. */
  readonly ttlSeconds?: number;
  /** How long to wait for the first answer when nothing is known; default 10 s. */
  readonly firstConnectMs?: number;
  readonly log?: Log;
}

export interface StoreCluster extends Cluster {
  /** For what concerns etcd itself. Closed with the cluster. */
  readonly client: EtcdClient;
  /** Other members, or other credentials, from now on; the line to a member that stays is not cut. */
  use(access: Pick<EtcdOptions, "endpoints" | "tls" | "auth">): void;
}

/** With something to start from nobody waits longer than this: it is what a store takes that is there. */
const knownConnectMs = 300;
const goodbyeMs = 2_000;
/** A line that is lost is mostly another member's a moment later. */
const shortestPatienceMs = 1_000;

/**
 * Joins in. With what was last known on disk it resolves `frozen` as soon as no member answers.
 *
 * @throws unavailable, unauthorized, forbidden: nothing is known and no member can be followed, with what was tried where;
 *   conflict: the store is not the one that this host knew
 */
export async function connectCluster(options: ConnectOptions): Promise<StoreCluster> {
  const cluster = new EtcdCluster(options);
  try {
    await cluster.open(options.firstConnectMs ?? 10_000);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

class EtcdCluster implements StoreCluster {
  readonly id: string;
  readonly self: ClusterNode;
  readonly nodes: SharedTable<ClusterNode>;
  readonly client: EtcdClient;
  readonly #log: Log;
  readonly #keys: KeySpace;
  readonly #replica: Replica;
  readonly #tables: SharedTables;
  readonly #lease: NodeLease;
  readonly #link: StoreLink;
  readonly #lastKnown: LastKnown | undefined;
  readonly #isKnown: boolean;
  readonly #patienceMs: number;
  readonly #liveness: Liveness;
  readonly #first = Promise.withResolvers<void>();
  #storeId: string | undefined;
  #trouble: string | undefined = "the store was not reached yet";
  #lastTrouble = "reach the store: no answer yet";
  #isConnectedOnce = false;
  #hasGivenUp = false;
  #hasLeft = false;
  #freezing: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ConnectOptions) {
    const { id, self, store, ttlSeconds = 5, log = silentLog } = options;
    this.id = id;
    this.self = self;
    this.#log = log;
    this.#keys = new KeySpace(id);
    this.client = new EtcdClient({ ...options, endpoints: orderEndpoints(options.endpoints, self) });
    this.#replica = new Replica(log);
    this.#liveness = new Liveness(this.#replica);
    this.#tables = new SharedTables(this.#replica, (changes) => this.#agree(changes));
    this.nodes = this.#tables.table(nodesTable);
    this.#lastKnown = store && new LastKnown(store, id, log);
    this.#isKnown = this.#loadLastKnown();
    this.#patienceMs = ttlSeconds * 800;
    const parts = { client: this.client, keys: this.#keys, replica: this.#replica, log };
    this.#lease = new NodeLease({ ...parts, self, ttlSeconds, lives: new Lives(store, id) });
    this.#link = new StoreLink({
      ...parts,
      lease: this.#lease,
      storeId: this.#storeId,
      onConnected: (storeId, wasRead) => this.#connected(storeId, wasRead),
      onLost: (error, silentMs) => this.#lost(error, silentMs),
      onRoundFailed: (error, trouble) => this.#roundFailed(error, trouble),
    });
    this.#first.promise.catch(() => undefined);
  }

  get state(): ClusterState {
    return this.#trouble === undefined ? "connected" : "frozen";
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  get revision(): number {
    return this.#replica.revision;
  }

  /** Waits for the store, or for what makes waiting vain. */
  async open(firstConnectMs: number): Promise<void> {
    this.#link.start();
    const timeoutMs = this.#isKnown ? Math.min(knownConnectMs, firstConnectMs) : firstConnectMs;
    const timer = setTimeout(() => this.#giveUp(), timeoutMs);
    try {
      await this.#first.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  use(access: Pick<EtcdOptions, "endpoints" | "tls" | "auth">): void {
    this.client.use({ ...access, endpoints: orderEndpoints(access.endpoints, this.self) });
  }

  isAlive(nodeId: string): boolean {
    return this.#liveness.isAlive(nodeId);
  }

  followLife(listener: () => void): () => void {
    return this.#liveness.follow(listener);
  }

  async table<T>(name: string): Promise<SharedTable<T>> {
    return this.#tables.table(name);
  }

  ownRecords<T extends { readonly node: string }>(
    table: string,
    options: OwnRecordsOptions<T>,
  ): OwnRecords<T> {
    return this.#tables.ownRecords(table, { ...options, cluster: this, log: this.#log });
  }

  commit(change: (transaction: SharedTransaction) => void): Promise<void> {
    return this.#tables.commit(change);
  }

  async leave(change: (transaction: SharedTransaction) => void = () => undefined): Promise<void> {
    const resume = this.#lease.pause();
    try {
      await this.commit((transaction) => {
        change(transaction);
        transaction.delete(this.nodes, this.self.id);
        transaction.delete(this.#tables.table(aliveTable), this.self.id);
      });
    } catch (error) {
      resume();
      throw error;
    }
    this.#hasLeft = true;
  }

  close(options: CloseOptions = { leave: false }): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async #close({ leave, keepLease = false, isSilent = false }: CloseOptions): Promise<void> {
    const isToBeTold = this.#trouble === undefined && !this.#hasLeft && !isSilent;
    clearTimeout(this.#freezing);
    this.#trouble = "the cluster was left";
    await this.#link.stop();
    if (isToBeTold) {
      if (leave) await this.#attempt("remove this host from the store", () => this.#removeSelf());
      if (leave || !keepLease) await this.#attempt("end this host's lease", () => this.#lease.end());
    }
    if (leave) await this.#lastKnown?.forget();
    else await this.#lastKnown?.flush();
    this.client.close();
  }

  async #attempt(doing: string, work: () => Promise<unknown>): Promise<void> {
    await work().catch((error) => this.#log.warn({ reason: errorMessage(error) }, `cannot ${doing}`));
  }

  #removeSelf(): Promise<unknown> {
    const key = this.self.id;
    const success = [nodesTable, aliveTable].map((table) => deleteKey(this.#keys.keyOf({ table, key })));
    const options = { doing: "remove this host", isRepeatable: true, timeoutMs: goodbyeMs };
    return transact(this.client, { success }, options);
  }

  async #agree(changes: Changeset): Promise<Outcome> {
    if (this.#trouble !== undefined) throw unavailable(`write to the store: ${this.#trouble}`);
    return await agree(this.client, this.#keys, changes);
  }

  #loadLastKnown(): boolean {
    const copy = this.#lastKnown?.load();
    if (copy) {
      this.#storeId = copy.storeId;
      this.#replica.reset(copy.revision, copy.records);
    }
    this.#lastKnown?.follow(this.#replica, () => this.#storeId ?? "");
    return copy !== undefined;
  }

  #connected(storeId: string, wasRead: boolean): void {
    if (this.#closing) return;
    clearTimeout(this.#freezing);
    this.#freezing = undefined;
    this.#storeId = storeId;
    this.#isConnectedOnce = true;
    if (wasRead) void this.#lastKnown?.replace(this.#replica, storeId);
    this.#first.resolve();
    if (this.#trouble === undefined) return;
    this.#log.info({ cluster: this.id, revision: this.revision }, "the cluster's store answers");
    this.#trouble = undefined;
    this.#liveness.tell();
  }

  /** Another member mostly takes over before anybody notices. */
  #lost(error: EngineError, silentMs: number): void {
    this.#lastTrouble = error.message;
    const patienceMs = Math.max(shortestPatienceMs, this.#patienceMs - silentMs);
    this.#freezing ??= setTimeout(() => this.#freeze(this.#lastTrouble), patienceMs);
  }

  #roundFailed(error: EngineError, trouble: string): void {
    this.#lastTrouble = trouble;
    if (this.#trouble !== undefined) this.#trouble = trouble;
    if (this.#isConnectedOnce) return;
    if (this.#isKnown) this.#giveUp();
    else if (isHopeless(error)) this.#first.reject(error);
  }

  /** The first answer did not come. */
  #giveUp(): void {
    if (this.#isConnectedOnce) return;
    if (this.#isKnown) {
      if (!this.#hasGivenUp)
        this.#log.warn(
          { cluster: this.id, reason: this.#lastTrouble },
          "started without the cluster's store",
        );
      this.#hasGivenUp = true;
      this.#trouble = this.#lastTrouble;
      this.#first.resolve();
    } else this.#first.reject(unavailable(this.#lastTrouble));
  }

  #freeze(trouble: string): void {
    if (this.#closing) return;
    this.#log.warn(
      { cluster: this.id, reason: trouble },
      "the cluster's store is away: nothing new is agreed on",
    );
    this.#trouble = trouble;
    this.#liveness.tell();
  }
}

/** What waiting does not mend. */
function isHopeless(error: EngineError): boolean {
  return ["unauthorized", "forbidden", "conflict", "invalid"].includes(error.kind);
}

/** A member on this host first; of the others each host begins with another one. */
function orderEndpoints(endpoints: readonly Endpoint[], self: ClusterNode): Endpoint[] {
  const own = formatAddress(self.address);
  const isLocal = ({ host }: Endpoint) => host === own || host === "::1" || /^(127\.|localhost$)/.test(host);
  const others = endpoints.filter((endpoint) => !isLocal(endpoint));
  const sum = [...self.id].reduce((total, letter) => total + letter.charCodeAt(0), 0);
  const start = others.length === 0 ? 0 : sum % others.length;
  return [...endpoints.filter(isLocal), ...others.slice(start), ...others.slice(0, start)];
}
