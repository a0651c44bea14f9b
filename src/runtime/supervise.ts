// A containerd of the daemon's own: its configuration, its start, its watch, its end. Containers live in shims and
// outlast every death of containerd; one that a killed daemon left behind is taken over rather than started again.

import { spawn } from "node:child_process";
import { mkdir, open, readFile, readlink, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage, invalid, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import {
  childProcess,
  endProcess,
  findLeftOver,
  foreignProcess,
  type ProcessExit,
  type WatchedProcess,
} from "../util/watched-process.ts";
import { probeContainerd } from "./containerd.ts";
import { configToml } from "./containerd-config.ts";

export interface SuperviseOptions {
  /** Where images and snapshots are kept. */
  readonly root: string;
  /** Where sockets and shim state live: a tmpfs. Keep the path short: a unix socket's path has at most 107 bytes. */
  readonly state: string;
  /** Where containerd writes; absent: nowhere. */
  readonly logFile?: string;
  readonly log: Log;
  readonly binary?: string;
  /** How long a start may take, in milliseconds. */
  readonly startTimeoutMs?: number;
}

export interface Supervised {
  readonly address: string;
  /** The process id now; changes when containerd is restarted. */
  readonly pid: number;
  /** Ends containerd: SIGTERM, then SIGKILL. Containers go on in their shims. May be called twice. */
  stop(): Promise<void>;
  /** Leaves it running for the next daemon and watches it no more. */
  release(): void;
  /** Calls back at every death that was not asked for, before the restart. Returns how to stop listening. */
  onExit(listener: (exit: ProcessExit) => void): () => void;
}

const startTimeoutMs = 15_000;
const stopTimeoutMs = 15_000;
const longestBackoffMs = 10_000;
// A containerd that ran this long was well: the next back-off begins anew.
const healthyAfterMs = 10_000;

/** Starts containerd, or takes over the one that runs here already, and waits until it answers. Throws unavailable. */
export async function superviseContainerd(options: SuperviseOptions): Promise<Supervised> {
  const supervisor = new Supervisor(options);
  await supervisor.begin();
  return supervisor;
}

class Supervisor implements Supervised {
  readonly address: string;
  readonly #options: SuperviseOptions;
  readonly #log: Log;
  readonly #listeners = new Set<(exit: ProcessExit) => void>();
  readonly #stopping = new AbortController();
  #process: WatchedProcess | undefined;
  #watch: Promise<void> = Promise.resolve();

  constructor(options: SuperviseOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: "containerd" });
    this.address = join(options.state, "containerd.sock");
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async begin(): Promise<void> {
    const { root, state } = this.#options;
    checkSocketPath(`${this.address}.ttrpc`);
    await Promise.all([
      mkdir(root, { recursive: true, mode: 0o711 }),
      mkdir(state, { recursive: true, mode: 0o711 }),
    ]);
    const isReconfigured = await this.#writeConfig();
    this.#process = await this.#takeOver(isReconfigured);
    this.#process ??= await this.#start();
    this.#watch = this.#keepAlive(this.#process);
  }

  onExit(listener: (exit: ProcessExit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const running = this.#process;
    if (running) await endProcess(running, stopTimeoutMs);
    await this.#watch;
    await rm(this.#pidFile, { force: true });
  }

  release(): void {
    this.#stopping.abort();
  }

  get #pidFile(): string {
    return join(this.#options.state, "containerd.pid");
  }

  get #configFile(): string {
    return join(this.#options.state, "containerd.toml");
  }

  /** True when there is another configuration now. */
  async #writeConfig(): Promise<boolean> {
    const { root, state } = this.#options;
    const text = configToml({ root, state, address: this.address });
    const before = await readFile(this.#configFile, "utf8").catch(() => text);
    await writeFile(`${this.#configFile}.new`, text);
    await rename(`${this.#configFile}.new`, this.#configFile);
    return before !== text;
  }

  async #takeOver(isReconfigured: boolean): Promise<WatchedProcess | undefined> {
    const pid = (await findLeftOver(this.#pidFile, this.#configFile))?.pid;
    if (pid === undefined) return undefined;
    const found = foreignProcess(pid, { stop: this.#stopping.signal });
    if (isReconfigured || (await isReplaced(pid))) {
      this.#log.info({ pid }, "containerd was upgraded: starting the new one in place of the one that runs");
      await endProcess(found, stopTimeoutMs);
      return undefined;
    }
    try {
      await probeContainerd(this.address, 3000);
      this.#log.info({ pid }, "taking over the containerd that is running");
      return found;
    } catch (error) {
      this.#log.warn({ pid, reason: errorMessage(error) }, "a containerd is left over and does not answer");
      await endProcess(found, stopTimeoutMs);
      return undefined;
    }
  }

  async #start(): Promise<WatchedProcess> {
    const { binary = "containerd", logFile } = this.#options;
    await rm(this.address, { force: true });
    await using log = logFile === undefined ? undefined : await open(logFile, "a", 0o640);
    const output = log?.fd ?? "ignore";
    // A session of its own: Ctrl-C in the daemon's terminal must not end containerd before the daemon is done.
    const child = spawn(binary, ["--config", this.#configFile], {
      detached: true,
      stdio: ["ignore", output, output],
    });
    const started = childProcess(child);
    try {
      await waitForAnswer(this.address, started, this.#options.startTimeoutMs ?? startTimeoutMs);
    } catch (error) {
      if (child.pid !== undefined) await endProcess(started, 1000);
      throw unavailable(
        `start ${binary}: ${errorMessage(error)}${logFile ? ` (see ${logFile})` : ""}`,
        error,
      );
    }
    await writeFile(this.#pidFile, `${started.pid}\n`);
    this.#log.info({ pid: started.pid, address: this.address }, "containerd is running");
    return started;
  }

  async #keepAlive(first: WatchedProcess): Promise<void> {
    let current: WatchedProcess | undefined = first;
    let backoffMs = 0;
    let startedAt = Date.now();
    while (!this.#stopping.signal.aborted) {
      if (current) this.#report(await current.exited);
      if (Date.now() - startedAt > healthyAfterMs) backoffMs = 0;
      await sleep(backoffMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      backoffMs = Math.min(Math.max(100, backoffMs * 2), longestBackoffMs);
      startedAt = Date.now();
      current = await this.#restart();
    }
  }

  async #restart(): Promise<WatchedProcess | undefined> {
    try {
      this.#process = await this.#start();
      if (this.#stopping.signal.aborted) await endProcess(this.#process, stopTimeoutMs);
      return this.#process;
    } catch (error) {
      this.#log.error({ reason: errorMessage(error) }, "containerd does not start again");
      return undefined;
    }
  }

  #report(exit: ProcessExit): void {
    this.#process = undefined;
    if (this.#stopping.signal.aborted) return;
    this.#log.error({ ...exit }, "containerd ended, starting it again; containers go on");
    for (const listener of this.#listeners) listener(exit);
  }
}

/** Whether the file that a process was started from has another in its place now. */
async function isReplaced(pid: number): Promise<boolean> {
  const program = await readlink(`/proc/${pid}/exe`).catch(() => "");
  return program.endsWith(" (deleted)");
}

// The kernel's sun_path has 108 bytes, the last of them a zero; containerd's own message would not say so.
function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > 107)
    throw invalid(
      `start containerd: ${path} has ${length} bytes, a unix socket's path at most 107: choose a shorter root`,
    );
}

async function waitForAnswer(address: string, started: WatchedProcess, timeoutMs: number): Promise<void> {
  const ended = started.exited.then((exit) => {
    throw new Error(
      exit.signal !== null || exit.code !== null
        ? `it ended with ${exit.signal ?? `exit code ${exit.code}`}`
        : "it cannot be executed",
    );
  });
  const deadline = Date.now() + timeoutMs;
  const answer = async () => {
    for (;;) {
      try {
        return await probeContainerd(address, Math.max(1, Math.min(1000, deadline - Date.now())));
      } catch (error) {
        if (Date.now() >= deadline) throw error;
        await sleep(10);
      }
    }
  };
  await Promise.race([answer(), ended]);
}
