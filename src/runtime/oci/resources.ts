// Limits as the specification words them, for a new container and for the update of a running one.

import { invalid } from "../../util/errors.ts";
import type { OciDeviceRule, OciResources } from "./schema.ts";
import type { HostFacts, ResourceLimits, SpecInput } from "./spec-input.ts";

const anyDevice: OciDeviceRule = { allow: true, access: "rwm" };

// Docker's: null, zero, full, random, urandom, tty and console are allowed, /dev/fuse is not. runc adds ptys itself.
const defaultRules: readonly OciDeviceRule[] = [
  { allow: false, access: "rwm" },
  ...(["1:5", "1:3", "1:9", "1:8", "5:0", "5:1"] as const).map((number) =>
    parseDeviceRule(`c ${number} rwm`),
  ),
  { allow: false, type: "c", major: 10, minor: 229, access: "rwm" },
];

/** The resources of a new container, devices included. */
export function chooseResources(input: SpecInput): OciResources {
  const granted = input.devices.map(({ device, access }) => ({
    allow: true,
    type: device.type,
    major: device.major,
    minor: device.minor,
    access,
  }));
  const devices = input.privileged
    ? [anyDevice]
    : [...defaultRules, ...granted, ...input.deviceCgroupRules.map(parseDeviceRule)];
  return { devices, ...toOciResources(input.resources, input.host) };
}

/** Limits without devices: what a running container can be updated with. Throws invalid for what cannot be. */
export function toOciResources(limits: ResourceLimits, host: Pick<HostFacts, "hasSwapLimit">): OciResources {
  const memory = memoryLimits(limits, host);
  const cpu = cpuLimits(limits);
  const { pidsLimit, blkioWeight } = limits;
  return {
    ...(isFilled(memory) && { memory }),
    ...(isFilled(cpu) && { cpu }),
    ...(pidsLimit !== undefined && { pids: { limit: pidsLimit > 0 ? pidsLimit : -1 } }),
    ...(blkioWeight && { blockIO: { weight: blkioWeight } }),
  };
}

/** Reads `c 13:* rwm`. Throws invalid with Docker's text. */
export function parseDeviceRule(text: string): OciDeviceRule {
  const [, type, major, minor, access] = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(text) ?? [];
  if (!type || !major || !minor || !access) throw invalid(`invalid device cgroup rule format: '${text}'`);
  return {
    allow: true,
    type,
    ...(major !== "*" && { major: Number(major) }),
    ...(minor !== "*" && { minor: Number(minor) }),
    access,
  };
}

function memoryLimits(limits: ResourceLimits, host: Pick<HostFacts, "hasSwapLimit">) {
  const { memoryBytes, memorySwapBytes, memoryReservationBytes, memorySwappiness } = limits;
  // Docker's rule: who limits memory and says nothing of swap gets as much of it again.
  const swap = memorySwapBytes || (memoryBytes ? memoryBytes * 2 : undefined);
  return {
    ...(memoryBytes && { limit: memoryBytes }),
    ...(memoryReservationBytes && { reservation: memoryReservationBytes }),
    ...(swap && host.hasSwapLimit && { swap }),
    ...(memorySwappiness !== undefined && memorySwappiness >= 0 && { swappiness: memorySwappiness }),
    ...(limits.oomKillDisable && { disableOOMKiller: true }),
  };
}

// The kernel's default period; a number of CPUs is a share of it.
const cpuPeriodUs = 100_000;

function cpuLimits(limits: ResourceLimits) {
  const { nanoCpus } = limits;
  const period = nanoCpus ? cpuPeriodUs : limits.cpuPeriodUs;
  const quota = nanoCpus ? Math.round((nanoCpus * cpuPeriodUs) / 1e9) : limits.cpuQuotaUs;
  return {
    ...(limits.cpuShares && { shares: limits.cpuShares }),
    ...(period && { period }),
    ...(quota && { quota }),
    ...(limits.cpuRealtimePeriodUs && { realtimePeriod: limits.cpuRealtimePeriodUs }),
    ...(limits.cpuRealtimeRuntimeUs && { realtimeRuntime: limits.cpuRealtimeRuntimeUs }),
    ...(limits.cpusetCpus && { cpus: limits.cpusetCpus }),
    ...(limits.cpusetMems && { mems: limits.cpusetMems }),
  };
}

const isFilled = (value: object) => Object.keys(value).length > 0;
