// This host's sign of life: a lease, and the records that say that it is there. The lease outlives a change of members;
// one that ran out is replaced, and the host announced again.

import { encodeRecord } from "../store/codec.ts";
import { unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import {
  type EtcdClient,
  grantLease,
  headOf,
  type Pulse,
  putKey,
  revokeLease,
  transact,
} from "./etcd/index.ts";
import type { KeySpace } from "./key-space.ts";
import type { Replica } from "./replica.ts";
import { aliveTable, nodesTable } from "./reserved.ts";
import type { ClusterNode } from "./types.ts";

export interface NodeLeaseParts {
  readonly client: EtcdClient;
  readonly keys: KeySpace;
  readonly replica: Replica;
  readonly self: ClusterNode;
  readonly ttlSeconds: number;
  readonly log: Log;
}

/** How long an announcement may take to come back. */
const arrivalMs = 5_000;

/** Owns the lease. */
export class NodeLease {
  readonly #parts: NodeLeaseParts;
  #id: bigint | undefined;
  #isEnded = false;
  #isPaused = false;

  constructor(parts: NodeLeaseParts) {
    this.#parts = parts;
  }

  /** Three signs fit into the lease's time. */
  get intervalMs(): number {
    return (this.#parts.ttlSeconds * 1_000) / 3;
  }

  /**
   * Sees to it that the lease lives and the host is announced. When it resolves, this host's copy has its own
   * announcement, and so everything that happened before it.
   */
  async announce(pulse: Pulse): Promise<void> {
    if (this.#isPaused) return;
    const { client, ttlSeconds } = this.#parts;
    if (this.#id === undefined || !(await pulse.beat(this.#id, this.timeoutMs))) {
      const doing = "get a lease from the store";
      const { id } = await grantLease(client, ttlSeconds, { doing });
      this.#id = id;
    }
    if (this.#isEnded) throw unavailable("announce this host in the store: it has left");
    await this.#write(this.#id);
    // the copy may have been behind, and another host may have taken this one off the record meanwhile
    if (!this.#isOnRecord()) await this.#write(this.#id);
  }

  /** A sign of life; a lease that ran out meanwhile is replaced. @throws unavailable when it is not answered */
  async beat(pulse: Pulse): Promise<void> {
    const isAlive = this.#id !== undefined && (await pulse.beat(this.#id, this.timeoutMs));
    if (this.#isPaused || (isAlive && this.#isOnRecord())) return;
    const reason = isAlive ? "its record is gone" : "its lease ran out";
    this.#parts.log.warn({ reason }, "the others took this host for dead");
    await this.announce(pulse);
  }

  /** From now on the host is not announced again when its records go. Returns how to go on. */
  pause(): () => void {
    this.#isPaused = true;
    return () => {
      this.#isPaused = false;
    };
  }

  /** The others hear at once that this host is gone. */
  async end(): Promise<void> {
    const id = this.#id;
    this.#id = undefined;
    this.#isEnded = true;
    if (id !== undefined)
      await revokeLease(this.#parts.client, id, { doing: "end this host's lease", timeoutMs: 2_000 });
  }

  get timeoutMs(): number {
    return Math.max(1_000, this.intervalMs);
  }

  #isOnRecord(): boolean {
    const { replica, self } = this.#parts;
    return encodeRecord(replica.copy(nodesTable).get(self.id)?.value ?? null) === encodeRecord(self);
  }

  /** Resolves when it is here. */
  async #write(lease: bigint): Promise<void> {
    const { client, keys, replica, self, ttlSeconds } = this.#parts;
    const key = self.id;
    const alive = putKey(keys.keyOf({ table: aliveTable, key }), encodeRecord({ ttlSeconds }), lease);
    const record = putKey(keys.keyOf({ table: nodesTable, key }), encodeRecord(self));
    const success = this.#isOnRecord() ? [alive] : [alive, record];
    const doing = "announce this host in the store";
    const answer = await transact(client, { success }, { doing, isRepeatable: true });
    const { revision } = headOf(answer.header);
    if (!(await replica.until(() => replica.revision >= revision, arrivalMs)))
      throw unavailable(`${doing}: it did not come back within ${arrivalMs} ms`);
  }
}
