// What a container uses, once a second; and which processes run in it.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { InterfaceStatistics } from "../cnm/index.ts";
import type { TaskMetrics } from "../runtime/index.ts";
import { internal, invalid } from "../util/errors.ts";
import type { Container, Running } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import { notRunning, unlessEnded } from "./process-end.ts";
import type { ContainerStats, InterfaceSample, ProcessTable, StatsSample } from "./types.ts";

const run = promisify(execFile);

/** A sample at once and then one a second, until the container is removed or the signal fires. */
export function containerStats(
  context: EngineContext,
  container: Container,
  signal: AbortSignal,
): ContainerStats {
  return { id: container.id, name: container.name, samples: samplesOf(context, container, signal) };
}

async function* samplesOf(
  context: EngineContext,
  container: Container,
  signal: AbortSignal,
): AsyncGenerator<StatsSample | undefined> {
  while (!signal.aborted && context.registry.get(container.id) === container) {
    const { running } = container;
    const network = networkOwner(context, container);
    yield running ? await sample(running, network).catch(() => undefined) : undefined;
    await sleep(1000, undefined, { signal }).catch(() => undefined);
  }
}

/** Who holds the interfaces: another container where the network is shared, nobody in host mode. */
function networkOwner(context: EngineContext, container: Container): Running | undefined {
  const mode = container.record.spec.networkMode;
  if (mode.kind === "container") {
    const owner = context.registry.get(mode.container);
    return owner && networkOwner(context, owner);
  }
  return mode.kind === "host" ? undefined : container.running;
}

async function sample(running: Running, network: Running | undefined): Promise<StatsSample | undefined> {
  const [metrics, systemNs, networks] = await Promise.all([
    running.task.metrics(),
    machineCpuNs(),
    network?.sandbox && interfacesOf(network),
  ]);
  return metrics && toSample(metrics, systemNs, networks);
}

function toSample(
  { at, cpu, memory, pids, blockIo }: TaskMetrics,
  systemNs: number,
  networks: Readonly<Record<string, InterfaceSample>> | undefined,
): StatsSample {
  const { totalNs, kernelNs, userNs, throttling } = cpu;
  return {
    readAt: at,
    cpu: { totalNs, kernelNs, userNs, systemNs, onlineCpus: cpus().length, throttling },
    memory: {
      usageBytes: memory.usageBytes,
      limitBytes: Math.min(memory.limitBytes || Infinity, totalmem()),
      stats: memory.stats,
    },
    pids: { current: pids.current, ...(pids.limit > 0 && { limit: pids.limit }) },
    blockIo: blockIo.bytes.map(({ major, minor, operation, value }) => ({
      major,
      minor,
      operation,
      bytes: value,
    })),
    ...(networks && { networks }),
  };
}

async function interfacesOf(running: Running): Promise<Readonly<Record<string, InterfaceSample>>> {
  const statistics = (await running.sandbox?.statistics()) ?? new Map<string, InterfaceStatistics>();
  const samples = [...statistics].map(([name, counters]) => [name, toInterfaceSample(counters)] as const);
  return Object.fromEntries(samples);
}

function toInterfaceSample(counters: InterfaceStatistics): InterfaceSample {
  return {
    rxBytes: Number(counters.rxBytes),
    rxPackets: Number(counters.rxPackets),
    rxErrors: Number(counters.rxErrors),
    rxDropped: Number(counters.rxDropped),
    txBytes: Number(counters.txBytes),
    txPackets: Number(counters.txPackets),
    txErrors: Number(counters.txErrors),
    txDropped: Number(counters.txDropped),
  };
}

/** CPU time of the whole machine in nanoseconds, from the first line of /proc/stat (proc(5): ticks of 10 ms). */
async function machineCpuNs(): Promise<number> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n", 1);
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  return ticks.reduce((sum, value) => sum + value, 0) * 1e7;
}

/** `docker top`: the host's ps, cut down to the container's processes. */
export async function processTable(container: Container, psArguments: string): Promise<ProcessTable> {
  if (!container.running) throw notRunning(container);
  const { task } = container.running;
  const pids = new Set(await unlessEnded(task, task.pids(), notRunning(container)));
  const words = psArguments.split(/\s+/).filter(Boolean);
  if (words.some((word) => !/^[a-zA-Z0-9,_:=+%.-]+$/.test(word)))
    throw invalid(`invalid ps arguments: ${psArguments}`);
  const { stdout } = await run("ps", words).catch((error: Error & { stderr?: string }) => {
    throw internal(`error running ps: ${error.stderr?.trim() || error.message}`);
  });
  return parseProcessTable(stdout, pids);
}

/** Keeps the rows whose PID column names one of `pids`. @throws internal without that column */
export function parseProcessTable(text: string, pids: ReadonlySet<number>): ProcessTable {
  const [head = "", ...lines] = text.trimEnd().split("\n");
  const titles = head.trim().split(/\s+/);
  const pidColumn = titles.indexOf("PID");
  if (pidColumn < 0) throw internal("Couldn't find PID field in ps output");
  const processes = lines
    .map((line) => splitRow(line, titles.length))
    .filter((row) => pids.has(Number(row[pidColumn])));
  return { titles, processes };
}

// the last column is the command, spaces and all
function splitRow(line: string, columns: number): string[] {
  const words = line.trim().split(/\s+/);
  return [...words.slice(0, columns - 1), words.slice(columns - 1).join(" ")];
}
