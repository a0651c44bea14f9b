// The forwarder beside docker-proxy: bytes, connections and questions per second through one port in user space, and
// the processor time that they cost it. Both run in Docker's one-port form, on the loopback link of a netns of their own.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createNetns, deleteNetns, deleteNetnsFolder, openNetlink, setLink } from "../../src/kernel/index.ts";
import type { DaemonName } from "../daemons.ts";
import type { Bench, Measure } from "../measure.ts";

const run = promisify(execFile);
const load = join(import.meta.dirname, "../load.py");

const proxies: readonly { readonly name: DaemonName; readonly command: string }[] = [
  { name: "tsdockerd", command: join(import.meta.dirname, "../../bin/tsdocker-proxy") },
  { name: "dockerd", command: "docker-proxy" },
];

const repeats = 3;
const streamBytes = 2e9;
const connections = 8_000;
const clients = 8;
const questions = 10_000;
/** Clock ticks per second of /proc/PID/stat, on every Linux that Node runs on. */
const ticks = 100;

const ports = { front: 8080, back: 9090 };
const address = "127.0.0.1";

export const forwardMeasure: Measure = {
  name: "forward",
  needsDaemons: false,
  async run(bench) {
    const folder = `/run/tsdocker-bench-${process.pid}`;
    const netns = join(folder, "forward");
    await createNetns(netns);
    try {
      await using netlink = await openNetlink(netns);
      await netlink.send(setLink("lo", { up: true }));
      for (const proxy of proxies) await measure(bench, netns, proxy, -1);
      for (let at = 0; at < repeats; at++)
        for (const proxy of proxies) await measure(bench, netns, proxy, at);
    } finally {
      await deleteNetns(netns);
      await deleteNetnsFolder(folder);
    }
  },
};

/** One round of everything through one proxy; the first one of each is for warming up. */
async function measure(
  bench: Bench,
  netns: string,
  { name, command }: (typeof proxies)[number],
  round: number,
): Promise<void> {
  const add: Bench["report"]["add"] = (...sample) => round >= 0 && bench.report.add(...sample);
  await using proxy = await startProxy(netns, command);
  {
    await using _ = await serve(netns, "sink");
    const before = await proxy.cpuSeconds();
    const seconds = await ask(netns, "send", streamBytes);
    const cpu = (await proxy.cpuSeconds()) - before;
    add("forwarded on one connection", name, (streamBytes * 8) / 1e9 / seconds, "Gbit/s");
    add("processor time of the forwarder", name, cpu / (streamBytes / 1e9), "s/GB");
  }
  {
    await using _ = await serve(netns, "echo");
    const seconds = await ask(netns, "ask", questions);
    add("questions forwarded on one connection", name, questions / seconds, "1/s");
  }
  {
    await using _ = await serve(netns, "http");
    const before = await proxy.cpuSeconds();
    const perSecond = await connect(netns);
    const cpu = (await proxy.cpuSeconds()) - before;
    add(`connections forwarded, ${clients} clients`, name, perSecond, "1/s");
    add("processor time of the forwarder, 1000 connections", name, (cpu * 1e6) / connections, "ms");
  }
}

async function startProxy(netns: string, command: string) {
  const to = ["-container-ip", address, "-container-port", `${ports.back}`];
  const argv = ["-proto", "tcp", "-host-ip", address, "-host-port", `${ports.front}`, ...to];
  const stdio = ["ignore", "ignore", "inherit", "pipe"] as const;
  const child = spawn("nsenter", [`--net=${netns}`, command, ...argv], { stdio: [...stdio] });
  await firstWord(child.stdio[3]);
  return {
    cpuSeconds: () => cpuSecondsOf(child.pid),
    [Symbol.asyncDispose]: () => end(child),
  };
}

async function serve(netns: string, what: string): Promise<AsyncDisposable> {
  const argv = [`--net=${netns}`, "python3", load, what, address, `${ports.back}`];
  const child = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"] });
  await firstWord(child.stdout);
  return { [Symbol.asyncDispose]: () => end(child) };
}

/** How many seconds it took. */
async function ask(netns: string, what: string, count: number): Promise<number> {
  const argv = [`--net=${netns}`, "python3", load, what, address, `${ports.front}`, `${count}`];
  return Number((await run("nsenter", argv)).stdout);
}

/** Connections a second: each sends a request, gets the answer and ends. */
async function connect(netns: string): Promise<number> {
  const url = `http://${address}:${ports.front}/`;
  const argv = [`--net=${netns}`, "ab", "-q", "-c", `${clients}`, "-n", `${connections}`, url];
  const { stdout } = await run("nsenter", argv);
  const [, perSecond] = /Requests per second:\s+([\d.]+)/.exec(stdout) ?? [];
  if (!/Failed requests:\s+0\b/.test(stdout)) throw new Error(`requests failed: ${stdout}`);
  return Number(perSecond);
}

/** User and system time, of all threads. */
async function cpuSecondsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

async function firstWord(stream: ChildProcess["stdio"][3]): Promise<void> {
  if (!stream || !("setEncoding" in stream)) throw new Error("no pipe to the child");
  await new Promise((resolve, reject) => {
    stream.once("data", resolve);
    stream.once("end", () => reject(new Error("it ended at once")));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
}
