// From flags to the limits of a container: memory, processors, block devices, devices.

import type { FlagValues } from "../flags/values.ts";
import { parseUlimits } from "./checks.ts";
import { isCdiName, parseBpsDevice, parseDevice, parseIopsDevice, parseWeightDevice } from "./devices.ts";
import { listOrNull } from "./key-values.ts";

/** Throws Docker's text when --memory-swappiness is no percentage; -1 is the kernel's own. */
export function checkSwappiness(flags: FlagValues): void {
  const swappiness = flags.number("memory-swappiness");
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100))
    throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
}

/** The fields of HostConfig that limit. Throws Docker's texts. */
export function parseResources(flags: FlagValues): Record<string, unknown> {
  const cdi = flags.list("device").filter(isCdiName);
  const devices = flags.list("device").filter((device) => !isCdiName(device));
  return {
    CgroupParent: flags.string("cgroup-parent"),
    Memory: flags.number("memory"),
    MemoryReservation: flags.number("memory-reservation"),
    MemorySwap: flags.number("memory-swap"),
    MemorySwappiness: flags.number("memory-swappiness"),
    KernelMemory: flags.number("kernel-memory"),
    OomKillDisable: flags.bool("oom-kill-disable"),
    NanoCpus: flags.number("cpus"),
    CpuShares: flags.number("cpu-shares"),
    CpuPeriod: flags.number("cpu-period"),
    CpuQuota: flags.number("cpu-quota"),
    CpuRealtimePeriod: flags.number("cpu-rt-period"),
    CpuRealtimeRuntime: flags.number("cpu-rt-runtime"),
    CpusetCpus: flags.string("cpuset-cpus"),
    CpusetMems: flags.string("cpuset-mems"),
    PidsLimit: flags.number("pids-limit"),
    BlkioWeight: flags.number("blkio-weight"),
    BlkioWeightDevice: flags.list("blkio-weight-device").map(parseWeightDevice),
    BlkioDeviceReadBps: flags.list("device-read-bps").map(parseBpsDevice),
    BlkioDeviceWriteBps: flags.list("device-write-bps").map(parseBpsDevice),
    BlkioDeviceReadIOps: flags.list("device-read-iops").map(parseIopsDevice),
    BlkioDeviceWriteIOps: flags.list("device-write-iops").map(parseIopsDevice),
    Ulimits: parseUlimits(flags.list("ulimit")),
    DeviceCgroupRules: listOrNull(flags.list("device-cgroup-rule")),
    Devices: devices.map(parseDevice),
    DeviceRequests: cdi.length > 0 ? [{ Driver: "cdi", DeviceIDs: cdi }] : null,
  };
}
