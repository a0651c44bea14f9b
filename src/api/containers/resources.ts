// Limits and restart policies of create and update, from the wire, with the checks that need no machine.

import type { Resources, RestartPolicy, Ulimit } from "../../engine/types.ts";
import { invalid, notImplemented } from "../../util/errors.ts";
import type { UpdateContainerRequest } from "../schemas/container-config.ts";
import { defined, nonEmpty } from "../text.ts";

/** runc cannot start in less. */
const leastMemoryBytes = 6 * 1024 * 1024;

/** Zero and "" mean not given, as on the wire. Throws invalid on contradictions. */
export function readResources(input: UpdateContainerRequest): Resources {
  check(input);
  return defined({
    memoryBytes: nonZero(input.Memory),
    memorySwapBytes: nonZero(input.MemorySwap),
    memoryReservationBytes: nonZero(input.MemoryReservation),
    memorySwappiness: input.MemorySwappiness === -1 ? undefined : input.MemorySwappiness,
    oomKillDisable: input.OomKillDisable || undefined,
    cpuShares: nonZero(input.CpuShares),
    nanoCpus: nonZero(input.NanoCpus),
    cpuPeriodUs: nonZero(input.CpuPeriod),
    cpuQuotaUs: nonZero(input.CpuQuota),
    cpuRealtimePeriodUs: nonZero(input.CpuRealtimePeriod),
    cpuRealtimeRuntimeUs: nonZero(input.CpuRealtimeRuntime),
    cpusetCpus: nonEmpty(input.CpusetCpus),
    cpusetMems: nonEmpty(input.CpusetMems),
    blkioWeight: nonZero(input.BlkioWeight),
    pidsLimit: nonZero(input.PidsLimit),
    ulimits: input.Ulimits?.map(readUlimit),
    devices: input.Devices?.map(readDevice),
    deviceCgroupRules: input.DeviceCgroupRules,
  });
}

/** Throws invalid on an unknown policy. */
export function readRestartPolicy(input: UpdateContainerRequest["RestartPolicy"]): RestartPolicy {
  const name = input?.Name || "no";
  const maximumRetryCount = input?.MaximumRetryCount ?? 0;
  if (name !== "no" && name !== "always" && name !== "unless-stopped" && name !== "on-failure")
    throw invalid(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  if (maximumRetryCount < 0) throw invalid("invalid restart policy: maximum retry count cannot be negative");
  if (maximumRetryCount > 0 && name !== "on-failure")
    throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  return { name, maximumRetryCount };
}

function check(input: UpdateContainerRequest): void {
  checkMemory(input);
  checkCpu(input);
  if (input.DeviceRequests?.length) throw notImplemented("device requests (GPUs) are not implemented");
}

function checkMemory(input: UpdateContainerRequest): void {
  const { Memory: memory = 0, MemorySwap: swap = 0, MemoryReservation: reservation = 0 } = input;
  if (reservation !== 0 && reservation < leastMemoryBytes)
    throw invalid("Minimum memory reservation allowed is 6MB");
  if (memory !== 0 && memory < leastMemoryBytes) throw invalid("Minimum memory limit allowed is 6MB");
  if (memory > 0 && swap > 0 && swap < memory)
    throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memory === 0 && swap > 0)
    throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (memory > 0 && reservation > memory)
    throw invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  const { MemorySwappiness: swappiness = -1 } = input;
  if (swappiness < -1 || swappiness > 100)
    throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
}

function checkCpu(input: UpdateContainerRequest): void {
  const { CpuPeriod: period = 0, CpuQuota: quota = 0 } = input;
  if (period !== 0 && (period < 1000 || period > 1_000_000))
    throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (quota > 0 && quota < 1000) throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (input.NanoCpus && input.CpuPeriod)
    throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (input.NanoCpus && input.CpuQuota)
    throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (input.CpuShares && input.CpuShares < 0) throw invalid("invalid CPU shares: must not be negative");
}

function readUlimit({
  Name = "",
  Soft = 0,
  Hard = 0,
}: {
  Name?: string;
  Soft?: number;
  Hard?: number;
}): Ulimit {
  if (Soft > Hard && Hard !== -1)
    throw invalid(`ulimit ${Name}: soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
  return { name: Name, soft: Soft, hard: Hard };
}

interface DeviceInput {
  readonly PathOnHost?: string;
  readonly PathInContainer?: string;
  readonly CgroupPermissions?: string;
}

function readDevice({ PathOnHost = "", PathInContainer, CgroupPermissions }: DeviceInput) {
  return {
    hostPath: PathOnHost,
    containerPath: PathInContainer || PathOnHost,
    permissions: CgroupPermissions || "rwm",
  };
}

function nonZero(value: number | undefined): number | undefined {
  return value || undefined;
}
