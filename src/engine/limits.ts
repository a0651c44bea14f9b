// Limits that no machine, or not this one, can give.

import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { invalid } from "../util/errors.ts";
import type { Resources } from "./types.ts";

/** @throws invalid in Docker's words when more or other processors or memory nodes are asked for than there are */
export async function checkLimits({ nanoCpus, cpusetCpus, cpusetMems }: Resources): Promise<void> {
  const count = cpus().length;
  if (nanoCpus !== undefined && (nanoCpus < 0 || nanoCpus > count * 1e9)) {
    throw invalid(`range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`);
  }
  if (cpusetCpus) await checkSet("cpu", cpusetCpus);
  if (cpusetMems) await checkSet("node", cpusetMems);
}

const words = { cpu: ["cpuset cpus", "CPUs"], node: ["cpuset mems", "memory nodes"] } as const;

async function checkSet(kind: "cpu" | "node", text: string): Promise<void> {
  const [field, things] = words[kind];
  const asked = parseSet(text);
  if (!asked) throw invalid(`invalid value ${text} for ${field}: invalid format: ${text}`);
  // sysfs(5): a list of ranges; no such folder where there is one node alone
  const path = `/sys/devices/system/${kind}/online`;
  const available = (await readFile(path, "utf8").catch(() => "0")).trim();
  const online = parseSet(available) ?? new Set();
  if (![...asked].every((member) => online.has(member))) {
    throw invalid(`requested ${things} are not available - requested ${text}, available: ${available}`);
  }
}

/** `0-2,7` as numbers; undefined when it is no such list. */
export function parseSet(text: string): Set<number> | undefined {
  const members = new Set<number>();
  for (const part of text.split(",")) {
    const [, first, last = first] = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(part.trim()) ?? [];
    if (first === undefined || Number(first) > Number(last)) return undefined;
    for (let member = Number(first); member <= Number(last); member++) members.add(member);
  }
  return members;
}
