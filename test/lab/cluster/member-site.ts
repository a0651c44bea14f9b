// Hosts of a lab that form a cluster by themselves: a process in each that does what a daemon does with its membership.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, inject } from "vitest";
import type { ClusterIdentity } from "../../../src/cluster/join/identity.ts";
import type { MemberRecord } from "../../../src/cluster/member/members.ts";
import { EngineError, hasCode } from "../../../src/util/errors.ts";
import { Lab, type LabHost, type Segment } from "../lab.ts";
import { everyStep } from "../steps.ts";

export interface MemberState {
  readonly nodeId: string;
  readonly cluster: ClusterIdentity | null;
  readonly etcdPid: number;
  /** Of the host's certificate. */
  readonly serial: string | null;
  readonly trouble: string | null;
  readonly removed: string | null;
  readonly store: "connected" | "frozen" | null;
  readonly seats: Readonly<Record<string, string>>;
}

let sites = 0;

/** Owns the lab, and a folder outside of it that stands for the hosts' disks. */
export class MemberSite implements AsyncDisposable {
  readonly lab: Lab;
  readonly lan: Segment;
  readonly folder: string;
  readonly #hosts: MemberHost[] = [];

  private constructor(lab: Lab) {
    this.lab = lab;
    this.lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
    this.folder = `/tmp/tsdocker-members-${process.pid}-${++sites}`;
  }

  static async create(): Promise<MemberSite> {
    const site = new MemberSite(await Lab.create());
    await mkdir(site.folder, { mode: 0o700 });
    return site;
  }

  /** A host with its daemon, in no cluster. */
  async host(name: string, options: { readonly etcd?: string } = {}): Promise<MemberHost> {
    // a test's second try has another
    const others = this.#hosts.filter(({ lab }) => lab.name === name || lab.name.startsWith(`${name}-again`));
    const own = others.length === 0 ? name : `${name}-again${others.length}`;
    const host = new MemberHost(await this.lan.host(own), join(this.folder, own), options.etcd);
    this.#hosts.push(host);
    await host.start();
    return host;
  }

  /** Hosts `h1`, `h2`, … : the first makes a cluster, the others join it. All are members when there are three. */
  async cluster(number: number): Promise<readonly [MemberHost, MemberHost, MemberHost, ...MemberHost[]]> {
    const hosts: MemberHost[] = [];
    for (let count = 1; count <= number; count++) hosts.push(await this.host(`h${count}`));
    const [first, second, third, ...more] = hosts;
    if (!first || !second || !third) throw new RangeError("a cluster of less than three is made by hand");
    await first.call("init", {});
    const token = await first.token();
    for (const host of hosts.slice(1)) await host.join(token, first);
    for (const host of [first, second, third]) await host.until(({ cluster }) => isSettled(cluster));
    return [first, second, third, ...more];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const leftOver: number[] = [];
    await everyStep(
      ...this.#hosts.map((host) => () => host.close()),
      async () =>
        void leftOver.push(...(await Promise.all(this.#hosts.map((host) => host.etcdProcesses()))).flat()),
      () => this.lab[Symbol.asyncDispose](),
      () => rm(this.folder, { recursive: true, force: true }),
    );
    expect(leftOver, "etcd processes that outlive their hosts").toEqual([]);
  }
}

/** A member that needs no telling any more. */
export function isSettled(cluster: ClusterIdentity | null): boolean {
  return cluster?.role === "member" && !cluster.starting && !cluster.isFounding;
}

/** A host and the process on it. */
export class MemberHost {
  readonly lab: LabHost;
  readonly folder: string;
  /** All that the process has logged. */
  readonly logFile: string;
  readonly #etcd: string | undefined;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (reason: Error) => void }>();
  #process: ChildProcess | undefined;
  #next = 0;

  constructor(lab: LabHost, folder: string, etcd: string | undefined) {
    this.lab = lab;
    this.folder = folder;
    this.logFile = `${folder}.log`;
    this.#etcd = etcd;
  }

  get address(): string {
    return this.lab.address();
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  async start(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o755 });
    const script = join(inject("programs"), "member-agent.mjs");
    const args = [script, join(this.folder, "cluster"), this.lab.name, ...(this.#etcd ? [this.#etcd] : [])];
    const child = this.lab.spawn(process.execPath, args, { stdio: ["ignore", "inherit", "pipe", "ipc"] });
    this.#process = child;
    child.stderr?.on("data", (chunk) => appendFileSync(this.logFile, chunk));
    child.on("message", (message) => this.#answer(message as Answer));
    child.once("exit", () => {
      for (const { reject } of this.#calls.values())
        reject(new Error(`the process on ${this.lab.name} ended`));
      this.#calls.clear();
    });
    const ended = once(child, "exit").then(async () => {
      throw new Error(`the process on ${this.lab.name} ended: ${await this.log()}`);
    });
    await Promise.race([new Promise<void>((resolve) => this.#readies.push(resolve)), ended]);
    ended.catch(() => undefined);
  }

  readonly #readies: (() => void)[] = [];

  /** @throws EngineError with the kind that the operation failed with */
  async call<T = unknown>(operation: string, request: object = {}): Promise<T> {
    const [call, child] = [++this.#next, this.#process];
    if (!child) throw new Error(`nothing runs on ${this.lab.name}`);
    return (await new Promise<unknown>((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
      child.send({ call, operation, request });
    })) as T;
  }

  async state(): Promise<MemberState> {
    return await this.call<MemberState>("state");
  }

  async token(options: object = {}): Promise<string> {
    return await this.call<string>("token", options);
  }

  async join(token: string, at: MemberHost, options: object = {}): Promise<void> {
    await this.call("join", { token, remotes: [at.address], ...options });
  }

  async members(): Promise<readonly MemberRecord[]> {
    return await this.call<readonly MemberRecord[]>("members");
  }

  /** Waits until the host is as wanted. */
  async until(isSo: (state: MemberState) => boolean, timeout = 40_000): Promise<MemberState> {
    const deadline = Date.now() + timeout;
    for (;;) {
      const state = await this.state();
      if (isSo(state)) return state;
      if (Date.now() > deadline)
        throw new Error(
          `${this.lab.name} is not as wanted: ${JSON.stringify(state)}\n${(await this.log()).slice(-4000)}`,
        );
      await sleep(100);
    }
  }

  async log(): Promise<string> {
    return await readFile(this.logFile, "utf8").catch(() => "");
  }

  /** As `kill -9` of the daemon: etcd goes on. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** An orderly end of the daemon, with or without its etcd. */
  async stop(options: { readonly keepEtcd: boolean }): Promise<void> {
    await this.call("end", options);
    await this.#end("SIGKILL");
  }

  /** Ends whatever runs on the host. */
  async close(): Promise<void> {
    await this.#end("SIGKILL");
    await this.killEtcd();
    for (let round = 0; (await this.etcdProcesses()).length > 0 && round < 200; round++) await sleep(50);
  }

  /** Those of this host's folder; one that ends meanwhile is as good. */
  async killEtcd(): Promise<void> {
    for (const pid of await this.etcdProcesses())
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if (!hasCode(error, "ESRCH")) throw error;
      }
  }

  /** Of this host's folder. */
  async etcdProcesses(): Promise<number[]> {
    const word = `--data-dir=${join(this.folder, "cluster/etcd")}`;
    const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name));
    const found = await Promise.all(
      pids.map(async (pid) => {
        const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
        return words.split("\0").includes(word) ? [Number(pid)] : [];
      }),
    );
    return found.flat();
  }

  /** Files of the membership by path, with their modes in octal. */
  async files(): Promise<Record<string, string>> {
    const root = join(this.folder, "cluster");
    const found = await readdir(root, { recursive: true, withFileTypes: true });
    const modes = found
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        // etcd's own come and go
        const found = await stat(path).catch(() => undefined);
        return found ? [[path.slice(root.length + 1), (found.mode & 0o777).toString(8)] as const] : [];
      });
    return Object.fromEntries((await Promise.all(modes)).flat());
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  #answer({ ready, call, value, error, kind }: Answer): void {
    if (ready) this.#readies.shift()?.();
    const waiting = this.#calls.get(call ?? 0);
    this.#calls.delete(call ?? 0);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new EngineError(kind ?? "internal", error));
  }
}

interface Answer {
  readonly ready?: boolean;
  readonly call?: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly kind?: EngineError["kind"];
}
