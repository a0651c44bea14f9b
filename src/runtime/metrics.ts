// What a container uses, as one shape for both versions of cgroups.

import { fromBinary } from "@bufbuild/protobuf";
import { type Metrics as Metrics1, MetricsSchema as Metrics1Schema } from "./gen/cgroup1_pb.ts";
import { type Metrics as Metrics2, MetricsSchema as Metrics2Schema } from "./gen/cgroup2_pb.ts";
import type { Metric } from "./gen/types_pb.ts";
import { toDate } from "./values.ts";

export interface TaskMetrics {
  readonly at: Date;
  readonly cgroupVersion: 1 | 2;
  readonly cpu: CpuMetrics;
  readonly memory: MemoryMetrics;
  /** A `limit` of 0: none. */
  readonly pids: { readonly current: number; readonly limit: number };
  readonly blockIo: { readonly bytes: readonly BlockIoEntry[]; readonly operations: readonly BlockIoEntry[] };
  /** How often the kernel killed a process here for want of memory. */
  readonly oomKills: number;
}

export interface CpuMetrics {
  readonly totalNs: number;
  readonly userNs: number;
  readonly kernelNs: number;
  /** Per CPU; empty with cgroup v2, which does not count so. */
  readonly perCpuNs: readonly number[];
  readonly throttling: {
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledNs: number;
  };
}

export interface MemoryMetrics {
  readonly usageBytes: number;
  /** The highest usage so far; cgroup v1 only. */
  readonly maxUsageBytes?: number;
  /** A huge number when there is no limit. */
  readonly limitBytes: number;
  /** How often the limit was hit; cgroup v1 only. */
  readonly failures?: number;
  /** The kernel's own counters under the kernel's names (memory.stat). */
  readonly stats: Readonly<Record<string, number>>;
}

export interface BlockIoEntry {
  readonly major: number;
  readonly minor: number;
  /** `read`, `write`, and what else the kernel tells (cgroup v1), lower case. */
  readonly operation: string;
  readonly value: number;
}

/** Decodes what containerd's Metrics call answers; undefined for a kind that nobody knows. */
export function decodeMetrics(metric: Metric): TaskMetrics | undefined {
  const { typeUrl = "", value = new Uint8Array() } = metric.data ?? {};
  const at = toDate(metric.timestamp);
  // Older and newer shims name the type with and without a prefix.
  if (typeUrl.endsWith(Metrics1Schema.typeName)) return fromCgroup1(fromBinary(Metrics1Schema, value), at);
  if (typeUrl.endsWith(Metrics2Schema.typeName)) return fromCgroup2(fromBinary(Metrics2Schema, value), at);
  return undefined;
}

function fromCgroup1(m: Metrics1, at: Date): TaskMetrics {
  const usage = m.memory?.usage;
  const throttling = m.cpu?.throttling;
  return {
    at,
    cgroupVersion: 1,
    cpu: {
      totalNs: Number(m.cpu?.usage?.total ?? 0),
      userNs: Number(m.cpu?.usage?.user ?? 0),
      kernelNs: Number(m.cpu?.usage?.kernel ?? 0),
      perCpuNs: (m.cpu?.usage?.perCpu ?? []).map(Number),
      throttling: {
        periods: Number(throttling?.periods ?? 0),
        throttledPeriods: Number(throttling?.throttledPeriods ?? 0),
        throttledNs: Number(throttling?.throttledTime ?? 0),
      },
    },
    memory: {
      usageBytes: Number(usage?.usage ?? 0),
      maxUsageBytes: Number(usage?.max ?? 0),
      limitBytes: Number(usage?.limit ?? 0),
      failures: Number(usage?.failcnt ?? 0),
      stats: counters(m.memory),
    },
    pids: toPids(m.pids),
    blockIo: {
      bytes: (m.blkio?.ioServiceBytesRecursive ?? []).map(toBlockIo),
      operations: (m.blkio?.ioServicedRecursive ?? []).map(toBlockIo),
    },
    oomKills: Number(m.memoryOomControl?.oomKill ?? 0),
  };
}

function fromCgroup2(m: Metrics2, at: Date): TaskMetrics {
  const ns = (microseconds: bigint | undefined) => Number(microseconds ?? 0) * 1000;
  const io = m.io?.usage ?? [];
  const entry = (operation: string, value: bigint, of: { major: bigint; minor: bigint }) => ({
    major: Number(of.major),
    minor: Number(of.minor),
    operation,
    value: Number(value),
  });
  return {
    at,
    cgroupVersion: 2,
    cpu: {
      totalNs: ns(m.cpu?.usageUsec),
      userNs: ns(m.cpu?.userUsec),
      kernelNs: ns(m.cpu?.systemUsec),
      perCpuNs: [],
      throttling: {
        periods: Number(m.cpu?.nrPeriods ?? 0),
        throttledPeriods: Number(m.cpu?.nrThrottled ?? 0),
        throttledNs: ns(m.cpu?.throttledUsec),
      },
    },
    memory: {
      usageBytes: Number(m.memory?.usage ?? 0),
      limitBytes: Number(m.memory?.usageLimit ?? 0),
      stats: counters(m.memory, cgroup2OnlyInStruct),
    },
    pids: toPids(m.pids),
    blockIo: {
      bytes: io.flatMap((of) => [entry("read", of.rbytes, of), entry("write", of.wbytes, of)]),
      operations: io.flatMap((of) => [entry("read", of.rios, of), entry("write", of.wios, of)]),
    },
    oomKills: Number(m.memoryEvents?.oomKill ?? 0),
  };
}

// These come from files of their own and not from memory.stat.
const cgroup2OnlyInStruct = new Set(["usage", "usageLimit", "swapUsage", "swapLimit"]);

// Where the protobuf name of a counter is not the kernel's with capitals for underscores.
const kernelNames: Readonly<Record<string, string>> = {
  pgPgIn: "pgpgin",
  pgPgOut: "pgpgout",
  pgFault: "pgfault",
  pgMajFault: "pgmajfault",
  totalPgPgIn: "total_pgpgin",
  totalPgPgOut: "total_pgpgout",
  totalPgFault: "total_pgfault",
  totalPgMajFault: "total_pgmajfault",
  hierarchicalSwapLimit: "hierarchical_memsw_limit",
};

/** The plain numbers of a memory message, by the kernel's names. */
function counters(
  message: object | undefined,
  without: ReadonlySet<string> = new Set(),
): Record<string, number> {
  const stats: Record<string, number> = {};
  for (const [name, value] of Object.entries(message ?? {})) {
    if (typeof value !== "bigint" || without.has(name)) continue;
    stats[kernelNames[name] ?? name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`)] =
      Number(value);
  }
  return stats;
}

function toPids(pids: { current: bigint; limit: bigint } | undefined) {
  // "max" arrives as the largest number of 64 bits.
  const limit = Number(pids?.limit ?? 0);
  return { current: Number(pids?.current ?? 0), limit: limit > Number.MAX_SAFE_INTEGER ? 0 : limit };
}

function toBlockIo(entry: { op: string; major: bigint; minor: bigint; value: bigint }): BlockIoEntry {
  return {
    major: Number(entry.major),
    minor: Number(entry.minor),
    operation: entry.op.toLowerCase(),
    value: Number(entry.value),
  };
}
