// Containers and their tasks: records in containerd, processes in shims.

import { errorMessage } from "../util/errors.ts";
import { Undo } from "../util/undo.ts";
import { anyMessage, anySpec } from "./any.ts";
import { ContainerStreams } from "./container-streams.ts";
import type { Containerd } from "./containerd.ts";
import type { Container } from "./gen/containers_pb.ts";
import { OptionsSchema } from "./gen/runc-options_pb.ts";
import { orAbsent } from "./grpc-error.ts";
import { clearShim, findShims, type Shim, type ShimPlace } from "./lost-shims.ts";
import type {
  ContainerRecord,
  ContainerSpec,
  LoadedExec,
  LoadedTask,
  Runtime,
  RuntimeOptions,
} from "./runtime-types.ts";
import { startFailure } from "./start-failure.ts";
import type { StdioPaths } from "./stdio.ts";
import { ExecProcess, type StreamOptions, Task } from "./task.ts";
import { answered, type TaskStatus, toTaskStatus } from "./task-status.ts";
import { type Mount, toDate, toWireMount } from "./values.ts";

/** The containers of containerd's namespace, run by runc under one root. */
export function createRuntime(containerd: Containerd, options: RuntimeOptions): Runtime {
  return new ContainerdRuntime(containerd, options);
}

class ContainerdRuntime implements Runtime {
  readonly #containerd: Containerd;
  readonly #options: RuntimeOptions;
  readonly #runc: { readonly typeUrl: string; readonly value: Uint8Array };
  readonly #streams: ContainerStreams;

  constructor(containerd: Containerd, options: RuntimeOptions) {
    this.#containerd = containerd;
    this.#options = options;
    this.#streams = new ContainerStreams(containerd, options);
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
    const streams = this.#streams;
    undo.defer("remove standard streams", () => streams.forget(id));
    const paths = await streams.make(id, options);
    const stdio = await streams.open(id, paths);
    undo.defer("close standard streams", () => stdio?.close());
    await streams.hold(id, paths, stdio);
    const pid = await this.#createProcess(id, paths, options);
    undo.forget();
    return new Task(this.#containerd, streams.placeOf(id), { containerId: id, pid, stdio });
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
    const stdio = await this.#streams.openAgain({ containerId: id, execId: "" }, process);
    await this.#streams.hold(id, process, stdio);
    const task = new Task(this.#containerd, this.#streams.placeOf(id), { containerId: id, pid, stdio });
    if (status.state === "running" || status.state === "paused") void task.connectStdin();
    return { task, status };
  }

  async loadExec(id: string, execId: string): Promise<LoadedExec | undefined> {
    const name = { containerId: id, execId };
    const response = await orAbsent(this.#services.tasks.get(name));
    if (!response?.process) return undefined;
    const { state } = toTaskStatus(response.process);
    const stdio = await this.#streams.openAgain(name, response.process);
    const process = new ExecProcess(this.#containerd, { ...name, pid: response.process.pid, stdio });
    if (state === "running" || state === "paused") void process.connectStdin();
    return { process, state };
  }

  async tasks(): Promise<readonly TaskStatus[]> {
    const list = async () => (await this.#services.tasks.list({})).tasks;
    return (await answered(list)).map(toTaskStatus);
  }

  wakeShims(): Promise<void> {
    return this.#streams.wakeShims();
  }

  forgetStreams(id: string): Promise<void> {
    return this.#streams.forget(id);
  }

  retainStreams(ids: readonly string[]): Promise<void> {
    return this.#streams.retain(ids);
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
    await Promise.all(left.map((shim) => this.#clearShim(shim)));
  }

  async sweepShims(): Promise<readonly string[]> {
    const shims = await findShims(this.#shimPlace);
    const { tasks } = await this.#services.tasks.list({});
    const known = new Set(tasks.map((task) => toTaskStatus(task).containerId));
    const lost = shims.filter(({ containerId }) => !known.has(containerId));
    const isCleared = await Promise.all(lost.map((shim) => this.#clearShim(shim)));
    return lost.filter((_, at) => isCleared[at]).map(({ containerId }) => containerId);
  }

  /** What stays of one container keeps no other from starting; itself it will say what is in its way. */
  async #clearShim(shim: Shim): Promise<boolean> {
    try {
      await clearShim(shim, this.#shimPlace);
      return true;
    } catch (error) {
      const fields = { container: shim.containerId, reason: errorMessage(error) };
      this.#containerd.log.warn(fields, "cannot clear what a lost shim left behind");
      return false;
    }
  }

  async #endTask(id: string, pid: number): Promise<void> {
    const task = new Task(this.#containerd, this.#streams.placeOf(id), { containerId: id, pid });
    await task.kill(9).catch(() => undefined); // it may have ended by itself
    await task.wait();
    await task.delete();
  }

  get #shimPlace(): ShimPlace {
    const { address, namespace } = this.#containerd;
    const { runcRoot, unmount = async () => undefined } = this.#options;
    return { address, namespace, runcRoot, unmount };
  }

  get #services() {
    return this.#containerd.services;
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
