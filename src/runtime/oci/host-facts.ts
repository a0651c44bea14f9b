// What the machine allows, read once at start from /proc, /sys and /dev.

import { access, readdir, readFile } from "node:fs/promises";
import { release } from "node:os";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { knownCapabilities } from "./capabilities.ts";
import { listDevices } from "./devices.ts";
import type { HostFacts } from "./spec-input.ts";

/** Reads everything; what cannot be read counts as absent. */
export async function readHostFacts(): Promise<HostFacts> {
  const [isUnified, memsw, status, limits, score, devices, thermalPaths, config, bootLine] =
    await Promise.all([
      exists("/sys/fs/cgroup/cgroup.controllers"),
      exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"),
      readText("/proc/self/status"),
      readText("/proc/self/limits"),
      readText("/proc/self/oom_score_adj"),
      listDevices("/dev"),
      findThermalPaths(),
      readKernelConfig(),
      readText("/proc/cmdline"),
    ]);
  return {
    cgroupVersion: isUnified ? 2 : 1,
    hasSwapLimit: isUnified || memsw,
    capabilities: parseCapabilities(status),
    hardLimits: parseLimits(limits),
    oomScoreAdjust: Number.parseInt(score, 10) || 0,
    devices,
    thermalPaths,
    kernel: parseKernel(release()),
    hasX32: mayRunX32(config, bootLine),
  };
}

/** The bounding set of /proc/<pid>/status, by names. */
export function parseCapabilities(status: string): readonly string[] {
  const mask = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return knownCapabilities.filter((_, bit) => (mask >> BigInt(bit)) & 1n);
}

// The words of /proc/<pid>/limits for what ulimit(1) and Docker call by short names.
const limitNames: Readonly<Record<string, string>> = {
  "Max cpu time": "cpu",
  "Max file size": "fsize",
  "Max data size": "data",
  "Max stack size": "stack",
  "Max core file size": "core",
  "Max resident set": "rss",
  "Max processes": "nproc",
  "Max open files": "nofile",
  "Max locked memory": "memlock",
  "Max address space": "as",
  "Max file locks": "locks",
  "Max pending signals": "sigpending",
  "Max msgqueue size": "msgqueue",
  "Max nice priority": "nice",
  "Max realtime priority": "rtprio",
  "Max realtime timeout": "rttime",
};

/** The hard limits of /proc/<pid>/limits by short name; Infinity where there is none. */
export function parseLimits(text: string): Readonly<Record<string, number>> {
  const limits: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const [, words = "", hard = ""] = /^(Max [a-z ]+?)\s{2,}\S+\s+(\S+)/.exec(line) ?? [];
    const name = limitNames[words];
    if (name) limits[name] = hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
  }
  return limits;
}

/** False only when the kernel's configuration says so. Debian builds x32 in and leaves it off until the boot line asks. */
export function mayRunX32(config: string, bootLine: string): boolean {
  if (config === "") return true;
  if (!/^CONFIG_X86_X32(_ABI)?=y$/m.test(config)) return false;
  return !/^CONFIG_X86_X32_DISABLED=y$/m.test(config) || /\bsyscall\.x32=y\b/.test(bootLine);
}

/** `6.18.5-generic` as [6, 18]. */
export function parseKernel(release: string): readonly [number, number] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return [Number(major ?? 0), Number(minor ?? 0)];
}

async function readKernelConfig(): Promise<string> {
  const packed = await readFile("/proc/config.gz").catch(() => undefined);
  if (packed) return (await promisify(gunzip)(packed)).toString();
  return await readText(`/boot/config-${release()}`);
}

async function findThermalPaths(): Promise<readonly string[]> {
  const folder = "/sys/devices/system/cpu";
  const cpus = (await readdir(folder).catch(() => [])).filter((name) => /^cpu\d+$/.test(name));
  const paths = cpus.map((cpu) => `${folder}/${cpu}/thermal_throttle`);
  const there = await Promise.all(paths.map(exists));
  return paths.filter((_, index) => there[index]);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

async function readText(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}
