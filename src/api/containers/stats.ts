// GET /containers/{id}/stats.

import type { CpuSample, Engine, InterfaceSample, StatsSample } from "../../engine/types.ts";
import type { Call } from "../call.ts";
import { get, type Route, streamed } from "../route.ts";
import type { CpuStats, InterfaceStats, StatsResponse } from "../schemas/stats.ts";
import { formatTime } from "../time.ts";

export const statsRoute = (engine: Engine): Route =>
  get("/containers/:id/stats", async (call) => {
    await sendStats(engine, call);
    return streamed;
  });

/** Every sample with the one before it; without `stream` the second one alone, or with `one-shot` the first. */
async function sendStats({ containers }: Engine, call: Call): Promise<void> {
  const isStream = call.query.flag("stream", true);
  const skip = isStream || call.query.flag("one-shot") ? 0 : 1;
  const { id, name, samples } = await containers.stats(call.parameter("id"), call.signal);
  const stream = call.openStream("application/json");
  let previous: StatsSample | undefined;
  let seen = 0;
  for await (const sample of samples) {
    const isDue = seen++ >= skip || sample === undefined;
    if (isDue) await stream.writeJson(statsWire({ id, name, sample, previous }));
    if (isDue && !isStream) break;
    previous = sample;
  }
  stream.end();
}

interface Reading {
  readonly id: string;
  readonly name: string;
  readonly sample: StatsSample | undefined;
  readonly previous: StatsSample | undefined;
}

/** As the API shows it; all zero for a container that does not run. */
function statsWire({ id, name, sample, previous }: Reading): StatsResponse {
  return {
    name: `/${name}`,
    id,
    os_type: "linux",
    read: formatTime(sample?.readAt),
    preread: formatTime(previous?.readAt),
    pids_stats: pids(sample),
    blkio_stats: blockIo(sample),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpu(sample?.cpu),
    precpu_stats: cpu(previous?.cpu),
    memory_stats: memory(sample),
    ...(sample?.networks && { networks: mapValues(sample.networks, networkInterface) }),
  };
}

function pids(sample: StatsSample | undefined): StatsResponse["pids_stats"] {
  if (!sample) return {};
  const { current, limit } = sample.pids;
  return { current, ...(limit !== undefined && { limit }) };
}

function memory(sample: StatsSample | undefined): StatsResponse["memory_stats"] {
  if (!sample) return {};
  return {
    usage: sample.memory.usageBytes,
    limit: sample.memory.limitBytes,
    stats: sample.memory.stats,
  };
}

function cpu(sample: CpuSample | undefined): CpuStats {
  return {
    cpu_usage: {
      total_usage: sample?.totalNs ?? 0,
      usage_in_kernelmode: sample?.kernelNs ?? 0,
      usage_in_usermode: sample?.userNs ?? 0,
    },
    ...(sample && { system_cpu_usage: sample.systemNs, online_cpus: sample.onlineCpus }),
    throttling_data: {
      periods: sample?.throttling.periods ?? 0,
      throttled_periods: sample?.throttling.throttledPeriods ?? 0,
      throttled_time: sample?.throttling.throttledNs ?? 0,
    },
  };
}

function blockIo(sample: StatsSample | undefined): StatsResponse["blkio_stats"] {
  const entries = sample?.blockIo.map(({ major, minor, operation, bytes }) => ({
    major,
    minor,
    op: operation,
    value: bytes,
  }));
  return {
    io_service_bytes_recursive: entries?.length ? entries : null,
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
}

function networkInterface(sample: InterfaceSample): InterfaceStats {
  return {
    rx_bytes: sample.rxBytes,
    rx_packets: sample.rxPackets,
    rx_errors: sample.rxErrors,
    rx_dropped: sample.rxDropped,
    tx_bytes: sample.txBytes,
    tx_packets: sample.txPackets,
    tx_errors: sample.txErrors,
    tx_dropped: sample.txDropped,
  };
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
