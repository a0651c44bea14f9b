// Time, handed in. Never the time of day: that may jump.

export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Calls once, later, unless it is told otherwise before. */
  after(ms: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
