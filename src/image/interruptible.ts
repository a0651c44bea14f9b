// Reading a stream whose sender may fall silent: an abort ends the reading at once, and the stream itself stays open,
// since it may be a request that still wants its answer.

import { Readable } from "node:stream";
import { cancelledBy, throwIfAborted } from "./shared-work.ts";

/** The source's chunks until its end; throws cancelled when the signal fires, even while waiting for the next chunk. */
export async function* interruptible<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  throwIfAborted(signal);
  const iterator = iteratorOf(source);
  let stop: (reason: unknown) => void = () => undefined;
  const onAbort = () => stop(cancelledBy(signal));
  signal.addEventListener("abort", onAbort);
  try {
    for (;;) {
      // One promise per chunk: racing against a promise that lives as long as the stream would keep every loser.
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        stop = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done) return;
      yield next.value;
      throwIfAborted(signal);
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: an iterator that waits for its sender takes its leave only when that speaks again.
    iterator.return?.().catch(() => undefined);
  }
}

function iteratorOf<T>(source: AsyncIterable<T>): AsyncIterator<T> {
  return source instanceof Readable
    ? source.iterator({ destroyOnReturn: false })
    : source[Symbol.asyncIterator]();
}
