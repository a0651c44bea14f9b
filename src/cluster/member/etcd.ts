// The etcd member that this host runs: its start, its watch, its end. It may outlive the daemon and is then taken over
// by the next one rather than started again; the others hear nothing of it.

import { type ChildProcess, spawn } from "node:child_process";
import { access, chmod, mkdir, open, readlink, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage, hasCode, unavailable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import {
  childProcess,
  endProcess,
  findLeftOver,
  foreignProcess,
  type ProcessExit,
  type WatchedProcess,
} from "../../util/watched-process.ts";
import type { Credentials } from "../trust/index.ts";
import {
  type EtcdSpec,
  type EtcdStart,
  etcdArguments,
  etcdEnvironment,
  firstArguments,
} from "./etcd-arguments.ts";
import { type EndReason, readEndReason, rotateLog } from "./etcd-log.ts";
import { checkHealth } from "./health.ts";

export interface EtcdOptions {
  readonly spec: EtcdSpec;
  /** Where etcd's log and process id are kept. */
  readonly folder: string;
  readonly log: Log;
  readonly binary?: string;
}

const stopTimeoutMs = 10_000;
const longestBackoffMs = 10_000;
// An etcd that ran this long was well: the next back-off begins anew.
const healthyAfterMs = 10_000;

/** Owns the process. */
export class EtcdMember {
  readonly #options: EtcdOptions;
  readonly #log: Log;
  readonly #listeners = new Set<(reason: EndReason) => void>();
  readonly #stopping = new AbortController();
  readonly #release = new AbortController();
  #child: ChildProcess | undefined;
  #process: WatchedProcess | undefined;
  #watch: Promise<void> = Promise.resolve();
  #logStart = 0;
  #hasServed = false;
  #isEndExpected = false;

  private constructor(options: EtcdOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: "etcd" });
  }

  /**
   * Starts etcd, or takes over the one that runs here already. Whether it serves is another matter (`untilHealthy`):
   * after a restart that takes other members.
   * @throws unavailable when etcd is not installed, a port is taken, or its data is gone
   */
  static async start(options: EtcdOptions, start: EtcdStart): Promise<EtcdMember> {
    const member = new EtcdMember(options);
    await member.#begin(start);
    return member;
  }

  /** The process id now; changes when etcd is restarted; 0 while it is down. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Calls back at every death that was not asked for, before the restart. Returns how to stop listening. */
  onExit(listener: (reason: EndReason) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** While it is to end, it is no news when it does. */
  expectEnd(isExpected: boolean): void {
    this.#isEndExpected = isExpected;
  }

  /** Waits until it serves. @throws unavailable when it does not within `timeoutMs`, or ends */
  async untilHealthy(credentials: Credentials, timeoutMs: number): Promise<void> {
    const { address, ports } = this.#options.spec;
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      try {
        await checkHealth({ address, port: ports.client }, credentials, Math.min(2000, timeoutMs));
        this.#hasServed = true;
        return;
      } catch (error) {
        if (!this.#process) throw unavailable(`start etcd: ${(await this.#reason()).message}`, error);
        if (performance.now() >= deadline || this.#stopping.signal.aborted)
          throw unavailable(`wait for etcd: ${errorMessage(error)} (see ${this.#logFile})`, error);
        await sleep(50);
      }
    }
  }

  /** Ends it: SIGTERM, and after `patienceMs` SIGKILL. May be called twice. */
  async stop({ patienceMs = stopTimeoutMs }: { readonly patienceMs?: number } = {}): Promise<void> {
    this.#stopping.abort();
    if (this.#process) await endProcess(this.#process, patienceMs);
    await this.#watch;
    await rm(this.#pidFile, { force: true });
  }

  /** Leaves it running for the next daemon and watches it no more. */
  release(): void {
    this.#release.abort();
    this.#stopping.abort();
    this.#child?.unref();
  }

  get #pidFile(): string {
    return join(this.#options.folder, "etcd.pid");
  }

  get #logFile(): string {
    return join(this.#options.folder, "etcd.log");
  }

  async #begin(start: EtcdStart): Promise<void> {
    const { spec, folder } = this.#options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (start.kind === "again") await this.#checkData();
    await mkdir(spec.dataFolder, { recursive: true, mode: 0o700 });
    await chmod(spec.dataFolder, 0o700);
    this.#process = await this.#takeOver();
    this.#process ??= await this.#spawn(start);
    this.#watch = this.#keepAlive(this.#process, start);
  }

  // An etcd without its data would found a cluster of its own, with the same name and nothing in it.
  async #checkData(): Promise<void> {
    const { dataFolder } = this.#options.spec;
    try {
      await access(join(dataFolder, "member"));
    } catch {
      throw unavailable(
        `start etcd: ${dataFolder} has lost its data: remove this host from the cluster on another member, leave here with force, and join again`,
      );
    }
  }

  async #takeOver(): Promise<WatchedProcess | undefined> {
    const { spec } = this.#options;
    const found = await findLeftOver(this.#pidFile, `--data-dir=${spec.dataFolder}`);
    if (!found) return undefined;
    const running = foreignProcess(found.pid, {
      stop: this.#stopping.signal,
      release: this.#release.signal,
    });
    const isSame = etcdArguments(spec).every((word) => found.words.includes(word));
    if (isSame && !(await isReplaced(found.pid))) {
      this.#log.info({ pid: found.pid }, "taking over the etcd that is running");
      return running;
    }
    this.#log.info({ pid: found.pid }, "etcd was upgraded or has other options: starting it again");
    await endProcess(running, stopTimeoutMs);
    return undefined;
  }

  async #spawn(start: EtcdStart): Promise<WatchedProcess> {
    const { spec, binary = "etcd" } = this.#options;
    await checkPorts(spec);
    await rotateLog(this.#logFile);
    await using log = await open(this.#logFile, "a", 0o600);
    this.#logStart = (await log.stat()).size;
    // A session of its own: Ctrl-C in the daemon's terminal must not end etcd before the daemon is done.
    const child = spawn(binary, [...etcdArguments(spec), ...firstArguments(spec, start)], {
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
      env: etcdEnvironment(),
      cwd: "/",
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) => reject(explainSpawn(binary, error)));
    });
    const started = childProcess(child);
    this.#child = child;
    await writeFile(this.#pidFile, `${started.pid}\n`, { mode: 0o600 });
    this.#log.info({ pid: started.pid, address: spec.address }, "etcd is running");
    return started;
  }

  async #keepAlive(first: WatchedProcess, start: EtcdStart): Promise<void> {
    let current: WatchedProcess | undefined = first;
    let backoffMs = 0;
    let startedAt = performance.now();
    while (!this.#stopping.signal.aborted) {
      if (current && (await this.#ended(await current.exited)) === "removed") return;
      if (performance.now() - startedAt > healthyAfterMs) backoffMs = 0;
      await sleep(backoffMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      backoffMs = Math.min(Math.max(100, backoffMs * 2), longestBackoffMs);
      startedAt = performance.now();
      current = await this.#restart(start);
    }
  }

  async #restart(start: EtcdStart): Promise<WatchedProcess | undefined> {
    try {
      if (start.kind === "again" || this.#hasServed) await this.#checkData();
      this.#process = await this.#spawn(start);
      if (this.#stopping.signal.aborted) await endProcess(this.#process, stopTimeoutMs);
      return this.#process;
    } catch (error) {
      this.#log.error({ reason: errorMessage(error) }, "etcd does not start again");
      return undefined;
    }
  }

  /** Tells of an end that was not asked for. */
  async #ended(exit: ProcessExit): Promise<EndReason["kind"] | undefined> {
    this.#process = undefined;
    if (this.#stopping.signal.aborted) return undefined;
    const reason = await this.#reason(exit);
    const next = reason.kind === "removed" ? "it stays down" : "starting it again";
    if (this.#isEndExpected && reason.kind === "removed") return reason.kind;
    this.#log.error({ ...exit, reason: reason.message }, `etcd ended, ${next}; networks go on`);
    for (const listener of [...this.#listeners]) listener(reason);
    return reason.kind;
  }

  async #reason({ signal }: Partial<ProcessExit> = {}): Promise<EndReason> {
    const reason = await readEndReason(this.#logFile, this.#logStart);
    return reason.kind === "other" && signal ? { kind: "other", message: `it got ${signal}` } : reason;
  }
}

/** Whether the file that a process was started from has another in its place now. */
async function isReplaced(pid: number): Promise<boolean> {
  const program = await readlink(`/proc/${pid}/exe`).catch(() => "");
  return program.endsWith(" (deleted)");
}

function explainSpawn(binary: string, error: unknown): Error {
  return hasCode(error, "ENOENT")
    ? unavailable(`start ${binary}: etcd is not installed: apt-get install etcd-server`, error)
    : unavailable(`start ${binary}: ${errorMessage(error)}`, error);
}

async function checkPorts({ address, ports }: EtcdSpec): Promise<void> {
  for (const port of [ports.client, ports.peer]) await checkPort(address, port);
}

/** @throws unavailable when nothing can listen there */
export async function checkPort(address: string, port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(explainListen(address, port, error)));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** Why one cannot listen there. */
export function explainListen(address: string, port: number, error: unknown): Error {
  const where = `listen on ${address.includes(":") ? `[${address}]` : address}:${port}`;
  if (hasCode(error, "EADDRINUSE"))
    return unavailable(`${where}: the port is in use by another program`, error);
  if (hasCode(error, "EADDRNOTAVAIL"))
    return unavailable(`${where}: this host does not have the address`, error);
  return unavailable(`${where}: ${errorMessage(error)}`, error);
}
