// Real etcd members on lab hosts, to be killed, stopped, started again and cut off; and a way to them for a client that
// is a part of the test itself.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Endpoint } from "../../../src/cluster/etcd/index.ts";
import { Undo } from "../../../src/util/undo.ts";
import type { LabHost } from "../lab.ts";

export interface EtcdTls {
  /** Paths of PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface EtcdFixtureOptions {
  /** For clients; members among themselves talk in the clear. Clients must have a certificate of the CA. */
  readonly tls?: EtcdTls;
  /** `--quota-backend-bytes`. */
  readonly quotaBytes?: number;
  readonly args?: readonly string[];
}

/** Where a netns has an address: a lab host does. */
export interface EtcdPlace {
  readonly netns: string;
  address(): string;
}

let fixtures = 0;

/** A process in a netns through which this one talks to etcd. */
export class Reach implements AsyncDisposable {
  readonly endpoints: readonly Endpoint[];
  readonly #relay: ChildProcess;

  private constructor(endpoints: readonly Endpoint[], relay: ChildProcess) {
    this.endpoints = endpoints;
    this.#relay = relay;
  }

  static async open(netns: string, { folder, members }: EtcdFixture): Promise<Reach> {
    const sockets = await mkdtemp(join(folder, "reach-"));
    const names = members.map(({ address }) => `${address}:2379`);
    const script = join(import.meta.dirname, "relay.mjs");
    const args = [`--net=${netns}`, process.execPath, script, sockets, ...names];
    const relay = spawn("nsenter", args, { stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(relay, "exit").then(() => Promise.reject(new Error(`no relay in ${netns}`)));
    await Promise.race([once(relay.stdout, "data"), ended]);
    ended.catch(() => undefined);
    const endpoints = names.map((name, index) => {
      const target = `unix:${join(sockets, name)}`;
      return { name, host: members[index]?.address ?? "", target, isSecure: undefined };
    });
    return new Reach(endpoints, relay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#relay.exitCode !== null || this.#relay.signalCode !== null) return;
    const ended = once(this.#relay, "exit");
    this.#relay.stdin?.end();
    await ended;
  }
}

/** Members in the order of their hosts. Disposing it ends them and removes what they wrote. */
export class EtcdFixture implements AsyncDisposable {
  readonly members: readonly EtcdProcess[];
  readonly folder: string;
  readonly #undo: Undo;
  readonly #options: EtcdFixtureOptions;

  private constructor(parts: {
    folder: string;
    members: EtcdProcess[];
    undo: Undo;
    options: EtcdFixtureOptions;
  }) {
    this.folder = parts.folder;
    this.members = parts.members;
    this.#undo = parts.undo;
    this.#options = parts.options;
  }

  /** One member on each place; resolves when they answer. The folder is in memory, so that nothing waits for a disk. */
  static async start(places: readonly EtcdPlace[], options: EtcdFixtureOptions = {}): Promise<EtcdFixture> {
    await using undo = new Undo();
    const folder = await mkdtemp(`/run/tsdocker-etcd-${process.pid}-${++fixtures}-`);
    undo.defer("remove folder", () => rm(folder, { recursive: true, force: true }));
    const peers = places.map((place, index) => `m${index}=http://${place.address()}:2380`).join(",");
    const members = places.map((place, index) => new EtcdProcess({ place, index, folder, peers, options }));
    for (const member of members) undo.defer("kill etcd", () => member.kill());
    await Promise.all(members.map((member) => member.start()));
    const fixture = new EtcdFixture({ folder, members, undo: undo.move(), options });
    try {
      await fixture.leader();
      return fixture;
    } catch (error) {
      await fixture[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** For clients in the lab: `http://192.0.2.1:2379,…`. */
  get endpoints(): string {
    const scheme = this.#options.tls ? "https" : "http";
    return this.members.map((member) => `${scheme}://${member.address}:2379`).join(",");
  }

  /** Endpoints that lead from this process to the members by way of a host's netns. */
  async reachFrom(host: { readonly netns: string }): Promise<Reach> {
    const reach = await Reach.open(host.netns, this);
    this.#undo.defer("close reach", () => reach[Symbol.asyncDispose]());
    return reach;
  }

  /** The index of the member that leads; waits until all that run and are not cut off follow it. */
  async leader(which = this.members): Promise<number> {
    const running = which.filter((member) => member.isRunning);
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline) {
      const roles = await Promise.all(running.map((member) => member.role()));
      const leader = running[roles.indexOf("leader")];
      if (leader && roles.filter((role) => role === "follower").length === running.length - 1)
        return this.members.indexOf(leader);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`etcd has no leader\n${await this.logs()}`);
  }

  async logs(): Promise<string> {
    const logs = await Promise.all(this.members.map((member) => member.log()));
    return logs.map((log, index) => `--- m${index}\n${log.slice(-4_000)}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.dispose();
  }
}

/** One member, and its data that outlives its process. */
export class EtcdProcess {
  readonly #place: EtcdPlace;
  readonly #name: string;
  readonly #args: readonly string[];
  readonly #logPath: string;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  constructor(parts: {
    place: EtcdPlace;
    index: number;
    folder: string;
    peers: string;
    options: EtcdFixtureOptions;
  }) {
    const { place, index, folder, peers, options } = parts;
    const scheme = options.tls ? "https" : "http";
    this.#place = place;
    this.#name = `m${index}`;
    this.#logPath = join(folder, `m${index}.log`);
    this.#folder = folder;
    const urls = (own: string, port: number) => `${own}://${place.address()}:${port}`;
    this.#args = [
      ...["--name", this.#name, "--data-dir", join(folder, this.#name)],
      ...["--listen-peer-urls", urls("http", 2380), "--initial-advertise-peer-urls", urls("http", 2380)],
      ...["--listen-client-urls", urls(scheme, 2379), "--advertise-client-urls", urls(scheme, 2379)],
      ...["--initial-cluster", peers, "--initial-cluster-state", "new"],
      ...["--initial-cluster-token", folder, "--logger", "zap", "--log-outputs", "stderr"],
      ...["--log-level", "warn"],
      // a file in the folder that it starts in, for what a test asks without a netns or a certificate: who leads
      ...["--listen-metrics-urls", `unix://${this.#name}:1`],
      ...(options.tls ? tlsArguments(options.tls) : []),
      ...(options.quotaBytes ? ["--quota-backend-bytes", String(options.quotaBytes)] : []),
      ...(options.args ?? []),
    ];
  }

  get address(): string {
    return this.#place.address();
  }

  get isRunning(): boolean {
    return (
      this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  /** Starts it, again too; resolves when its process runs. */
  async start(): Promise<void> {
    if (this.isRunning) return;
    const log = await open(this.#logPath, "a");
    try {
      const args = [`--net=${this.#place.netns}`, "etcd", ...this.#args];
      this.#process = spawn("nsenter", args, {
        stdio: ["ignore", log.fd, log.fd],
        cwd: this.#folder,
        env: { PATH: process.env.PATH ?? "" },
      });
      await once(this.#process, "spawn");
    } finally {
      await log.close();
    }
  }

  /** As a crash does. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** As an administrator does. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** It keeps its connections and answers nothing. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Loses what it had on disk. */
  async wipe(): Promise<void> {
    await this.kill();
    await rm(join(this.#folder, this.#name), { recursive: true, force: true });
  }

  log(): Promise<string> {
    return readFile(this.#logPath, "utf8").catch(() => "");
  }

  /** Whether it leads or follows, by its own word; undefined while it does not answer or knows no leader. */
  async role(): Promise<"leader" | "follower" | undefined> {
    const lines = (await this.#metrics().catch(() => "")).split("\n");
    if (!lines.includes("etcd_server_has_leader 1")) return undefined;
    return lines.includes("etcd_server_is_leader 1") ? "leader" : "follower";
  }

  async #metrics(): Promise<string> {
    const socketPath = join(this.#folder, `${this.#name}:1`);
    return await new Promise((resolve, reject) => {
      const request = get({ socketPath, path: "/metrics", timeout: 1_000 }, (answer) =>
        text(answer).then(resolve, reject),
      );
      request.on("timeout", () => request.destroy(new Error("no answer")));
      request.on("error", reject);
    });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (!child || !this.isRunning) return;
    const ended = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
  }
}

function tlsArguments({ ca, cert, key }: EtcdTls): string[] {
  return ["--client-cert-auth", "--trusted-ca-file", ca, "--cert-file", cert, "--key-file", key];
}

export type Way = "input" | "output";

/** Nothing passes between a host and these addresses any more, either way, until `join` is called. */
export async function cut(
  host: LabHost,
  ...addresses: readonly string[]
): Promise<{ join(): Promise<void> }> {
  return await cutWays(host, ["input", "output"], addresses);
}

/** The same, for what comes in or what goes out alone. */
export async function cutWays(
  host: LabHost,
  ways: readonly Way[],
  addresses: readonly string[],
): Promise<{ join(): Promise<void> }> {
  const table = `cut${++fixtures}`;
  const set = `{ ${addresses.join(", ")} }`;
  const commands = [
    `add table inet ${table}`,
    ...["input", "output"].map(
      (hook) => `add chain inet ${table} ${hook} { type filter hook ${hook} priority -300 ; }`,
    ),
    ...ways.map(
      (way) => `add rule inet ${table} ${way} ip ${way === "input" ? "saddr" : "daddr"} ${set} drop`,
    ),
  ];
  await host.run("nft", commands.join("\n"));
  return { join: async () => void (await host.run("nft", "delete", "table", "inet", table)) };
}
