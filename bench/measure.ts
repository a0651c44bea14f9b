// What a measure gets and how it says what it is.

import type { Daemon } from "./daemons.ts";
import type { Report } from "./report.ts";

export interface Sizes {
  /** Containers run by each daemon and kind of network. */
  readonly rounds: number;
  readonly networks: { readonly tsdockerd: number; readonly dockerd: number };
  readonly ports: { readonly tsdockerd: readonly number[]; readonly dockerd: readonly number[] };
  readonly starts: number;
}

export interface Bench {
  /** In the order in which they take turns. */
  readonly daemons: readonly Daemon[];
  readonly report: Report;
  readonly sizes: Sizes;
  say(text: string): void;
}

export interface Measure {
  readonly name: string;
  /** Without running daemons it starts its own. */
  readonly needsDaemons: boolean;
  run(bench: Bench): Promise<void>;
}

/** How long something took, in milliseconds, and what it gave. */
export async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const begin = performance.now();
  const value = await work();
  return { ms: performance.now() - begin, value };
}
