// A large cluster without kernels: what it takes a host to join one of 200 hosts with 10,000 endpoints, and to follow 500
// changes a second. And how late the others are when all 200 follow on this one machine, which is the machine's limit more than a
// host's. The store is a real etcd of one member.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Bench } from "../measure.ts";
import { Place, until } from "../place.ts";
import { netnsOf } from "./overlay-hosts.ts";

const script = join(import.meta.dirname, "overlay-watcher.ts");
const hosts = 200;
const endpoints = 10_000;
const alone = { perSecond: 500, seconds: 10 };
/** What two processors can tell 200 hosts of: each change is 200. */
const together = { perSecond: 20, seconds: 5 };
const joins = 5;
const processes = 2;

export async function measureWatchers({ report, say }: Bench): Promise<void> {
  await using place = await Place.create("watchers");
  const etcd = startEtcd(place);
  const netns = netnsOf(etcd.pid);
  await until("etcd answers", () => answers(netns), 100);
  await using writer = new Watcher(netns, { first: hosts, count: 1 });
  await writer.call("join");
  say(`filling the store: ${hosts} hosts, ${endpoints} endpoints`);
  await writer.call("fill", { hosts, endpoints });

  const size = `${hosts} hosts and ${endpoints} endpoints`;
  for (let at = 0; at < joins; at++) {
    await using one = new Watcher(netns, { first: 0, count: 1 });
    const { ms, heapMb, rssMb } = await one.call("join");
    report.add(`join ${size}`, "tsdockerd", ms);
    report.add(`memory of ${size}, heap`, "tsdockerd", heapMb, "MB");
    report.add(`memory of ${size}, RSS of all of the process`, "tsdockerd", rssMb, "MB");
  }

  await using one = new Watcher(netns, { first: 0, count: 1 });
  await one.call("join");
  await follow(report, { writer, followers: [one], pace: alone, who: "one host" });
  say(`${hosts} hosts join`);
  const each = Math.ceil((hosts - 1) / processes);
  const others = Array.from(
    { length: processes },
    (_, at) => new Watcher(netns, { first: 1 + at * each, count: Math.min(each, hosts - 1 - at * each) }),
  );
  await using stack = new AsyncDisposableStack();
  for (const other of others) stack.use(other);
  await Promise.all(others.map((other) => other.call("join")));
  const who = `one of ${hosts} hosts on one machine`;
  await follow(report, { writer, followers: [one, ...others], pace: together, who });
}

interface Following {
  readonly writer: Watcher;
  /** The first is measured. */
  readonly followers: readonly Watcher[];
  readonly pace: { readonly perSecond: number; readonly seconds: number };
  readonly who: string;
}

async function follow(report: Bench["report"], { writer, followers, pace, who }: Following): Promise<void> {
  for (const follower of followers) await follower.call("watch");
  const changes = pace.perSecond * pace.seconds;
  const { ms } = await writer.call("write", { ...pace, endpoints });
  const [first] = await Promise.all(followers.map((it) => it.call("seen", { changes })));
  const name = `${pace.perSecond} changes a second, ${who}`;
  report.add(`${name}: written`, "tsdockerd", (changes * 1000) / ms, "1/s");
  for (const lag of first?.lags ?? []) report.add(`${name}: seen after`, "tsdockerd", lag);
  report.add(`${name}: processor time a second`, "tsdockerd", (first?.cpuMs ?? 0) / pace.seconds);
}

function startEtcd(place: Place) {
  const url = (port: number) => `http://127.0.0.1:${port}`;
  return place.start([
    "etcd",
    ...["--data-dir", place.path("run", "etcd"), "--log-level", "error"],
    ...["--listen-client-urls", url(2379), "--advertise-client-urls", url(2379)],
    ...["--listen-peer-urls", url(2380), "--initial-advertise-peer-urls", url(2380)],
    ...["--initial-cluster", `default=${url(2380)}`],
  ]);
}

async function answers(netns: string): Promise<boolean> {
  const child = spawn("nsenter", [`--net=${netns}`, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2379"], {
    stdio: "ignore",
  });
  const [code] = await once(child, "exit");
  return code === 0;
}

interface Answer {
  readonly ms: number;
  readonly heapMb: number;
  readonly rssMb: number;
  readonly cpuMs: number;
  readonly lags: readonly number[];
}

/** A process with hosts in it. */
class Watcher implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(netns: string, hosts: { readonly first: number; readonly count: number }) {
    const node = [process.execPath, "--expose-gc", "--disable-warning=ExperimentalWarning", script];
    const argv = [`--net=${netns}`, ...node, `${hosts.first}`, `${hosts.count}`];
    this.#child = spawn("nsenter", argv, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  }

  async call(what: string, wish: object = {}): Promise<Answer> {
    const answer = once(this.#child, "message");
    const ended = once(this.#child, "exit").then(() =>
      Promise.reject(new Error(`${what}: the watcher ended`)),
    );
    ended.catch(() => undefined);
    this.#child.send({ what, ...wish });
    const [message] = await Promise.race([answer, ended]);
    return message as Answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }
}
