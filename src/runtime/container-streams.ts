// The standard streams of containers: where they are, how they are opened, and who holds them while there is no daemon.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../util/errors.ts";
import type { Containerd } from "./containerd.ts";
import type { Process } from "./gen/process_pb.ts";
import { openOutputs } from "./output-readers.ts";
import type { RuntimeOptions } from "./runtime-types.ts";
import {
  makeFifos,
  noStdioPaths,
  type OpenStdio,
  openStdio,
  type StdioPaths,
  type StreamsPlace,
  stdioPaths,
} from "./stdio.ts";
import type { StreamOptions } from "./task.ts";
import { toTaskStatus } from "./task-status.ts";

type Options = Pick<RuntimeOptions, "streamsRoot" | "makeFifo" | "holder">;

/** Owns the outputs that are open for shims between a start and `retain`. */
export class ContainerStreams {
  readonly #containerd: Containerd;
  readonly #options: Options;
  #outputs: AsyncDisposable | undefined;

  constructor(containerd: Containerd, options: Options) {
    this.#containerd = containerd;
    this.#options = options;
  }

  placeOf(id: string): StreamsPlace {
    return { folder: join(this.#options.streamsRoot, id), makeFifo: this.#options.makeFifo };
  }

  /** Makes those of a container's first process. */
  async make(id: string, options: StreamOptions): Promise<StdioPaths> {
    if (options.discard) return noStdioPaths;
    const place = this.placeOf(id);
    const paths = stdioPaths(place.folder, id, options);
    await makeFifos(paths, place);
    return paths;
  }

  /** Undefined: the process has none. */
  async open(id: string, paths: StdioPaths): Promise<OpenStdio | undefined> {
    if (paths.stdout === "") return undefined;
    return await openStdio(paths, async () => {
      await this.#containerd.services.tasks.closeIO({ containerId: id, stdin: true });
    });
  }

  /** Without it what the container writes last, when there is no daemon, is lost: no reason not to run it. */
  async hold(id: string, { stdout, stderr }: StdioPaths, stdio: OpenStdio | undefined): Promise<void> {
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
  async openAgain(
    name: { readonly containerId: string; readonly execId: string },
    process: Process,
  ): Promise<OpenStdio | undefined> {
    const { stdin, stdout, stderr } = process;
    if (stdout === "") return undefined;
    const hasEnded = toTaskStatus(process).state === "stopped";
    const closeInput = async () =>
      void (await this.#containerd.services.tasks.closeIO({ ...name, stdin: true }));
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

  /** Removes a container's. */
  async forget(id: string): Promise<void> {
    await rm(this.placeOf(id).folder, { recursive: true, force: true });
  }

  /** Opens the outputs of all processes, for a shim that waits for a reader answers nothing. */
  async wakeShims(): Promise<void> {
    await this.#outputs?.[Symbol.asyncDispose]();
    this.#outputs = await openOutputs(this.#options.streamsRoot);
  }

  /** Those of these containers have been opened again: nobody else's is held. */
  async retain(ids: readonly string[]): Promise<void> {
    await this.#outputs?.[Symbol.asyncDispose]();
    this.#outputs = undefined;
    await this.#options.holder?.retainStreams(ids);
  }
}
