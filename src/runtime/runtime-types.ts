// What the rooms above ask of containers and their tasks.

import type { OciSpec } from "./oci/schema.ts";
import type { MakeFifo } from "./stdio.ts";
import type { ExecProcess, StreamOptions, Task } from "./task.ts";
import type { TaskState, TaskStatus } from "./task-status.ts";
import type { Labels, Mount } from "./values.ts";

export interface RuntimeOptions {
  /** Where runc keeps its state: a tmpfs, one folder per daemon. */
  readonly runcRoot: string;
  /** Takes a mount off a path; for what is left of tasks that were cut off. */
  readonly unmount?: (path: string) => Promise<void>;
  /** Where the FIFOs live, one folder per container: a tmpfs. */
  readonly streamsRoot: string;
  readonly makeFifo: MakeFifo;
  /** Who holds what a container writes while there is no daemon; absent: nobody. */
  readonly holder?: StreamHolder;
  /** runc or what behaves like it; default `runc` from PATH. */
  readonly runcBinary?: string;
  readonly systemdCgroup?: boolean;
  /** The shim; default `io.containerd.runc.v2`. */
  readonly shim?: string;
}

/** Keeps pipes open beside the daemon, by container; a pipe that nobody has open forgets what is in it. */
export interface StreamHolder {
  /** `[]` lets go. */
  holdStreams(id: string, paths: readonly string[]): Promise<void>;
  /** Lets go of all others. */
  retainStreams(ids: readonly string[]): Promise<void>;
}

export interface ContainerSpec {
  readonly id: string;
  /** The image's name, for the record. */
  readonly image: string;
  /** The snapshot that is the root file system; the record keeps it from the garbage collector. */
  readonly snapshotKey: string;
  readonly spec: OciSpec;
  readonly labels?: Labels;
}

export interface ContainerRecord {
  readonly id: string;
  readonly image: string;
  readonly snapshotKey: string;
  readonly labels: Labels;
  readonly createdAt: Date;
}

export interface LoadedTask {
  readonly task: Task;
  readonly status: TaskStatus;
}

export interface LoadedExec {
  readonly process: ExecProcess;
  readonly state: TaskState;
}

export interface Runtime {
  /** Writes the container's record; throws conflict when the id is taken. Starts nothing. */
  create(container: ContainerSpec): Promise<void>;
  /** Removes the record; one that is gone is success, one with a task is a conflict. */
  delete(id: string): Promise<void>;
  list(): Promise<readonly ContainerRecord[]>;
  /**
   * Makes the container's first process, not yet running the command, with `rootfs` mounted by the shim. Without mounts
   * the spec's root path must be absolute. Throws with Docker's text; nothing is left behind then.
   */
  createTask(id: string, options: StreamOptions & { readonly rootfs: readonly Mount[] }): Promise<Task>;
  /** The task of a container that has one, its streams opened again: for a daemon that restarted. */
  load(id: string): Promise<LoadedTask | undefined>;
  /** A further process of a container that went on without us, its streams opened again. */
  loadExec(id: string, execId: string): Promise<LoadedExec | undefined>;
  /** The state is unknown of a task whose shim does not answer for long. */
  tasks(): Promise<readonly TaskStatus[]>;
  /**
   * First thing after a start: opens the outputs of all processes, for a shim that waits for a reader answers nothing.
   * They stay open until `retainStreams`.
   */
  wakeShims(): Promise<void>;
  /** Ends what is left of a task whose making was cut off, whether containerd knows it or not. */
  abandonTask(id: string): Promise<void>;
  /** Ends all shims that containerd does not know. Returns their containers' ids. */
  sweepShims(): Promise<readonly string[]>;
  /** Removes the folder of a container's FIFOs. */
  forgetStreams(id: string): Promise<void>;
  /** After a start, when the streams of all these containers have been opened again: nobody else's is held. */
  retainStreams(ids: readonly string[]): Promise<void>;
}
