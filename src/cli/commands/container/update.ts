// update.

import { errorMessage } from "../../../util/errors.ts";
import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { bytes, decimal, int, text, uint16 } from "../../flags/spec.ts";
import { parseRestart } from "../../options/restart.ts";

export const update: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: ["tsdocker container update", "tsdocker update"],
  args: minArgs(1),
  flags: [
    uint16("blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)"),
    int("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
    int("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    int("cpu-rt-period", "Limit the CPU real-time period in microseconds", { since: "1.25" }),
    int("cpu-rt-runtime", "Limit the CPU real-time runtime in microseconds", { since: "1.25" }),
    text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    text("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
    int("cpu-shares", "CPU shares (relative weight)", { short: "c" }),
    bytes("memory", "Memory limit", { short: "m" }),
    bytes("memory-reservation", "Memory soft limit"),
    bytes("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap"),
    bytes("kernel-memory", "Kernel memory limit (deprecated)", { hidden: true }),
    text("restart", "Restart policy to apply when a container exits"),
    int("pids-limit", "Tune container pids limit (set -1 for unlimited)", { since: "1.40" }),
    decimal("cpus", "Number of CPUs", { since: "1.29" }),
  ],
  run: runUpdate,
};

async function runUpdate({ session, flags, args }: Invocation): Promise<void> {
  if (flags.changedCount === 0) throw new Error("you must provide one or more flags when using this command");
  const json = {
    BlkioWeight: flags.number("blkio-weight"),
    CpusetCpus: flags.string("cpuset-cpus"),
    CpusetMems: flags.string("cpuset-mems"),
    CpuShares: flags.number("cpu-shares"),
    Memory: flags.number("memory"),
    MemoryReservation: flags.number("memory-reservation"),
    MemorySwap: flags.number("memory-swap"),
    KernelMemory: flags.number("kernel-memory"),
    CpuPeriod: flags.number("cpu-period"),
    CpuQuota: flags.number("cpu-quota"),
    CpuRealtimePeriod: flags.number("cpu-rt-period"),
    CpuRealtimeRuntime: flags.number("cpu-rt-runtime"),
    NanoCpus: flags.number("cpus"),
    ...(flags.number("pids-limit") !== 0 ? { PidsLimit: flags.number("pids-limit") } : {}),
    RestartPolicy: parseRestart(flags.string("restart")),
  };
  const warnings: string[] = [];
  const errors: string[] = [];
  for (const name of args) {
    try {
      const done = await session.client.post<{ Warnings?: string[] | null }>(containerPath(name, "/update"), {
        json,
      });
      session.out.line(name);
      warnings.push(...(done.Warnings ?? []));
    } catch (error) {
      errors.push(errorMessage(error));
    }
  }
  if (warnings.length > 0) session.out.line(warnings.join("\n"));
  if (errors.length > 0) throw new Error(errors.join("\n"));
}
