// A containerd of the daemon's own: its configuration, its start, its watch, its end. Containers live in shims and
// outlast every death of containerd; one that a killed daemon left behind is taken over rather than started again.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { probeContainerd } from "./containerd.ts";
import { configToml } from "./containerd-config.ts";
import { findLeftOver, isAlive } from "./left-over.ts";

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

export interface ContainerdExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Supervised {
  readonly address: string;
  /** The process id now; changes when containerd is restarted. */
  readonly pid: number;
  /** Ends containerd: SIGTERM, then SIGKILL. Containers go on in their shims. May be called twice. */
  stop(): Promise<void>;
  /** Calls back at every death that was not asked for, before the restart. Returns how to stop listening. */
  onExit(listener: (exit: ContainerdExit) => void): () => void;
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

interface Process {
  readonly pid: number;
  readonly exited: Promise<ContainerdExit>;
}

class Supervisor implements Supervised {
  readonly address: string;
  readonly #options: SuperviseOptions;
  readonly #log: Log;
  readonly #listeners = new Set<(exit: ContainerdExit) => void>();
  readonly #stopping = new AbortController();
  #process: Process | undefined;
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
    await Promise.all([
      mkdir(root, { recursive: true, mode: 0o711 }),
      mkdir(state, { recursive: true, mode: 0o711 }),
    ]);
    await this.#writeConfig();
    this.#process = await this.#takeOver();
    this.#process ??= await this.#start();
    this.#watch = this.#keepAlive(this.#process);
  }

  onExit(listener: (exit: ContainerdExit) => void): () => void {
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

  get #pidFile(): string {
    return join(this.#options.state, "containerd.pid");
  }

  get #configFile(): string {
    return join(this.#options.state, "containerd.toml");
  }

  async #writeConfig(): Promise<void> {
    const { root, state } = this.#options;
    await writeFile(`${this.#configFile}.new`, configToml({ root, state, address: this.address }));
    await rename(`${this.#configFile}.new`, this.#configFile);
  }

  async #takeOver(): Promise<Process | undefined> {
    const pid = await findLeftOver(this.#pidFile, this.#configFile);
    if (pid === undefined) return undefined;
    const found = { pid, exited: watchForeign(pid, this.#stopping.signal) };
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

  async #start(): Promise<Process> {
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

  async #keepAlive(first: Process): Promise<void> {
    let current: Process | undefined = first;
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

  async #restart(): Promise<Process | undefined> {
    try {
      this.#process = await this.#start();
      if (this.#stopping.signal.aborted) await endProcess(this.#process, stopTimeoutMs);
      return this.#process;
    } catch (error) {
      this.#log.error({ reason: errorMessage(error) }, "containerd does not start again");
      return undefined;
    }
  }

  #report(exit: ContainerdExit): void {
    this.#process = undefined;
    if (this.#stopping.signal.aborted) return;
    this.#log.error({ ...exit }, "containerd ended, starting it again; containers go on");
    for (const listener of this.#listeners) listener(exit);
  }
}

function childProcess(child: ChildProcess): Process {
  const exited = new Promise<ContainerdExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  });
  return { pid: child.pid ?? 0, exited };
}

/** The end of a process that is not our child can only be looked for. */
async function watchForeign(pid: number, stop: AbortSignal): Promise<ContainerdExit> {
  while (await isAlive(pid)) {
    // After the stop was asked for, look quickly: somebody waits.
    await sleep(stop.aborted ? 20 : 500, undefined, stop.aborted ? {} : { signal: stop }).catch(
      () => undefined,
    );
  }
  return { code: null, signal: null };
}

async function endProcess(process_: Process, patienceMs: number): Promise<void> {
  signal(process_.pid, "SIGTERM");
  const patience = new AbortController();
  const inTime = await Promise.race([
    process_.exited.then(() => true),
    sleep(patienceMs, false, { signal: patience.signal }).catch(() => false),
  ]);
  patience.abort();
  if (inTime) return;
  signal(process_.pid, "SIGKILL");
  await process_.exited;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

async function waitForAnswer(address: string, started: Process, timeoutMs: number): Promise<void> {
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
