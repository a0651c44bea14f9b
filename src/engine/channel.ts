// A queue with one reader, read as an async iterable. The writer may ask how much is waiting and be told when it is less.

/** Items pushed by a writer, in order, until `end`. What was pushed before the end is still delivered. */
export class Channel<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #weigh: (item: T) => number;
  readonly #endListeners: (() => void)[] = [];
  #weight = 0;
  #ended = false;
  #failure: Error | undefined;
  #wakeReader: (() => void) | undefined;
  #onRoom: (() => void) | undefined;

  constructor(weigh: (item: T) => number = () => 1) {
    this.#weigh = weigh;
  }

  /** Weight of what waits to be read. */
  get weight(): number {
    return this.#weight;
  }

  get ended(): boolean {
    return this.#ended;
  }

  push(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    this.#weight += this.#weigh(item);
    this.#wakeReader?.();
  }

  /** No more items; with a failure the reader gets it after what was pushed. */
  end(failure?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    for (const listener of this.#endListeners) listener();
    this.#wakeReader?.();
    this.#onRoom?.();
  }

  onEnd(listener: () => void): void {
    if (this.#ended) listener();
    else this.#endListeners.push(listener);
  }

  /** Called whenever the reader took something, and at the end. */
  onRoom(listener: () => void): void {
    this.#onRoom = listener;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) {
          this.#weight -= this.#weigh(item);
          this.#onRoom?.();
          yield item;
        } else if (this.#ended) {
          if (this.#failure) throw this.#failure;
          return;
        } else {
          await new Promise<void>((wake) => {
            this.#wakeReader = wake;
          });
          this.#wakeReader = undefined;
        }
      }
    } finally {
      this.end();
    }
  }
}
