// A container: its record on disk, and what is alive of it in this process.

import type { Sandbox } from "../cnm/index.ts";
import type { Mount, Task } from "../runtime/index.ts";
import type { Undo } from "../util/undo.ts";
import type { Execution } from "./execution.ts";
import type { JsonFileLog } from "./logs/json-file.ts";
import type { Streams } from "./streams.ts";
import type { ContainerExit, ContainerSpec, Health, MountView } from "./types.ts";

/** What the store keeps of a container. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  /** As asked for, with the image's defaults merged in. */
  readonly spec: ContainerSpec;
  readonly imageId: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly mounts: readonly MountView[];
  /** Names of volumes made for this container alone. */
  readonly anonymousVolumes: readonly string[];
  readonly state: RecordedState;
  readonly restartCount: number;
  /** Somebody stopped it: `unless-stopped` does not start it again with the daemon. */
  readonly stoppedByHand: boolean;
  /** It has ended, and its policy is about to start it again. */
  readonly willRestart?: boolean;
  /** As it was when its status last changed, while it runs. */
  readonly health?: Health | undefined;
}

export interface RecordedState {
  readonly phase: "created" | "running" | "exited" | "dead";
  readonly pid: number;
  readonly exitCode: number;
  readonly error: string;
  readonly oomKilled: boolean;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
}

export const neverStarted: RecordedState = {
  phase: "created",
  pid: 0,
  exitCode: 0,
  error: "",
  oomKilled: false,
};

/** What a running container holds; disposing `undo` gives it all back. */
export interface Running {
  readonly task: Task;
  readonly sandbox: Sandbox | undefined;
  readonly undo: Undo;
  readonly startedAt: Date;
}

/** One container. Its record is replaced, never changed. */
export class Container {
  record: ContainerRecord;
  readonly streams: Streams;
  readonly log: JsonFileLog | undefined;
  running: Running | undefined;
  /** Which mounts give its root file system; they stay the same. Undefined: containerd is to be asked. */
  mounts: readonly Mount[] | undefined;
  /** What probes it, while it runs and has a check. */
  health: { stop(): void } | undefined;
  lastHealth: Health | undefined;
  paused = false;
  removing = false;
  /** Its policy starts it again: from its end until it runs. */
  isRestarting = false;
  /** Set while the restart is due. */
  restartTimer: NodeJS.Timeout | undefined;
  restartDelayMs = 0;
  /** A stop was asked for while it ran: the restart policy keeps still. */
  stopRequested = false;
  readonly executions = new Map<string, Execution>();
  readonly #exitListeners = new Set<(exit: ContainerExit) => void>();
  readonly #removalListeners = new Set<(exit: ContainerExit) => void>();

  constructor(record: ContainerRecord, streams: Streams, log: JsonFileLog | undefined) {
    this.record = record;
    this.streams = streams;
    this.log = log;
  }

  get id(): string {
    return this.record.id;
  }

  get name(): string {
    return this.record.name;
  }

  get isRunning(): boolean {
    return this.running !== undefined;
  }

  /** Attributes that every event about it carries. */
  get attributes(): Record<string, string> {
    return { ...this.record.spec.labels, image: this.record.spec.image, name: this.record.name };
  }

  /** Calls once, at the next exit; the returned function takes the listener back. */
  onExit(listener: (exit: ContainerExit) => void): () => void {
    this.#exitListeners.add(listener);
    return () => this.#exitListeners.delete(listener);
  }

  /** Calls once, when it is removed. */
  onRemoval(listener: (exit: ContainerExit) => void): () => void {
    this.#removalListeners.add(listener);
    return () => this.#removalListeners.delete(listener);
  }

  tellExit(exit: ContainerExit): void {
    const listeners = [...this.#exitListeners];
    this.#exitListeners.clear();
    for (const listener of listeners) listener(exit);
  }

  tellRemoval(exit: ContainerExit): void {
    const listeners = [...this.#removalListeners];
    this.#removalListeners.clear();
    for (const listener of listeners) listener(exit);
  }
}
