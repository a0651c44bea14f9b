// A cluster without etcd, for tests: one store in memory and any number of hosts with copies of it. What hosts see and
// what they are refused is what the real one does; only how changes travel is another.

import { parseAddress } from "../netip/index.ts";
import { encodeRecord } from "../store/codec.ts";
import { unavailable } from "../util/errors.ts";
import { silentLog } from "../util/log.ts";
import type { Changeset, Outcome } from "./changeset.ts";
import { FakeStore, toEvent } from "./fake-store.ts";
import { Liveness } from "./liveness.ts";
import { Replica } from "./replica.ts";
import { aliveTable, nodesTable } from "./reserved.ts";
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

/** The store and its hosts. Changes reach a host in a later turn of the event loop, in order. */
export class FakeCluster {
  readonly id: string;
  readonly #hosts = new Map<string, FakeHost>();
  readonly #store = new FakeStore();

  constructor(id = "fake") {
    this.id = id;
  }

  get revision(): number {
    return this.#store.revision;
  }

  /** A host that joins: on record, alive, with everything known to it. `192.0.2.<n>` unless said otherwise. */
  async addNode(id: string, facts: Partial<Omit<ClusterNode, "id">> = {}): Promise<FakeHost> {
    const address = parseAddress(`192.0.2.${this.#hosts.size + 1}`);
    if (!address) throw new RangeError("a fake cluster has at most 255 hosts");
    const self = { id, name: id, address, dataPort: 4789, version: "fake", ...facts };
    const host = new FakeHost(this.id, self, this.#store);
    this.#hosts.set(id, host);
    await host.announce();
    await this.settled();
    return host;
  }

  /** A host that leaves for good. */
  async removeNode(id: string): Promise<void> {
    await this.#host(id).close({ leave: true });
    this.#hosts.delete(id);
    await this.settled();
  }

  /** Cuts a host off from the store. Its lease lives until `endLease`. */
  partition(id: string): void {
    this.#host(id).cut();
  }

  /** Brings a host back: it is told what it missed, and is alive again. */
  async heal(id: string): Promise<void> {
    await this.#host(id).reconnect();
    await this.settled();
  }

  /** As when a host's daemon was killed and the lease's time is over. It is alive again after `heal`. */
  endLease(id: string): void {
    this.#store.write([{ table: aliveTable, key: id, text: undefined }]);
  }

  /** The host's next write happens, but the host does not hear of it: unavailable. */
  loseNextAnswer(id: string): void {
    this.#host(id).loseNextAnswer();
  }

  /** Nothing more reaches this host until `release`, while its own writes still reach the store. */
  hold(id: string): void {
    this.#host(id).hold();
  }

  release(id: string): void {
    this.#host(id).release();
  }

  /** The store forgets how it came to be: a host that is cut off will be told the difference alone. */
  compact(): void {
    this.#store.compact();
  }

  /** Resolves when every host that is neither cut off nor held has everything. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 1_000; turn++) {
      await nextTurn();
      if ([...this.#hosts.values()].every((host) => host.isSettled)) return;
    }
    throw new Error("a fake cluster does not come to rest: its followers keep writing");
  }

  #host(id: string): FakeHost {
    const host = this.#hosts.get(id);
    if (!host) throw new Error(`the fake cluster has no host ${id}`);
    return host;
  }
}

/** One host's view of a fake cluster. Made by `FakeCluster.addNode`. */
export class FakeHost implements Cluster {
  readonly id: string;
  readonly self: ClusterNode;
  readonly nodes: SharedTable<ClusterNode>;
  readonly #store: FakeStore;
  readonly #replica = new Replica();
  readonly #tables: SharedTables;
  readonly #liveness = new Liveness(this.#replica);
  readonly #unsubscribe: () => void;
  #trouble: string | undefined;
  #isHeld = false;
  #isAnswerLost = false;
  #isArriving = false;
  #hasLeft = false;

  constructor(clusterId: string, self: ClusterNode, store: FakeStore) {
    this.id = clusterId;
    this.self = self;
    this.#store = store;
    this.#tables = new SharedTables(this.#replica, (changes) => this.#agree(changes));
    this.nodes = this.#tables.table(nodesTable);
    this.#unsubscribe = store.subscribe(() => this.#arriveSoon());
    this.#replica.reset(store.revision, store.records());
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

  get isSettled(): boolean {
    return this.#isHeld || this.state === "frozen" || this.#replica.revision >= this.#store.revision;
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
    return this.#tables.ownRecords(table, { ...options, cluster: this, log: silentLog });
  }

  commit(change: (transaction: SharedTransaction) => void): Promise<void> {
    return this.#tables.commit(change);
  }

  async announce(): Promise<void> {
    const record = { table: nodesTable, key: this.self.id, text: encodeRecord(this.self) };
    this.#store.write([record, { table: aliveTable, key: this.self.id, text: "{}" }]);
    await this.#replica.until(() => this.isAlive(this.self.id), 10_000);
  }

  cut(): void {
    this.#trouble ??= `reach the store: host ${this.self.id} is cut off`;
    this.#liveness.tell();
  }

  async reconnect(): Promise<void> {
    this.#trouble = undefined;
    this.#arriveSoon();
    if (
      !this.#hasLeft &&
      (!this.#store.has(nodesTable, this.self.id) || !this.#store.has(aliveTable, this.self.id))
    )
      await this.announce();
    this.#liveness.tell();
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#arriveSoon();
  }

  loseNextAnswer(): void {
    this.#isAnswerLost = true;
  }

  async leave(change: (transaction: SharedTransaction) => void = () => undefined): Promise<void> {
    await this.commit((transaction) => {
      change(transaction);
      transaction.delete(this.nodes, this.self.id);
      transaction.delete(this.#tables.table(aliveTable), this.self.id);
    });
    this.#hasLeft = true;
  }

  async close({ leave, keepLease = false, isSilent }: CloseOptions = { leave: false }): Promise<void> {
    this.#unsubscribe();
    const keys = leave ? [aliveTable, nodesTable] : keepLease ? [] : [aliveTable];
    if (!this.#trouble && !this.#hasLeft && !isSilent)
      this.#store.write(keys.map((table) => ({ table, key: this.self.id, text: undefined })));
    this.#trouble = "the cluster was left";
  }

  async #agree(changes: Changeset): Promise<Outcome> {
    await nextTurn();
    if (this.#trouble) throw unavailable(this.#trouble);
    const outcome = this.#store.commit(changes);
    await nextTurn();
    const isLost = this.#isAnswerLost;
    this.#isAnswerLost = false;
    if (isLost) throw unavailable("write to the store: no answer came");
    if (this.#trouble) throw unavailable(this.#trouble);
    return outcome;
  }

  #arriveSoon(): void {
    if (this.#isArriving) return;
    this.#isArriving = true;
    setImmediate(() => {
      this.#isArriving = false;
      if (!this.#isHeld && !this.#trouble) this.#arrive();
    });
  }

  #arrive(): void {
    const missed = this.#store.since(this.#replica.revision);
    if (!missed) this.#replica.reset(this.#store.revision, this.#store.records());
    else for (const { revision, events } of missed) this.#replica.apply(revision, events.map(toEvent));
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
