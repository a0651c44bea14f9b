// The standard streams of a process: FIFOs whose other ends the shim holds. Opened without blocking and watched by
// the event loop, so that no thread waits for a peer. The FIFOs outlive the daemon; a new one opens them again.

import { constants, open as openCallback } from "node:fs";
import { mkdir, unlink } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { promisify } from "node:util";
import { hasCode, wrapError } from "../util/errors.ts";
import { StdinPipe } from "./stdin-pipe.ts";

/** What the daemon lends: making a FIFO takes a system call that Node lacks. */
export type MakeFifo = (path: string, mode: number) => void | Promise<void>;

/** Where the shim finds a process's streams; an empty path means: none. */
export interface StdioPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a container's FIFOs are and how they are made. */
export interface StreamsPlace {
  readonly folder: string;
  readonly makeFifo: MakeFifo;
}

export interface StdioSpec {
  /** With a terminal there is one stream for both outputs. */
  readonly terminal: boolean;
  readonly stdin: boolean;
}

/** The daemon's ends. The outputs must be read to their end at all times: a full pipe stops the container's writes. */
export interface Stdio {
  readonly stdout?: Readable;
  /** Absent with a terminal. */
  readonly stderr?: Readable;
  /** Takes data at once and delivers when the process exists; ending it ends the process's standard input. */
  readonly stdin?: Writable;
  /** Resolves when every output has ended, or after `timeoutMs`: a grandchild may hold an output open for ever. */
  drained(timeoutMs: number): Promise<boolean>;
  /** Closes our ends and removes the FIFOs; may be called twice. */
  close(): Promise<void>;
  /** Closes our ends and leaves the FIFOs to the next daemon; what was read already has been handed on. */
  release(): void;
}

export const noStdioPaths: StdioPaths = { stdin: "", stdout: "", stderr: "" };

/** The paths of a process's FIFOs under `folder`. */
export function stdioPaths(folder: string, processId: string, spec: StdioSpec): StdioPaths {
  return {
    stdin: spec.stdin ? join(folder, `${processId}-stdin`) : "",
    stdout: join(folder, `${processId}-stdout`),
    stderr: spec.terminal ? "" : join(folder, `${processId}-stderr`),
  };
}

/** Makes the FIFOs; what is left of an earlier process of the same name is replaced. */
export async function makeFifos(paths: StdioPaths, place: StreamsPlace): Promise<void> {
  await mkdir(place.folder, { recursive: true, mode: 0o700 });
  for (const path of present(paths)) {
    await unlinkIfThere(path);
    await place.makeFifo(path, 0o700);
  }
}

/** Opens our ends. `closeInput` is called after our end of stdin is closed, for the shim holds one of its own. */
export async function openStdio(paths: StdioPaths, closeInput: () => Promise<void>): Promise<OpenStdio> {
  const opened: Socket[] = [];
  try {
    for (const path of [paths.stdout, paths.stderr]) if (path !== "") opened.push(await openOutput(path));
    return new OpenStdio(
      paths,
      opened,
      paths.stdin === "" ? undefined : new StdinPipe(paths.stdin, closeInput),
    );
  } catch (error) {
    for (const socket of opened) socket.destroy();
    throw wrapError(error, "open standard streams");
  }
}

/** Owns our ends; `close` removes the FIFOs too. */
export class OpenStdio implements Stdio {
  readonly stdout?: Readable;
  readonly stderr?: Readable;
  readonly stdin?: StdinPipe;
  readonly #paths: StdioPaths;
  readonly #outputs: readonly Socket[];
  /** Called once, when the FIFOs are gone. */
  onClose: (() => void) | undefined;

  constructor(paths: StdioPaths, outputs: readonly Socket[], stdin: StdinPipe | undefined) {
    this.#paths = paths;
    this.#outputs = outputs;
    if (outputs[0]) this.stdout = outputs[0];
    if (outputs[1]) this.stderr = outputs[1];
    if (stdin) this.stdin = stdin;
  }

  async drained(timeoutMs: number): Promise<boolean> {
    const ends = this.#outputs.map((output) => finished(output, { writable: false }).catch(() => undefined));
    const { promise, resolve } = Promise.withResolvers<boolean>();
    // not before one more look at the outputs: we may have been held up for longer than that ourselves
    const timer = setTimeout(() => setImmediate(() => resolve(false)), timeoutMs);
    void Promise.all(ends).then(() => resolve(true));
    return await promise.finally(() => clearTimeout(timer));
  }

  release(): void {
    for (const output of this.#outputs) output.destroy();
    this.stdin?.destroy();
  }

  async close(): Promise<void> {
    this.release();
    await Promise.all(present(this.#paths).map(unlinkIfThere));
    this.onClose?.();
    this.onClose = undefined;
  }
}

/** A process without streams. */
export const noStdio: Stdio = {
  drained: () => Promise.resolve(true),
  close: () => Promise.resolve(),
  release: () => undefined,
};

const openFile = promisify(openCallback);

async function openOutput(path: string): Promise<Socket> {
  const fd = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  // Without a listener a failed read would end the daemon; the reader sees the stream close.
  socket.on("error", () => undefined);
  return socket;
}

function present(paths: StdioPaths): string[] {
  return [paths.stdin, paths.stdout, paths.stderr].filter((path) => path !== "");
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}
