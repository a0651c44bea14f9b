// What the rooms above see of a cluster: tables of which every host has a copy, who is alive, and whether the store
// answers. Without a cluster nothing here exists.

import type { Address } from "../netip/index.ts";

/** A record as the store has it. */
export interface Entry<T> {
  readonly key: string;
  readonly value: T;
  /** Of the record's last write; revisions count the writes of the whole store and never go back. */
  readonly revision: number;
}

export type Change<T> =
  | { readonly kind: "put"; readonly entry: Entry<T>; readonly before: Entry<T> | undefined }
  | { readonly kind: "delete"; readonly before: Entry<T> };

/**
 * Records of one kind, the same on every host. Reads are synchronous and come from this host's copy, which follows the
 * store; it is what was last known while the store is away. A write resolves when this host's copy has it, and by the time
 * it fails as conflict the copy has what stood in the way. One that fails as unavailable may have happened all the same:
 * the copy will show.
 * Keys are made of letters, digits and `-_.:/`; a prefix ends where the caller says.
 */
export interface SharedTable<T> {
  readonly name: string;
  get(key: string): Entry<T> | undefined;
  /** In the order of their keys. */
  entries(prefix?: string): Iterable<Entry<T>>;
  /** @throws conflict when the key is taken; unavailable when the store is away */
  create(key: string, value: T): Promise<Entry<T>>;
  /** Compare and swap. @throws conflict when the record changed or went since `entry` was read; unavailable */
  replace(entry: Entry<T>, value: T): Promise<Entry<T>>;
  /** Whatever is there. @throws unavailable */
  put(key: string, value: T): Promise<Entry<T>>;
  /** A record that is gone is success. @throws unavailable */
  delete(key: string): Promise<void>;
  /**
   * Tells of every change from now on, in the store's order; those of one transaction come in one call. After a gap
   * (the store forgot what happened meanwhile) the difference to what was known is told, and nothing twice.
   */
  follow(listener: (changes: readonly Change<T>[]) => void, prefix?: string): () => void;
}

/** Writes of several tables that happen together or not at all. */
export interface SharedTransaction {
  create<T>(table: SharedTable<T>, key: string, value: T): void;
  replace<T>(table: SharedTable<T>, entry: Entry<T>, value: T): void;
  put<T>(table: SharedTable<T>, key: string, value: T): void;
  delete<T>(table: SharedTable<T>, key: string): void;
  /** Deletes the record only as it was read. */
  remove<T>(table: SharedTable<T>, entry: Entry<T>): void;
  /** Nothing happens unless the record is still as it was read. */
  require<T>(table: SharedTable<T>, entry: Entry<T>): void;
  /** Nothing happens if there is such a record. */
  requireNone<T>(table: SharedTable<T>, key: string): void;
}

/** A host of the cluster. On record until it leaves or has been gone for longer than the grace time. */
export interface ClusterNode {
  /** Made at the host's first start; never the hostname, never the machine id. */
  readonly id: string;
  /** For people: the hostname. */
  readonly name: string;
  /** Where the others' packets reach it: the tunnels' end (VTEP). */
  readonly address: Address;
  /** UDP port of the tunnels. */
  readonly dataPort: number;
  readonly version: string;
}

/** `frozen`: the store is away. What is known stays in force, and what must be agreed on fails as unavailable. */
export type ClusterState = "connected" | "frozen";

/**
 * A host's own records in a table: those whose `node` it is. Nobody waits for the store: what is wished is written soon,
 * together with what else the host has to say, again when somebody else changed or deleted it, and when the store is back.
 * Records of hosts that are taken off the cluster's record go.
 */
export interface OwnRecords<T> {
  set(key: string, record: T): void;
  delete(key: string): void;
  /** Everything of this host has been set by now: what else is on record as its own, or as nobody's, was left behind. */
  sweep(): void;
  /** Resolves when the store has what is wanted, or does not answer. */
  settle(): Promise<void>;
  /** Records stay as they are, and nothing is written any more. */
  close(): void;
}

export interface OwnRecordsOptions<T> {
  /** Whether a record needs no writing. */
  readonly isSame: (a: T, b: T) => boolean;
}

export interface ClusterAccess {
  readonly self: ClusterNode;
  readonly state: ClusterState;
  /** By id, this host's own included. */
  readonly nodes: SharedTable<ClusterNode>;
  /** Whether the host's lease lives, as far as the store last said. Its records stay when it does not. */
  isAlive(nodeId: string): boolean;
  /** Tells when a host's lease begins or ends, and when the store goes or comes. */
  followLife(listener: () => void): () => void;
  /** A table; asking twice for one name gives the same. It is filled before the promise resolves. */
  table<T>(name: string): Promise<SharedTable<T>>;
  /** This host's own records in the table of this name. Close it. */
  ownRecords<T extends { readonly node: string }>(
    table: string,
    options: OwnRecordsOptions<T>,
  ): OwnRecords<T>;
  /** @throws conflict that names the first record which was not as required; unavailable */
  commit(change: (transaction: SharedTransaction) => void): Promise<void>;
}

export interface CloseOptions {
  readonly leave: boolean;
  readonly keepLease?: boolean;
  /** Nobody is told: the store does not answer. */
  readonly isSilent?: boolean;
}

/** This host's membership. Owned by the daemon. */
export interface Cluster extends ClusterAccess {
  /** Identifies the cluster; a host remembers which one it belongs to. */
  readonly id: string;
  /** Revision of the store that this host's copies have reached. */
  readonly revision: number;
  /** Why the store is away, in words; undefined while connected. */
  readonly trouble: string | undefined;
  /**
   * Takes this host off the record for good, together with what `change` writes. It is announced no more, whatever comes;
   * what is to be said besides can still be written until `close`.
   * @throws as `commit`: nothing has changed then, and the host goes on being announced
   */
  leave(change?: (transaction: SharedTransaction) => void): Promise<void>;
  /**
   * Ends the lease and goes; the node's record stays unless `leave`, by which what is known here of the cluster goes too. `keepLease`: the others need not hear of it, since
   * the daemon is back before the lease runs out.
   */
  close(options?: CloseOptions): Promise<void>;
}
