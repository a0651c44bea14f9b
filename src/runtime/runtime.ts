// Containers and their tasks: records in containerd, processes in shims.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage } from "../util/errors.ts";
import { Undo } from "../util/undo.ts";
import { anyMessage, anySpec } from "./any.ts";
import type { Containerd } from "./containerd.ts";
import type { Container } from "./gen/containers_pb.ts";
import type { Process } from "./gen/process_pb.ts";
import { OptionsSchema } from "./gen/runc-options_pb.ts";
import { orAbsent } from "./grpc-error.ts";
import { clearShim, findShims, type ShimPlace } from "./lost-shims.ts";
import type { OciSpec } from "./oci/schema.ts";
import { openOutputs } from "./output-readers.ts";
import { startFailure } from "./start-failure.ts";
import {
  type MakeFifo,
  makeFifos,
  noStdioPaths,
  type OpenStdio,
  openStdio,
  type StdioPaths,
  type StreamsPlace,
  stdioPaths,
} from "./stdio.ts";
import { ExecProcess, type StreamOptions, Task } from "./task.ts";
import { type Labels, type Mount, toDate, toWireMount } from "./values.ts";

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

export type TaskState = "created" | "running" | "stopped" | "paused" | "unknown";

export interface TaskStatus {
  readonly containerId: string;
  readonly pid: number;
  readonly state: TaskState;
  /** Of a stopped task. */
  readonly exit?: { readonly code: number; readonly at: Date };
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

/** The containers of containerd's namespace, run by runc under one root. */
export function createRuntime(containerd: Containerd, options: RuntimeOptions): Runtime {
  return new ContainerdRuntime(containerd, options);
}

class ContainerdRuntime implements Runtime {
  readonly #containerd: Containerd;
  readonly #options: RuntimeOptions;
  readonly #runc: { readonly typeUrl: string; readonly value: Uint8Array };
  #outputs: AsyncDisposable | undefined;

  constructor(containerd: Containerd, options: RuntimeOptions) {
    this.#containerd = containerd;
    this.#options = options;
    this.#runc = anyMessage(OptionsSchema, {
      binaryName: options.runcBinary ?? "",
      root: options.runcRoot,
      systemdCgroup: options.systemdCgroup ?? false,
    });
  }

  async create({ id, image, snapshotKey, spec, labels = {} }: ContainerSpec): Promise<void> {
    await this.#services.containers.create({
      container: {
        id,
        image,
        labels: { ...labels },
        runtime: { name: this.#options.shim ?? "io.containerd.runc.v2", options: this.#runc },
        spec: anySpec(spec),
        snapshotter: this.#containerd.snapshots.snapshotter,
        snapshotKey,
      },
    });
  }

  async delete(id: string): Promise<void> {
    await orAbsent(this.#services.containers.delete({ id }));
  }

  async list(): Promise<readonly ContainerRecord[]> {
    return (await this.#services.containers.list({})).containers.map(toRecord);
  }

  async createTask(
    id: string,
    options: StreamOptions & { readonly rootfs: readonly Mount[] },
  ): Promise<Task> {
    await using undo = new Undo(this.#containerd.log);
    const place = this.#placeOf(id);
    const paths = options.discard ? noStdioPaths : stdioPaths(place.folder, id, options);
    if (!options.discard) await makeFifos(paths, place);
    undo.defer("remove standard streams", () => this.forgetStreams(id));
    const stdio = await this.#open(id, paths);
    undo.defer("close standard streams", () => stdio?.close());
    await this.#hold(id, paths, stdio);
    const pid = await this.#createProcess(id, paths, options);
    undo.forget();
    return new Task(this.#containerd, place, { containerId: id, pid, stdio });
  }

  async load(id: string): Promise<LoadedTask | undefined> {
    const found = async () => {
      const response = await orAbsent(this.#services.tasks.get({ containerId: id }));
      return response?.process ? [response.process] : [];
    };
    const [process] = await answered(found);
    if (!process) return undefined;
    const status = toTaskStatus(process);
    const { pid } = process;
    const stdio = await this.#openAgain({ containerId: id, execId: "" }, process);
    await this.#hold(id, process, stdio);
    const task = new Task(this.#containerd, this.#placeOf(id), { containerId: id, pid, stdio });
    if (status.state === "running" || status.state === "paused") void task.connectStdin();
    return { task, status };
  }

  async loadExec(id: string, execId: string): Promise<LoadedExec | undefined> {
    const name = { containerId: id, execId };
    const response = await orAbsent(this.#services.tasks.get(name));
    if (!response?.process) return undefined;
    const { state } = toTaskStatus(response.process);
    const stdio = await this.#openAgain(name, response.process);
    const process = new ExecProcess(this.#containerd, { ...name, pid: response.process.pid, stdio });
    if (state === "running" || state === "paused") void process.connectStdin();
    return { process, state };
  }

  async tasks(): Promise<readonly TaskStatus[]> {
    const list = async () => (await this.#services.tasks.list({})).tasks;
    return (await answered(list)).map(toTaskStatus);
  }

  async wakeShims(): Promise<void> {
    await this.#outputs?.[Symbol.asyncDispose]();
    this.#outputs = await openOutputs(this.#options.streamsRoot);
  }

  async abandonTask(id: string): Promise<void> {
    const known = await orAbsent(this.#services.tasks.get({ containerId: id }));
    // who does not answer would not end it either
    if (known?.process && toTaskStatus(known.process).state !== "unknown")
      await this.#endTask(id, known.process.pid).catch((error) => {
        this.#containerd.log.info({ container: id, reason: errorMessage(error) }, "killing a task's shim");
      });
    const shims = await findShims(this.#shimPlace);
    const left = shims.filter(({ containerId }) => containerId === id);
    await Promise.all(left.map((shim) => clearShim(shim, this.#shimPlace)));
  }

  async sweepShims(): Promise<readonly string[]> {
    const shims = await findShims(this.#shimPlace);
    const { tasks } = await this.#services.tasks.list({});
    const known = new Set(tasks.map((task) => toTaskStatus(task).containerId));
    const lost = shims.filter(({ containerId }) => !known.has(containerId));
    await Promise.all(lost.map((shim) => clearShim(shim, this.#shimPlace)));
    return lost.map(({ containerId }) => containerId);
  }

  async #endTask(id: string, pid: number): Promise<void> {
    const task = new Task(this.#containerd, this.#placeOf(id), { containerId: id, pid });
    await task.kill(9).catch(() => undefined); // it may have ended by itself
    await task.wait();
    await task.delete();
  }

  get #shimPlace(): ShimPlace {
    const { address, namespace } = this.#containerd;
    const { runcRoot, unmount = async () => undefined } = this.#options;
    return { address, namespace, runcRoot, unmount };
  }

  async forgetStreams(id: string): Promise<void> {
    await rm(this.#placeOf(id).folder, { recursive: true, force: true });
  }

  async retainStreams(ids: readonly string[]): Promise<void> {
    await this.#outputs?.[Symbol.asyncDispose]();
    this.#outputs = undefined;
    await this.#options.holder?.retainStreams(ids);
  }

  get #services() {
    return this.#containerd.services;
  }

  #placeOf(id: string): StreamsPlace {
    return { folder: join(this.#options.streamsRoot, id), makeFifo: this.#options.makeFifo };
  }

  async #open(id: string, paths: StdioPaths): Promise<OpenStdio | undefined> {
    if (paths.stdout === "") return undefined;
    return await openStdio(paths, async () => {
      await this.#services.tasks.closeIO({ containerId: id, stdin: true });
    });
  }

  /** Without it what the container writes last, when there is no daemon, is lost: no reason not to run it. */
  async #hold(id: string, { stdout, stderr }: StdioPaths, stdio: OpenStdio | undefined): Promise<void> {
    const { holder } = this.#options;
    if (!holder || !stdio) return;
    const hold = (paths: readonly string[]) =>
      holder.holdStreams(id, paths).catch((error) => {
        this.#containerd.log.warn(
          { container: id, reason: errorMessage(error) },
          "cannot hold standard streams",
        );
      });
    stdio.onClose = () => void hold([]);
    await hold([stdout, stderr].filter((path) => path !== ""));
  }

  /** Of a process that ran without us, or has ended since: then what it wrote last may still be there. */
  async #openAgain(
    name: { readonly containerId: string; readonly execId: string },
    { stdin, stdout, stderr, status }: Process,
  ): Promise<OpenStdio | undefined> {
    if (stdout === "") return undefined;
    const hasEnded = states[status] === "stopped";
    const closeInput = async () => void (await this.#services.tasks.closeIO({ ...name, stdin: true }));
    try {
      return await openStdio({ stdin: hasEnded ? "" : stdin, stdout, stderr }, closeInput);
    } catch (error) {
      // the process is worth more than its streams
      const log = hasEnded ? "debug" : "warn";
      this.#containerd.log[log](
        { ...name, reason: errorMessage(error) },
        "cannot open standard streams again",
      );
      return undefined;
    }
  }

  async #createProcess(
    id: string,
    paths: StdioPaths,
    options: { terminal: boolean; rootfs: readonly Mount[] },
  ): Promise<number> {
    const { terminal } = options;
    const rootfs = options.rootfs.map(toWireMount);
    try {
      const request = { containerId: id, rootfs, ...paths, terminal, options: this.#runc };
      return (await this.#services.tasks.create(request)).pid;
    } catch (error) {
      throw startFailure(error, "failed to create task for container");
    }
  }
}

function toRecord(container: Container): ContainerRecord {
  return {
    id: container.id,
    image: container.image,
    snapshotKey: container.snapshotKey,
    labels: container.labels,
    createdAt: toDate(container.createdAt),
  };
}

/**
 * containerd gives a shim two seconds to tell its task's state, which may be short on a busy machine; a broken one never
 * tells.
 */
async function answered(ask: () => Promise<readonly Process[]>): Promise<readonly Process[]> {
  const deadline = Date.now() + answersWithinMs;
  for (;;) {
    const processes = await ask();
    const isKnown = processes.every((process) => toTaskStatus(process).state !== "unknown");
    if (isKnown || Date.now() > deadline) return processes;
    await sleep(50);
  }
}

const answersWithinMs = 10_000;

const states: readonly TaskState[] = ["unknown", "created", "running", "stopped", "paused", "paused"];

// A task goes by its container's id; containerd leaves the field for the container empty in lists.
function toTaskStatus(process: Process): TaskStatus {
  const state = states[process.status] ?? "unknown";
  return {
    containerId: process.containerId === "" ? process.id : process.containerId,
    pid: process.pid,
    state,
    ...(state === "stopped" && { exit: { code: process.exitStatus, at: toDate(process.exitedAt) } }),
  };
}
