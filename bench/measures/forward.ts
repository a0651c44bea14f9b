// The forwarder beside docker-proxy: bytes, connections and questions per second through one port in user space, and
// the processor time that they cost it. Both run in Docker's one-port form, on the loopback link of a netns of their own.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createNetns, deleteNetns, deleteNetnsFolder, openNetlink, setLink } from "../../src/kernel/index.ts";
import type { DaemonName } from "../daemons.ts";
import { ask, connections, endOf, firstWord, serve } from "../load-children.ts";
import type { Bench, Measure } from "../measure.ts";

const proxies: readonly { readonly name: DaemonName; readonly command: string }[] = [
  { name: "tsdockerd", command: join(import.meta.dirname, "../../bin/tsdocker-proxy") },
  { name: "dockerd", command: "docker-proxy" },
];

const repeats = 3;
const streamBytes = 2e9;
const count = 8_000;
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
  const front = { netns, address, port: ports.front };
  const back = { netns, address, port: ports.back };
  {
    await using _ = await serve(back, "sink");
    const before = await proxy.cpuSeconds();
    const seconds = await ask(front, "send", streamBytes);
    const cpu = (await proxy.cpuSeconds()) - before;
    add("forwarded on one connection", name, (streamBytes * 8) / 1e9 / seconds, "Gbit/s");
    add("processor time of the forwarder", name, cpu / (streamBytes / 1e9), "s/GB");
  }
  {
    await using _ = await serve(back, "echo");
    const seconds = await ask(front, "ask", questions);
    add("questions forwarded on one connection", name, questions / seconds, "1/s");
  }
  {
    await using _ = await serve(back, "http");
    const before = await proxy.cpuSeconds();
    const perSecond = await connections(front, { clients, count });
    const cpu = (await proxy.cpuSeconds()) - before;
    add(`connections forwarded, ${clients} clients`, name, perSecond, "1/s");
    add("processor time of the forwarder, 1000 connections", name, (cpu * 1e6) / count, "ms");
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
    [Symbol.asyncDispose]: () => endOf(child),
  };
}

/** User and system time, of all threads. */
async function cpuSecondsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}
