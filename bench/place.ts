// A place for one daemon: a folder, a netns and a mount namespace that end with it, so that nothing is left behind.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export class Place implements AsyncDisposable {
  readonly folder: string;
  readonly #holder: ChildProcess;
  readonly #children = new Set<Child>();

  private constructor(folder: string, holder: ChildProcess) {
    this.folder = folder;
    this.#holder = holder;
  }

  static async create(name: string): Promise<Place> {
    const folder = await mkdtemp(`/tmp/bench-${name}-`);
    const run = join(folder, "run");
    await mkdir(run);
    // where a machine has its /run, sockets and FIFOs live on a tmpfs
    const script = 'mount -t tmpfs tmpfs "$0" && ip link set lo up && echo ready && exec sleep infinity';
    const argv = ["--net", "--mount", "--propagation", "slave", "sh", "-c", script, run];
    const holder = spawn("unshare", argv, { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve, reject) => {
      holder.stdout.once("data", resolve);
      holder.once("exit", (code) => reject(new Error(`make a place for ${name}: exit code ${code}`)));
    });
    return new Place(folder, holder);
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  /** Starts a program in the place; it is ended with it. What it prints goes to the folder's `log`. */
  start(argv: readonly string[]): Child {
    const enter = ["--target", String(this.#holder.pid), "--net", "--mount", "--", ...argv];
    const log = openSync(this.path("log"), "a");
    const child = new Child(spawn("nsenter", enter, { stdio: ["ignore", log, log] }));
    closeSync(log);
    this.#children.add(child);
    void child.ended.then(() => this.#children.delete(child));
    return child;
  }

  /** Processes in the place's netns; those in containers are elsewhere, shims are here. */
  async processes(): Promise<number[]> {
    const own = await readlink(`/proc/${this.#holder.pid}/ns/net`);
    const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name)).map(Number);
    const netns = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/net`).catch(() => "")));
    return pids.filter((pid, at) => netns[at] === own && pid !== this.#holder.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#children].reverse()) await child.stop();
    for (const pid of await this.processes()) tryKill(pid, "SIGKILL");
    this.#holder.kill();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** A process that was started here. */
export class Child {
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;

  constructor(process: ChildProcess) {
    this.#process = process;
    this.ended = new Promise((resolve) => process.once("exit", () => resolve()));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** SIGTERM, and SIGKILL after a minute. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill("SIGTERM");
    const late = setTimeout(() => this.#process.kill("SIGKILL"), 60_000);
    await this.ended;
    clearTimeout(late);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

export interface Memory {
  /** Proportional set size: shared pages by halves, thirds, … In bytes. */
  readonly pss: number;
  readonly rss: number;
}

/** What processes hold together, in bytes. */
export async function memoryOf(pids: readonly number[]): Promise<Memory> {
  const texts = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "")),
  );
  const sum = (field: string) =>
    texts.reduce((all, text) => all + Number(new RegExp(`^${field}: +(\\d+)`, "m").exec(text)?.[1] ?? 0), 0) *
    1024;
  return { pss: sum("Pss"), rss: sum("Rss") };
}

export async function programOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ").trim();
}

/** Asks every few milliseconds. @throws when it has not come true after a minute */
export async function until(what: string, isTrue: () => Promise<boolean>, everyMs = 2): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within a minute`);
    await sleep(everyMs);
  }
}
