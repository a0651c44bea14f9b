// What containerd says of a task, in our words.

import { setTimeout as sleep } from "node:timers/promises";
import type { Process } from "./gen/process_pb.ts";
import { toDate } from "./values.ts";

export type TaskState = "created" | "running" | "stopped" | "paused" | "unknown";

export interface TaskStatus {
  readonly containerId: string;
  readonly pid: number;
  readonly state: TaskState;
  /** Of a stopped task. */
  readonly exit?: { readonly code: number; readonly at: Date };
}

const answersWithinMs = 10_000;

const states: readonly TaskState[] = ["unknown", "created", "running", "stopped", "paused", "paused"];

/**
 * containerd gives a shim two seconds to tell its task's state, which may be short on a busy machine; a broken one never
 * tells.
 */
export async function answered(ask: () => Promise<readonly Process[]>): Promise<readonly Process[]> {
  const deadline = performance.now() + answersWithinMs;
  for (;;) {
    const processes = await ask();
    const isKnown = processes.every((process) => toTaskStatus(process).state !== "unknown");
    if (isKnown || performance.now() > deadline) return processes;
    await sleep(50);
  }
}

/** A task goes by its container's id; containerd leaves the field for the container empty in lists. */
export function toTaskStatus(process: Process): TaskStatus {
  const state = states[process.status] ?? "unknown";
  return {
    containerId: process.containerId === "" ? process.id : process.containerId,
    pid: process.pid,
    state,
    ...(state === "stopped" && { exit: { code: process.exitStatus, at: toDate(process.exitedAt) } }),
  };
}
