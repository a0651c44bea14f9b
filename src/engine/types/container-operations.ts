// What can be done with containers.

import type { ContainerSpec, PortBinding, Resources, RestartPolicy } from "./container.ts";
import type { ContainerView } from "./container-view.ts";
import type { StatsSample } from "./stats.ts";
import type { AttachSession, Filters, JsonObject, LogQuery, LogRecord, TerminalSize } from "./stream.ts";

export interface ContainerOperations {
  /** Errors: not-found `No such image: x` (the CLI pulls on it), conflict on a taken name, invalid, forbidden. */
  create(spec: ContainerSpec): Promise<CreatedContainer>;
  /**
   * Newest first. Without `all` only running, paused and restarting ones; a status or exited filter implies `all`.
   * `matchesContainer` in src/engine/filters.ts tells whether a view passes.
   */
  list(query: ContainerQuery): Promise<readonly ContainerView[]>;
  inspect(ref: string, options?: { readonly size?: boolean }): Promise<ContainerView>;

  /** Errors: not-modified when it runs already. */
  start(ref: string): Promise<void>;
  /** Errors: not-modified when it does not run. `timeoutSeconds` −1 waits for ever. */
  stop(ref: string, options: StopOptions): Promise<void>;
  restart(ref: string, options: StopOptions): Promise<void>;
  /** `signal` by name (`SIGTERM`, `TERM`) or number. Errors: conflict when it does not run, invalid on an unknown signal. */
  kill(ref: string, signal: string): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  update(ref: string, changes: ContainerChanges): Promise<{ readonly warnings: readonly string[] }>;
  /**
   * Publishes and unpublishes ports, at once when it runs; kept over restarts. Errors: conflict on a taken host port,
   * not-found when a port to remove is not published, invalid in host and container mode; then nothing has changed.
   */
  changePorts(ref: string, changes: PortChanges): Promise<void>;
  remove(ref: string, options: RemoveOptions): Promise<void>;
  prune(filters: Filters): Promise<{ readonly deleted: readonly string[]; readonly reclaimedBytes: number }>;

  /** The returned promise settles when the waiter is registered; `exit` when the condition is met. */
  wait(ref: string, condition: WaitCondition, signal: AbortSignal): Promise<PendingExit>;
  /** Streams of process 1. A container that is not started yet may be attached to. */
  attach(ref: string, request: AttachRequest, signal: AbortSignal): Promise<AttachSession>;
  /** Errors (not-found, log driver cannot read) come from the promise, before the first record. */
  logs(ref: string, query: LogQuery, signal: AbortSignal): Promise<ContainerLog>;
  resize(ref: string, size: TerminalSize): Promise<void>;
  top(ref: string, psArguments: string): Promise<ProcessTable>;
  /**
   * A sample at once and then one a second, until the container is removed or the signal fires; undefined in a second in which
   * it does not run.
   */
  stats(ref: string, signal: AbortSignal): Promise<ContainerStats>;
}

export interface CreatedContainer {
  readonly id: string;
  readonly warnings: readonly string[];
}

export interface ContainerQuery {
  readonly all: boolean;
  /** At most so many of the newest, running or not. */
  readonly limit?: number;
  readonly size: boolean;
  readonly filters: Filters;
}

export interface StopOptions {
  /** Absent: the container's, else the image's, else SIGTERM. */
  readonly signal?: string;
  /** Absent: the container's, else the daemon's (10). */
  readonly timeoutSeconds?: number;
}

export interface ContainerChanges {
  /** Only what changes. */
  readonly resources: Resources;
  readonly restartPolicy?: RestartPolicy;
  /** The changed HostConfig fields in Docker's spelling, to lay over `spec.given.hostConfig`. */
  readonly given: JsonObject;
}

/** What goes first, and what comes then. */
export interface PortChanges {
  readonly add: readonly PortBinding[];
  readonly remove: readonly PortSelection[];
}

/** Published ports: those of a container port, or fewer, by what was asked for or what was chosen. */
export type PortSelection = PortBinding;

export interface RemoveOptions {
  readonly force: boolean;
  /** Its anonymous volumes too. */
  readonly volumes: boolean;
  /** `ref` is `container/alias`: remove that legacy link, not the container. */
  readonly link: boolean;
}

export type WaitCondition = "not-running" | "next-exit" | "removed";

export interface PendingExit {
  readonly exit: Promise<ContainerExit>;
}

export interface ContainerExit {
  readonly statusCode: number;
  /** Why waiting or the removal failed. */
  readonly error?: string;
}

export interface AttachRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Live streams. */
  readonly stream: boolean;
  /** The log so far first. */
  readonly logs: boolean;
}

export interface ContainerLog {
  readonly tty: boolean;
  readonly records: AsyncIterable<LogRecord>;
}

export interface ContainerStats {
  readonly id: string;
  readonly name: string;
  readonly samples: AsyncIterable<StatsSample | undefined>;
}

export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}
