// The process of an enabled plugin: started as a container, ready when its socket answers, started again when it ends.

import { mkdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { type Containerd, forgetCgroups, type HostFacts, type Runtime, type Task } from "../runtime/index.ts";
import { errorMessage, unavailable } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { Undo } from "../util/undo.ts";
import type { PluginRecord } from "./record.ts";
import { type PluginPlaces, specOfPlugin } from "./spec.ts";

/** What runs plugins. */
export interface PluginGround {
  readonly containerd: Containerd;
  readonly runtime: Runtime;
  readonly host: HostFacts;
  /** Nobody may be there to read what plugins write: they go on without the daemon. */
  readonly outlives: boolean;
}

export interface ProcessParts {
  readonly ground: PluginGround;
  readonly places: PluginPlaces;
  readonly log: Log;
  /** Told when its socket answers, the first time and after each restart. */
  readonly onReady: () => void;
}

// dockerd: 500 ms, then four tries three seconds apart
const dialMs = 10_000;
const dialPauseMs = 20;
const stopMs = 10_000;
const firstPauseMs = 100;
const longestPauseMs = 30_000;
/** How long its outputs may be silent once it has ended: what it said last is still on its way. */
const lastWordsMs = 2_000;
/** One that has lived that long is started at once when it ends. */
const steadyMs = 10_000;
const [sigterm, sigkill] = [15, 9];

/** Owns the container of one plugin while it is enabled. */
export class PluginProcess {
  readonly #record: PluginRecord;
  readonly #parts: ProcessParts;
  readonly #over = new AbortController();
  #task: Task | undefined;
  #running: Promise<void> = Promise.resolve();
  #lastWords = "";
  /** Settles when all that it says has been heard. */
  #heard: Promise<unknown> = Promise.resolve();

  constructor(record: PluginRecord, parts: ProcessParts) {
    this.#record = record;
    this.#parts = parts;
  }

  get socket(): string {
    return socketOf(this.#record, this.#parts.places);
  }

  /** Resolves when its socket answers, and keeps it running from then on. @throws what keeps it from it; nothing is left */
  async start(): Promise<void> {
    const launch = this.#launch();
    this.#running = launch.then(
      (task) => this.#keep(task),
      () => undefined,
    );
    await launch;
  }

  /** Takes over one that went on without a daemon. False: there is none. */
  async adopt(): Promise<boolean> {
    const loaded = await this.#parts.ground.runtime.load(this.#record.id);
    if (loaded?.status.state !== "running") return false;
    this.#task = loaded.task;
    this.#parts.onReady();
    this.#running = this.#keep(loaded.task);
    return true;
  }

  /** As `start`, until it succeeds: one that ran before may need what is not there yet. */
  insist(): void {
    this.#running = this.#tryLaunch().then((task) => this.#keep(task));
  }

  /** Ends it, kindly first. What has ended already is success. */
  async stop(): Promise<void> {
    this.#over.abort();
    const task = this.#task;
    if (task) {
      const ended = task.wait();
      await task.kill(sigterm).catch(() => undefined); // it may have ended by itself
      const isLate = await Promise.race([ended.then(() => false), pause(stopMs, true, { ref: false })]);
      if (isLate) await task.kill(sigkill).catch(() => undefined);
      await ended;
    }
    await this.#running;
  }

  /** Leaves it to the next daemon. */
  letGo(): void {
    this.#over.abort("let go");
    this.#task?.stdio.release();
  }

  /** From one end to the next. Never rejects. */
  async #keep(first: Task | undefined): Promise<void> {
    let task = first;
    let pauseMs = firstPauseMs;
    while (task || !this.#isOver) {
      const since = performance.now();
      const status = await task?.wait().catch(() => undefined);
      if (this.#over.signal.reason === "let go") return;
      if (task) await this.#hearOut(task);
      if (task) await this.#clear(task);
      if (this.#isOver) return;
      if (task)
        this.#parts.log.warn(
          { code: status?.code, said: this.#lastWords },
          "a plugin ended, and is started again",
        );
      if (performance.now() - since > steadyMs) pauseMs = firstPauseMs;
      await pause(pauseMs, undefined, { signal: this.#over.signal, ref: false }).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, longestPauseMs);
      task = this.#isOver ? undefined : await this.#tryLaunch();
    }
  }

  async #tryLaunch(): Promise<Task | undefined> {
    return await this.#launch().catch((error) => {
      this.#parts.log.warn({ reason: errorMessage(error) }, "cannot start a plugin, it is tried again");
      return undefined;
    });
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted;
  }

  async #launch(): Promise<Task> {
    const { ground, places, log, onReady } = this.#parts;
    const { containerd, runtime, host } = ground;
    const record = this.#record;
    const { id, name } = record;
    await using undo = new Undo(log);
    await mkdir(places.sockets, { recursive: true, mode: 0o700 });
    if (this.#record.config.PropagatedMount) await mkdir(places.propagated, { recursive: true, mode: 0o755 });
    await rm(this.socket, { force: true });
    const spec = await specOfPlugin(this.#record, places, host);
    await runtime.abandonTask(id);
    await runtime.delete(id);
    await runtime.create({ id, image: name, snapshotKey: record.rootfs, spec });
    undo.defer("delete container", () => runtime.delete(id));
    const rootfs = await containerd.snapshots.mounts(record.rootfs);
    const streams = { terminal: false, stdin: false, discard: ground.outlives };
    const task = await runtime.createTask(id, { ...streams, rootfs });
    undo.defer("delete task", () => runtime.abandonTask(id));
    undo.defer("close streams", () => this.#forget(task));
    this.#hear(task);
    await task.start();
    this.#task = task;
    await this.#answers(task);
    undo.forget();
    onReady();
    return task;
  }

  /** Resolves when somebody listens on its socket. @throws unavailable */
  async #answers(task: Task): Promise<void> {
    const ended = new AbortController();
    const end = task.wait().then((status) => {
      ended.abort();
      return status;
    });
    const until = performance.now() + dialMs;
    while (!(await isListening(this.socket))) {
      const socket = this.#record.config.Interface.Socket;
      if (this.#isOver) throw unavailable(`plugin ${this.#record.name}: it was disabled`);
      if (ended.signal.aborted) {
        await this.#hearOut(task);
        throw unavailable(`plugin ${this.#record.name}: ${this.#ending((await end).code)}`);
      }
      if (performance.now() > until)
        throw unavailable(
          `plugin ${this.#record.name}: nobody listens on its socket ${socket} after ${dialMs / 1000} s`,
        );
      await pause(dialPauseMs, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  #ending(code: number): string {
    return `it ended with ${code} before its socket was there${this.#lastWords && `: ${this.#lastWords}`}`;
  }

  async #clear(task: Task): Promise<void> {
    const { runtime } = this.#parts.ground;
    const { id } = this.#record;
    this.#task = undefined;
    try {
      await task.delete();
      await this.#forget(task);
      await runtime.delete(id);
      await rm(this.socket, { force: true });
      await forgetCgroups(id);
    } catch (error) {
      this.#parts.log.warn({ reason: errorMessage(error) }, "clearing up after a plugin");
    }
  }

  async #forget(task: Task): Promise<void> {
    this.#task = undefined;
    await task.stdio.close();
    await this.#parts.ground.runtime.forgetStreams(this.#record.id);
  }

  /** What it says is the daemon's log's. */
  #hear({ stdio }: Task): void {
    const outputs = Object.entries({ stdout: stdio.stdout, stderr: stdio.stderr });
    this.#heard = Promise.all(outputs.map(([stream, output]) => output && this.#copy(stream, output)));
  }

  /** Of one that has ended. */
  async #hearOut({ stdio }: Task): Promise<void> {
    if (await stdio.drained(lastWordsMs)) await this.#heard;
  }

  async #copy(stream: string, output: Readable): Promise<void> {
    let rest = "";
    const say = (line: string) => {
      if (line.trim() === "") return;
      this.#lastWords = line.slice(0, 500);
      this.#parts.log.info({ stream }, line);
    };
    output.setEncoding("utf8");
    try {
      for await (const text of output as AsyncIterable<string>) {
        const lines = (rest + text).split("\n");
        rest = (lines.pop() ?? "").slice(-65_536);
        lines.forEach(say);
      }
    } catch {
      // its stream was closed with the plugin
    }
    say(rest);
  }
}

/** On the host. */
export function socketOf({ config }: PluginRecord, { sockets }: PluginPlaces): string {
  return join(sockets, config.Interface.Socket);
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
