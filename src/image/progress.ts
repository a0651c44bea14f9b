// Progress as Docker's clients read it, and the bridge from work that reports to a stream that can be awaited.

/** One object of a progress stream (moby's jsonmessage). Errors are thrown, never reported. */
export interface ProgressMessage {
  readonly stream?: string;
  readonly status?: string;
  /** What the line is about: a layer's short digest or a tag. */
  readonly id?: string;
  /** Bytes. */
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly aux?: unknown;
}

export type Report = (message: ProgressMessage) => void;

/** The twelve digits that stand for a layer in progress lines. */
export function shortDigest(digest: string): string {
  return digest.replace(/^[^:]*:/, "").slice(0, 12);
}

/**
 * Runs `work` and yields what it reports, in order; throws what it throws, after its last report. A consumer that
 * leaves early aborts the work and waits for it.
 */
export async function* progressStream(
  signal: AbortSignal,
  work: (report: Report, signal: AbortSignal) => Promise<void>,
): AsyncGenerator<ProgressMessage> {
  const leaving = new AbortController();
  const queue: ProgressMessage[] = [];
  let wake = Promise.withResolvers<void>();
  let isDone = false;
  const report: Report = (message) => {
    queue.push(message);
    wake.resolve();
  };
  const running = work(report, AbortSignal.any([signal, leaving.signal])).finally(() => {
    isDone = true;
    wake.resolve();
  });
  // Its failure is thrown below, when everything reported has been taken.
  running.catch(() => undefined);
  try {
    while (!isDone || queue.length > 0) {
      await wake.promise;
      wake = Promise.withResolvers<void>();
      yield* queue.splice(0);
    }
    await running;
  } finally {
    leaving.abort(new Error("nobody listens any more"));
    await running.catch(() => undefined);
  }
}

/** A byte counter that reports at most once per interval, and always the last value. */
export function byteProgress(
  report: Report,
  line: { readonly id: string; readonly status: string; readonly total: number },
  options: { readonly intervalMs?: number; readonly now?: () => number } = {},
): (current: number) => void {
  const { intervalMs = 100, now = performance.now.bind(performance) } = options;
  let next = Number.NEGATIVE_INFINITY;
  return (current) => {
    const at = now();
    if (at < next && current < line.total) return;
    next = at + intervalMs;
    report({ status: line.status, id: line.id, progressDetail: { current, total: line.total } });
  };
}
