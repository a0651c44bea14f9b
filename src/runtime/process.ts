// What a container's first process and its execs have in common: start, signals, the end, the streams.

import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import type { Containerd } from "./containerd.ts";
import { type ExitStatus, unknownExitCode } from "./exit-status.ts";
import { grpcCode, isNotFound, isUnavailable } from "./grpc-error.ts";
import { startFailure } from "./start-failure.ts";
import type { OpenStdio, Stdio } from "./stdio.ts";
import { noStdio } from "./stdio.ts";
import { toDate } from "./values.ts";

/** One process under a shim, named by its container and, for an exec, its exec id. */
export class ShimProcess {
  readonly containerId: string;
  /** "" for a container's first process. */
  readonly execId: string;
  readonly stdio: Stdio;
  readonly #containerd: Containerd;
  readonly #stdio: OpenStdio | undefined;
  #pid: number;
  #ended: Promise<ExitStatus> | undefined;

  constructor(
    containerd: Containerd,
    identity: { containerId: string; execId?: string; pid?: number; stdio?: OpenStdio | undefined },
  ) {
    this.#containerd = containerd;
    this.containerId = identity.containerId;
    this.execId = identity.execId ?? "";
    this.#pid = identity.pid ?? 0;
    this.#stdio = identity.stdio;
    this.stdio = identity.stdio ?? noStdio;
  }

  /** The process id in the daemon's pid namespace; 0 before an exec was started. */
  get pid(): number {
    return this.#pid;
  }

  /** Runs the command. Throws invalid when it is not there or not executable (see startFailureExitCode). */
  async start(): Promise<void> {
    // Asked before the start, so that the shortest life has its witness.
    this.wait().catch(() => undefined);
    try {
      const { pid } = await this.#tasks.start(this.#name);
      this.#pid = pid;
    } catch (error) {
      throw startFailure(error);
    }
    await this.connectStdin();
  }

  /** Opens our end of the standard input; the shim must have its own open. */
  async connectStdin(): Promise<void> {
    await this.#stdio?.stdin?.connect();
  }

  /** Sends a signal by number. Throws not-found when the process has ended. */
  async kill(signal: number, options: { readonly all?: boolean } = {}): Promise<void> {
    await this.#tasks.kill({ ...this.#name, signal, all: options.all ?? false });
  }

  /** How the process ended; waits for it, across restarts of containerd. A process that was deleted meanwhile ends with 255. */
  wait(): Promise<ExitStatus> {
    this.#ended ??= this.#waitForEnd();
    return this.#ended;
  }

  async resize(width: number, height: number): Promise<void> {
    await this.#tasks.resizePty({ ...this.#name, width, height });
  }

  /** Ends the process's standard input, whatever is still unwritten in ours. */
  async closeStdin(): Promise<void> {
    this.#stdio?.stdin?.destroy();
    await this.#tasks.closeIO({ ...this.#name, stdin: true });
  }

  get #tasks() {
    return this.#containerd.services.tasks;
  }

  get #name() {
    return { containerId: this.containerId, execId: this.execId };
  }

  async #waitForEnd(): Promise<ExitStatus> {
    for (let wasLost = false; ; wasLost = true) {
      try {
        const { exitStatus, exitedAt } = await this.#tasks.wait(this.#name);
        return { code: exitStatus, at: toDate(exitedAt) };
      } catch (error) {
        if (wasLost && isNotFound(error)) return { code: unknownExitCode, at: new Date() };
        if (!isUnavailable(error) && grpcCode(error) !== status.INTERNAL) {
          this.#ended = undefined;
          throw error;
        }
        // containerd is away or coming back: the shim keeps the answer.
        await sleep(100, undefined, { ref: false });
      }
    }
  }
}
