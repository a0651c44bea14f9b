// A container's first process with everything that concerns the container as a whole: execs, pause, limits, metrics.

import { isAbsolute } from "node:path";
import { invalid } from "../util/errors.ts";
import { anyProcess, anyResources } from "./any.ts";
import type { Containerd } from "./containerd.ts";
import type { ExitStatus } from "./exit-status.ts";
import { orAbsent } from "./grpc-error.ts";
import { decodeMetrics, type TaskMetrics } from "./metrics.ts";
import type { OciProcess, OciResources } from "./oci/schema.ts";
import { ShimProcess } from "./process.ts";
import { startFailure } from "./start-failure.ts";
import {
  makeFifos,
  noStdioPaths,
  type OpenStdio,
  openStdio,
  type StreamsPlace,
  stdioPaths,
} from "./stdio.ts";
import { toDate } from "./values.ts";

export interface StreamOptions {
  readonly terminal: boolean;
  /** Whether the process gets a standard input. */
  readonly stdin: boolean;
  /** True: nobody reads the outputs; they go nowhere and cost nothing. */
  readonly discard?: boolean;
}

/** A handle: dropping it leaves the task alone. */
export class Task extends ShimProcess {
  readonly #containerd: Containerd;
  readonly #place: StreamsPlace;

  constructor(
    containerd: Containerd,
    place: StreamsPlace,
    identity: { containerId: string; pid: number; stdio?: OpenStdio | undefined },
  ) {
    super(containerd, identity);
    this.#containerd = containerd;
    this.#place = place;
  }

  /** Registers another process in the container; nothing runs before its start(). */
  async exec(execId: string, process: OciProcess, options: StreamOptions): Promise<ExecProcess> {
    if (!isAbsolute(process.cwd))
      throw invalid(`exec in ${this.containerId}: working directory must be absolute`);
    const paths = options.discard ? noStdioPaths : stdioPaths(this.#place.folder, execId, options);
    if (!options.discard) await makeFifos(paths, this.#place);
    const name = { containerId: this.containerId, execId };
    const stdio = options.discard
      ? undefined
      : await openStdio(paths, async () => void (await this.#tasks.closeIO({ ...name, stdin: true })));
    try {
      const spec = anyProcess({ ...process, terminal: options.terminal });
      await this.#tasks.exec({ ...name, ...paths, terminal: options.terminal, spec });
    } catch (error) {
      await stdio?.close();
      throw startFailure(error);
    }
    return new ExecProcess(this.#containerd, { ...name, stdio });
  }

  /** Takes the ended process away, unmounts the root file system, ends the shim. What is gone already is success. */
  async delete(): Promise<ExitStatus | undefined> {
    const response = await orAbsent(this.#tasks.delete({ containerId: this.containerId }));
    return response && { code: response.exitStatus, at: toDate(response.exitedAt) };
  }

  async pause(): Promise<void> {
    await this.#tasks.pause({ containerId: this.containerId });
  }

  async resume(): Promise<void> {
    await this.#tasks.resume({ containerId: this.containerId });
  }

  /** The ids of all processes in the container, as the daemon's pid namespace sees them. */
  async pids(): Promise<readonly number[]> {
    const { processes } = await this.#tasks.listPids({ containerId: this.containerId });
    return processes.map(({ pid }) => pid);
  }

  /** What the container uses now; undefined when it is not running. */
  async metrics(): Promise<TaskMetrics | undefined> {
    const { metrics } = await this.#tasks.metrics({ filters: [`id==${this.containerId}`] });
    const [metric] = metrics;
    return metric && decodeMetrics(metric);
  }

  /** Changes limits while the container runs. */
  async update(resources: OciResources): Promise<void> {
    await this.#tasks.update({ containerId: this.containerId, resources: anyResources(resources) });
  }

  get #tasks() {
    return this.#containerd.services.tasks;
  }
}

/** A further process in a container. A handle: dropping it leaves the process alone. */
export class ExecProcess extends ShimProcess {
  readonly #containerd: Containerd;

  constructor(
    containerd: Containerd,
    identity: { containerId: string; execId: string; pid?: number; stdio?: OpenStdio | undefined },
  ) {
    super(containerd, identity);
    this.#containerd = containerd;
  }

  /** Takes the ended (or never started) process away. What is gone already is success. */
  async delete(): Promise<ExitStatus | undefined> {
    const name = { containerId: this.containerId, execId: this.execId };
    const response = await orAbsent(this.#containerd.services.tasks.deleteProcess(name));
    return response && { code: response.exitStatus, at: toDate(response.exitedAt) };
  }
}
