// Slows down whoever guesses tokens: so many wrong tries per address, then none for a while.

interface Bucket {
  count: number;
  since: number;
}

const limit = 5;
const windowMs = 60_000;
/** Addresses remembered at most: guessing from many must not cost memory. */
const mostBuckets = 1024;

/** Counts wrong tries by address. `now` is a clock in milliseconds. */
export class Tries {
  readonly #buckets = new Map<string, Bucket>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** How long this address has to wait, in milliseconds; 0: it may try. */
  wait(address: string): number {
    const bucket = this.#buckets.get(address);
    if (!bucket || bucket.count < limit) return 0;
    return Math.max(0, bucket.since + windowMs - this.#now());
  }

  /** A wrong try. */
  count(address: string): void {
    const now = this.#now();
    const found = this.#buckets.get(address);
    const bucket = found && now - found.since < windowMs ? found : { count: 0, since: now };
    bucket.count++;
    bucket.since = now;
    // the last one to be counted is the last one to be forgotten
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > mostBuckets && oldest !== undefined) this.#buckets.delete(oldest);
  }

  /** It knew the right one after all. */
  forget(address: string): void {
    this.#buckets.delete(address);
  }
}
