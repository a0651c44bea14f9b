// What the rooms above see of the store.

/** Records of one kind by key. Reads are synchronous and come from memory. Treat records as values: never change one. */
export interface Collection<T> {
  readonly name: string;
  get(key: string): T | undefined;
  has(key: string): boolean;
  values(): IterableIterator<T>;
  entries(): IterableIterator<[string, T]>;
  readonly size: number;
  /** One record in a transaction of its own; resolves when it is on disk. */
  put(key: string, record: T): Promise<void>;
  delete(key: string): Promise<void>;
}

export interface Transaction {
  put<T>(collection: Collection<T>, key: string, record: T): void;
  delete<T>(collection: Collection<T>, key: string): void;
}

export interface Store {
  /** A collection; asking twice for one name gives the same. */
  collection<T>(name: string): Collection<T>;
  /**
   * Applies everything `change` does, or, if it throws, nothing. Readers see the new records when the call returns;
   * the promise resolves when they are on disk.
   */
  commit(change: (transaction: Transaction) => void): Promise<void>;
  close(): Promise<void>;
}
