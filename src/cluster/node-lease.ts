// This host's sign of life: a lease, and the records that say that it is there. The lease outlives a change of members;
// one that ran out is replaced, and the host announced again.

import { formatAddress } from "../netip/index.ts";
import { encodeRecord } from "../store/codec.ts";
import { conflict, errorMessage, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import {
  type EtcdClient,
  grantLease,
  headOf,
  isAtRevision,
  type Pulse,
  putKey,
  readKey,
  revokeLease,
  transact,
} from "./etcd/index.ts";
import type { KeySpace } from "./key-space.ts";
import type { Lives } from "./lives.ts";
import type { Replica } from "./replica.ts";
import { aliveTable, nodesTable } from "./reserved.ts";
import type { ClusterNode } from "./types.ts";

export interface NodeLeaseParts {
  readonly client: EtcdClient;
  readonly keys: KeySpace;
  readonly replica: Replica;
  readonly self: ClusterNode;
  readonly ttlSeconds: number;
  readonly lives: Lives;
  readonly log: Log;
}

/** Goes with the lease. */
interface AliveRecord {
  readonly ttlSeconds: number;
  /** Of the daemon that wrote it: see `Lives`. */
  readonly life?: string;
}

/** How often it is tried again when the record changes at the same time. */
const mostTries = 5;

/** How long an announcement may take to come back. */
const arrivalMs = 5_000;

/** Owns the lease. */
export class NodeLease {
  readonly #parts: NodeLeaseParts;
  #id: bigint | undefined;
  #isEnded = false;
  #isPaused = false;
  /** The token of the record that this life has replaced. */
  #replaced: string | undefined;

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
    if (this.#isPaused) return;
    if (isAlive && this.#isOnRecord()) return await this.#defend(this.#id);
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

  /** Two daemons with one id: who came last, taking the other for its own earlier life, gives way. @throws conflict */
  async #defend(lease: bigint | undefined): Promise<void> {
    const { replica, self, lives } = this.#parts;
    const life = replica.copy<AliveRecord>(aliveTable).get(self.id)?.value.life;
    if (lease === undefined || life === undefined || life === lives.own) return;
    if (life === this.#replaced) lives.disown(life);
    await this.#write(lease, { isFirst: life !== this.#replaced });
  }

  /** Resolves when it is here. @throws conflict when somebody else lives under this host's id, unless this one was first */
  async #write(lease: bigint, { isFirst = false }: { readonly isFirst?: boolean } = {}): Promise<void> {
    const { keys, replica, self, ttlSeconds, lives } = this.#parts;
    const doing = "announce this host in the store";
    await lives.keep().catch((error: unknown) => {
      this.#parts.log.warn({ reason: errorMessage(error) }, "cannot keep the token of this life");
    });
    const value: AliveRecord = { ttlSeconds, life: lives.own };
    const key = keys.keyOf({ table: aliveTable, key: self.id });
    const alive = putKey(key, encodeRecord(value), lease);
    const record = putKey(keys.keyOf({ table: nodesTable, key: self.id }), encodeRecord(self));
    const success = this.#isOnRecord() ? [alive] : [alive, record];
    for (let tries = 0; tries < mostTries; tries++) {
      const compare = [isAtRevision(key, await this.#checkTwin(key, isFirst))];
      const answer = await transact(this.#parts.client, { compare, success }, { doing, isRepeatable: true });
      if (!answer.succeeded) continue;
      const { revision } = headOf(answer.header);
      if (await replica.until(() => replica.revision >= revision, arrivalMs)) return;
      throw unavailable(`${doing}: it did not come back within ${arrivalMs} ms`);
    }
    throw unavailable(`${doing}: its record changes all the time`);
  }

  /** The revision of this host's sign of life. @throws conflict when it is not this host's */
  async #checkTwin(key: string, isFirst: boolean): Promise<number> {
    const { client, keys, replica, self, lives } = this.#parts;
    const found = await readKey(client, key, { doing: "look for this host in the store" });
    if (!found) return 0;
    const { life } = (keys.recordOf(found)?.value ?? {}) as Partial<AliveRecord>;
    if (isFirst || lives.isOwn(life)) {
      if (!isFirst && life !== lives.own) this.#replaced = life;
      return Number(found.modRevision);
    }
    const other = replica.copy<ClusterNode>(nodesTable).get(self.id)?.value ?? self;
    throw conflict(
      `announce this host in the store: another daemon lives under its id ${self.id} (last seen as ${other.name}, ` +
        `${formatAddress(other.address)}): this host's data root is a copy of that one's. Stop this daemon, remove the ` +
        "folder cluster of its data root, start it, and join the cluster again",
    );
  }
}
