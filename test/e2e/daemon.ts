// A real tsdockerd in a lab host, with what a test wants of it: its clients, its API, its log, and the certainty that
// nothing of it is left when it has ended.

import type { ChildProcess } from "node:child_process";
import { createWriteStream, existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, inject } from "vitest";
import { openNetlink } from "../../src/kernel/index.ts";
import { LabHost } from "../lab/lab.ts";
import { leaks, type Snapshot } from "../lab/leaks.ts";
import { everyStep } from "../lab/steps.ts";
import { type Answer, request } from "./http.ts";
import { type Image, imageArchive } from "./images.ts";
import { cgroupsOf, snapshotHost } from "./left-over.ts";
import { type Ran, type RunOptions, run, until } from "./run.ts";
import { Terminal } from "./terminal.ts";

const project = join(import.meta.dirname, "..", "..");

export type Client = "docker" | "tsdocker";

const programOf = (client: Client): string =>
  client === "docker" ? "docker" : join(project, "bin", "tsdocker");

export interface DaemonOptions {
  readonly host: LabHost;
  /** Its name for itself; the machine's when absent. */
  readonly hostname?: string;
  readonly flags?: readonly string[];
  readonly images?: readonly Image[];
  /** Contents of daemon.json. */
  readonly config?: object;
  /** Of the daemon's environment, given its folder. */
  readonly env?: (folder: string) => Readonly<Record<string, string>>;
}

export interface DockerEvent {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

/** Starts a daemon with folders of its own and waits until it serves. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  // short: a socket's path takes 107 bytes
  const folder = await mkdtemp(join(tmpdir(), "tsd-"));
  await writeFile(join(folder, "daemon.json"), JSON.stringify(options.config ?? {}));
  const before = await snapshotHost(options.host.netns, folder);
  const daemon = new Daemon(options, folder, before);
  try {
    await daemon.start();
    for (const image of options.images ?? ["busybox"]) await daemon.load(image);
    return daemon;
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
}

/** Owns a daemon's process and folder. */
export class Daemon implements AsyncDisposable {
  readonly host: LabHost;
  readonly folder: string;
  readonly socket: string;
  /** Everything that happened since its start. */
  events: DockerEvent[] = [];
  readonly #hostname: string | undefined;
  #flags: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #before: Snapshot;
  readonly #containerIds = new Set<string>();
  #process: ChildProcess | undefined;
  #watch: http.ClientRequest | undefined;
  /** Of containerd. */
  #namespace: string | undefined;

  constructor(options: DaemonOptions, folder: string, before: Snapshot) {
    this.host = options.host;
    this.folder = folder;
    this.socket = join(folder, "d.sock");
    this.#hostname = options.hostname;
    this.#flags = options.flags ?? [];
    this.#env = options.env?.(folder) ?? {};
    this.#before = before;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#process?.exitCode !== null || this.#process.signalCode !== null;
  }

  /** What the command line of this daemon is, for those who start it by hand. */
  get arguments(): string[] {
    const { folder } = this;
    return [
      join(inject("programs"), "tsdockerd.mjs"),
      ...["--data-root", join(folder, "data"), "--exec-root", join(folder, "run")],
      ...["--pidfile", join(folder, "pid"), "-H", `unix://${this.socket}`],
      ...["--config-file", join(folder, "daemon.json"), "-D", ...this.#flags],
    ];
  }

  /** Starts it, again after an end; with other flags from then on when some are given. */
  async start(flags = this.#flags): Promise<void> {
    this.#flags = flags;
    const [file = "", ...words] = [...this.#named, process.execPath, ...this.arguments];
    const child = this.host.spawn(file, words, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...this.#env },
    });
    const log = createWriteStream(this.#logPath, { flags: "a" });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    const logged = new Promise<void>((resolve) => child.once("close", () => log.end(resolve)));
    this.#process = child;
    const serves = async () => {
      if (child.exitCode !== null || child.signalCode !== null) {
        // who has its outputs too may live on
        await Promise.race([logged, pause(5_000, undefined, { ref: false })]);
        throw new Error(`the daemon ended: ${await this.log()}`);
      }
      return await this.api("GET", "/_ping").then(
        ({ status }) => status === 200,
        () => false,
      );
    };
    // long: a machine that builds other things beside needs its time
    await until("the daemon serves", serves, 60_000).catch(async (error) => {
      throw new Error(`${error}: ${await this.log()}`);
    });
    this.#followEvents();
  }

  /** What gives a command a hostname of its own; it stays the same process. */
  get #named(): string[] {
    if (this.#hostname === undefined) return [];
    return ["unshare", "--uts", "sh", "-c", `hostname ${this.#hostname} && exec "$@"`, "sh"];
  }

  get #logPath(): string {
    return join(this.folder, "log");
  }

  log(): Promise<string> {
    return readFile(this.#logPath, "utf8").catch(() => "");
  }

  async load(image: Image): Promise<void> {
    const { status, body } = await this.api("POST", "/images/load?quiet=1", await imageArchive(image));
    if (status !== 200 || String(JSON.stringify(body)).includes("errorDetail")) {
      throw new Error(`load ${image}: ${status} ${JSON.stringify(body)}`);
    }
  }

  /** A request without a version in its path, unless `path` has one. */
  async api(method: string, path: string, body?: unknown): Promise<Answer> {
    return await request(this.socket, method, path, body);
  }

  /** Like `api`, and rejects unless the status is 2xx; resolves with the body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  async ask(method: string, path: string, body?: unknown): Promise<any> {
    const answer = await this.api(method, path, body);
    if (answer.status < 300) return answer.body;
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  /** Runs the docker CLI against it. */
  docker(...args: readonly string[]): Promise<Ran> {
    return this.client("docker", args);
  }

  /** Runs bin/tsdocker against it. */
  tsdocker(...args: readonly string[]): Promise<Ran> {
    return this.client("tsdocker", args);
  }

  client(client: Client, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run(programOf(client), args, { ...options, env: { ...this.clientEnv, ...options.env } });
  }

  /** The client with a person before it. */
  terminal(client: Client, args: readonly string[]): Terminal {
    return new Terminal([programOf(client), ...args], this.clientEnv);
  }

  get clientEnv(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.socket}`, DOCKER_CONFIG: join(this.folder, "cli"), TERM: "xterm" };
  }

  /** The docker CLI again; rejects when it fails, resolves with what it printed, trimmed. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.docker(...args);
    if (code === 0) return stdout.trim();
    throw new Error(`docker ${args.join(" ")}: exit ${code}: ${stderr}${stdout}`);
  }

  /** A process inside a container's netns that listens and asks; close it before the container ends. */
  async inside(container: string): Promise<LabHost> {
    const { NetworkSettings } = await this.ask("GET", `/containers/${container}/json`);
    const path: string = NetworkSettings.SandboxKey;
    return new LabHost(container, path, await openNetlink(path));
  }

  /** Ends it as an operator does. @throws when it does not end, or not with 0 */
  async stop(): Promise<void> {
    const code = await this.signal("SIGTERM");
    if (code !== 0) throw new Error(`the daemon ended with ${code}: ${await this.log()}`);
  }

  /** Sends it a signal and waits for its end; resolves with the exit code, null when the signal ended it. */
  async signal(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? 0;
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    const code = await ended;
    clearTimeout(timer);
    this.#watch?.destroy();
    return code;
  }

  /**
   * Removes all containers, and networks and volumes that are not predefined: each of them, also behind one that stays.
   * A daemon that a test ended is started first.
   */
  async removeAll(): Promise<void> {
    if (this.hasEnded) await this.start();
    const containers: { Id: string }[] = await this.ask("GET", "/containers/json?all=1");
    await everyStep(
      ...containers.map(
        ({ Id }) =>
          () =>
            this.#remove(`/containers/${Id}?force=1&v=1`),
      ),
    );
    const networks: { Id: string; Name: string }[] = await this.ask("GET", "/networks");
    const made = networks.filter(({ Name }) => !["bridge", "host", "none"].includes(Name));
    const { Volumes } = await this.ask("GET", "/volumes");
    await everyStep(
      ...made.map(
        ({ Id }) =>
          () =>
            this.#remove(`/networks/${Id}`),
      ),
      ...(Volumes ?? []).map(
        ({ Name }: { Name: string }) =>
          () =>
            this.#remove(`/volumes/${Name}?force=1`),
      ),
    );
  }

  /** What goes by itself meanwhile is waited for. */
  async #remove(path: string): Promise<void> {
    await until(`${path} is gone`, async () => {
      const { status, body } = await this.api("DELETE", path);
      if (status < 300 || status === 404) return true;
      if (/already in progress/.test(JSON.stringify(body))) return false;
      throw new Error(`DELETE ${path}: ${status} ${JSON.stringify(body)}`);
    });
  }

  /** The host with the daemon running, once what goes and comes behind its answers has; compare two of them with `leaks`. */
  async snapshot(): Promise<Snapshot> {
    let snapshot = await snapshotHost(this.host.netns, this.folder);
    const isAtRest = async () => {
      if (await this.#isAtRest(snapshot)) return true;
      snapshot = await snapshotHost(this.host.netns, this.folder);
      return false;
    };
    // what does not go shows in the comparison
    await until("the host is at rest", isAtRest, 10_000).catch(() => undefined);
    return snapshot;
  }

  /** Nothing of endpoints is there beyond those of running containers, and namespaces are ready for the next. */
  async #isAtRest({ links = [], nftables = [], mounts = [], processes = [] }: Snapshot): Promise<boolean> {
    if (this.hasEnded) return true;
    const running: { HostConfig: { NetworkMode: string } }[] = await this.ask("GET", "/containers/json");
    const sandboxes = running.filter(({ HostConfig }) => !/^(host$|container:)/.test(HostConfig.NetworkMode));
    const ports = links.flatMap((line) => /^veth\w+/.exec(line) ?? []);
    const named = nftables.flatMap((line) => line.match(/\bveth\w+/g) ?? []);
    return (
      links.every((line) => !line.includes("tsdocker:deleted")) &&
      named.every((name) => ports.includes(name)) &&
      (sandboxes.length > 0 || ports.length === 0) &&
      (running.length > 0 || !processes.some((line) => line.includes("containerd-shim"))) &&
      mounts.filter(isPin).length >= sandboxes.length + readyNetns
    );
  }

  /** Keys of containerd's snapshots that belong to containers. */
  async containerSnapshots(): Promise<string[]> {
    const socket = join(this.folder, "run", "containerd", "containerd.sock");
    this.#namespace ??= (await run("ctr", ["-a", socket, "namespaces", "ls", "-q"])).stdout
      .split("\n")
      .find((name) => name.startsWith("tsdocker"));
    const { stdout } = await run("ctr", [
      "-a",
      socket,
      "-n",
      this.#namespace ?? "tsdocker",
      "snapshots",
      "ls",
    ]);
    return stdout.split("\n").flatMap((line) => /^([0-9a-f]{64}) /.exec(line)?.[1] ?? []);
  }

  /** Fails unless the host is, before long, as it was when this snapshot was taken. */
  async expectBackTo(before: Snapshot): Promise<void> {
    let left: ReturnType<typeof leaks> = {};
    await until(
      "all is as before",
      async () => {
        left = leaks(poolAside(before), poolAside(await this.snapshot()));
        return Object.keys(left).length === 0;
      },
      20_000,
    ).catch(() => undefined);
    expect(left).toEqual({});
  }

  /** Fails when anything of the daemon outlives it: what the kernel has must be what it had. */
  async expectNothingLeft(): Promise<void> {
    await this.expectBackTo(this.#before);
    expect(await cgroupsOf(this.#containerIds)).toEqual([]);
    for (const file of [
      "pid",
      "d.sock",
      join("run", "proxy.sock"),
      join("run", "containerd", "containerd.sock"),
    ])
      expect(existsSync(join(this.folder, file)), `${file} is left`).toBe(false);
  }

  /** Ends the daemon, checks that nothing is left, removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await everyStep(
      () => this.stop(),
      () => this.expectNothingLeft(),
      () => rm(this.folder, { recursive: true, force: true, maxRetries: 5 }),
    );
  }

  #followEvents(): void {
    this.events = [];
    let rest = "";
    this.#watch = http.get({ socketPath: this.socket, path: "/events?since=1" }, (response) => {
      response.setEncoding("utf8");
      response.on("error", () => undefined);
      response.on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.#note(JSON.parse(line));
      });
    });
    this.#watch.on("error", () => undefined);
  }

  #note(event: DockerEvent): void {
    this.events.push(event);
    if (event.Type === "container") this.#containerIds.add(event.Actor.ID);
  }
}

/** How many namespaces the daemon keeps ready. */
const readyNetns = 2;

const isPin = (line: string) => /\/run\/netns\/[0-9a-f]{12} /.test(line);

/** Those namespaces come and go; how many there are must not change. */
function poolAside(snapshot: Snapshot): Snapshot {
  const mounts = snapshot.mounts ?? [];
  const pins = mounts.filter(isPin).map((_, index) => `netns ${index}`);
  return { ...snapshot, mounts: [...mounts.filter((line) => !isPin(line)), ...pins] };
}
