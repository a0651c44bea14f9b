// Rows of `stats` from the daemon's samples.

import { type ListLayout, type Row, truncateId } from "./rows.ts";
import { binarySize, humanSize } from "./units.ts";

interface CpuStats {
  readonly cpu_usage: { readonly total_usage: number; readonly percpu_usage?: readonly number[] | null };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

/** A message of the stats stream, as far as it is shown. */
export interface StatsMessage {
  readonly id: string;
  readonly name: string;
  readonly pids_stats?: { readonly current?: number };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
  readonly memory_stats?: {
    readonly usage?: number;
    readonly limit?: number | bigint;
    readonly stats?: Readonly<Record<string, number | bigint>>;
  };
  readonly blkio_stats?: {
    readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null;
  };
  readonly cpu_stats: CpuStats;
  readonly precpu_stats: CpuStats;
}

export interface StatsSample {
  readonly id: string;
  readonly name: string;
  readonly cpuPercent: number;
  readonly memory: number;
  readonly memoryLimit: number;
  readonly rx: number;
  readonly tx: number;
  readonly read: number;
  readonly written: number;
  readonly pids: number;
}

export const statsLayout: ListLayout = {
  typeName: "*container.statsContext",
  headers: {
    Container: "CONTAINER",
    Name: "NAME",
    ID: "CONTAINER ID",
    CPUPerc: "CPU %",
    MemUsage: "MEM USAGE / LIMIT",
    MemPerc: "MEM %",
    NetIO: "NET I/O",
    BlockIO: "BLOCK I/O",
    PIDs: "PIDS",
  },
};

/** The template behind `table`; others are the user's own. */
export function statsFormat(source: string): string {
  if (source !== "table") return source;
  return "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
}

/** Unlimited memory is more than 2^53, which parseJson gives as a bigint. */
const plain = (value: number | bigint | undefined) => Number(value ?? 0);

/** What a message comes to. CPU is the share of one CPU since the sample before; memory is without file cache. */
export function sampleOf(message: StatsMessage): StatsSample {
  const networks = Object.values(message.networks ?? {});
  const { read, written } = blockTotals(message);
  return {
    id: message.id,
    name: message.name,
    cpuPercent: cpuPercent(message.precpu_stats, message.cpu_stats),
    memory: memoryUsed(message),
    memoryLimit: plain(message.memory_stats?.limit),
    rx: networks.reduce((total, network) => total + network.rx_bytes, 0),
    tx: networks.reduce((total, network) => total + network.tx_bytes, 0),
    read,
    written,
    pids: message.pids_stats?.current ?? 0,
  };
}

function cpuPercent(before: CpuStats, now: CpuStats): number {
  const own = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const system = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || (now.cpu_usage.percpu_usage?.length ?? 0);
  return system > 0 && own > 0 ? (own / system) * cpus * 100 : 0;
}

/** cgroup v1 calls the cache that could be dropped total_inactive_file, v2 inactive_file. */
function memoryUsed({ memory_stats: memory }: StatsMessage): number {
  const usage = memory?.usage ?? 0;
  const inactive = plain(memory?.stats?.total_inactive_file ?? memory?.stats?.inactive_file);
  return inactive < usage ? usage - inactive : usage;
}

function blockTotals(message: StatsMessage): { read: number; written: number } {
  let read = 0;
  let written = 0;
  for (const { op, value } of message.blkio_stats?.io_service_bytes_recursive ?? []) {
    if (/^r/i.test(op)) read += value;
    else if (/^w/i.test(op)) written += value;
  }
  return { read, written };
}

const none = "--";

/** A container whose sample has not come shows dashes. */
export function statsRow(container: string, sample: StatsSample | undefined, truncate: boolean): Row {
  const shown =
    (value: (sample: StatsSample) => string, otherwise = none) =>
    () =>
      sample ? value(sample) : otherwise;
  const percent = (value: number) => `${value.toFixed(2)}%`;
  const pair = (a: number, b: number) => `${humanSize(a, 3)} / ${humanSize(b, 3)}`;
  return {
    Container: () => container,
    Name: shown((s) => s.name.slice(1) || none),
    ID: shown((s) => (truncate ? truncateId(s.id) : s.id), ""),
    CPUPerc: shown((s) => percent(s.cpuPercent)),
    MemUsage: shown((s) => `${binarySize(s.memory)} / ${binarySize(s.memoryLimit)}`, "-- / --"),
    MemPerc: shown((s) => percent(s.memoryLimit === 0 ? 0 : (s.memory / s.memoryLimit) * 100)),
    NetIO: shown((s) => pair(s.rx, s.tx)),
    BlockIO: shown((s) => pair(s.read, s.written)),
    PIDs: shown((s) => String(s.pids)),
  };
}
