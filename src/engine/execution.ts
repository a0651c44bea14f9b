// An exec as the engine keeps it.

import type { ExecProcess } from "../runtime/index.ts";
import type { Streams } from "./streams.ts";
import type { ExecSpec } from "./types.ts";

/** What the store keeps of an exec while it runs. */
export interface ExecRecord {
  readonly id: string;
  readonly containerId: string;
  readonly spec: ExecSpec;
}

/** One exec, from its creation until its container ends. */
export interface Execution {
  readonly id: string;
  readonly spec: ExecSpec;
  readonly streams: Streams;
  process: ExecProcess | undefined;
  state: "created" | "starting" | "running" | "exited";
  exitCode: number | undefined;
  /** Settled when it runs, or never will. */
  readonly begun: PromiseWithResolvers<void>;
}
