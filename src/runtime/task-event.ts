// What containerd tells of tasks, as values.

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary } from "@bufbuild/protobuf";
import type { Envelope } from "./gen/events_pb.ts";
import {
  TaskCreateSchema,
  TaskDeleteSchema,
  TaskExecAddedSchema,
  TaskExecStartedSchema,
  TaskExitSchema,
  TaskOOMSchema,
  TaskPausedSchema,
  TaskResumedSchema,
  TaskStartSchema,
} from "./gen/task-events_pb.ts";
import { toDate } from "./values.ts";

export interface TaskExit {
  readonly kind: "exit";
  readonly containerId: string;
  /** Present when an exec ended, absent when the container's first process did. */
  readonly execId?: string;
  readonly pid: number;
  readonly code: number;
  readonly at: Date;
}

export type TaskEvent =
  | TaskExit
  | { readonly kind: "create"; readonly containerId: string; readonly pid: number }
  | { readonly kind: "start"; readonly containerId: string; readonly pid: number }
  | { readonly kind: "delete"; readonly containerId: string; readonly execId?: string; readonly pid: number }
  | { readonly kind: "exec-added"; readonly containerId: string; readonly execId: string }
  | {
      readonly kind: "exec-started";
      readonly containerId: string;
      readonly execId: string;
      readonly pid: number;
    }
  | { readonly kind: "oom"; readonly containerId: string }
  | { readonly kind: "paused"; readonly containerId: string }
  | { readonly kind: "resumed"; readonly containerId: string };

type Decode = (payload: Uint8Array) => TaskEvent;

const decoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  on("/tasks/exit", TaskExitSchema, (m) => ({
    kind: "exit",
    containerId: m.containerId,
    ...execIdOf(m),
    pid: m.pid,
    code: m.exitStatus,
    at: toDate(m.exitedAt),
  })),
  on("/tasks/create", TaskCreateSchema, (m) => ({ kind: "create", containerId: m.containerId, pid: m.pid })),
  on("/tasks/start", TaskStartSchema, (m) => ({ kind: "start", containerId: m.containerId, pid: m.pid })),
  on("/tasks/delete", TaskDeleteSchema, (m) => ({
    kind: "delete",
    containerId: m.containerId,
    ...execIdOf(m),
    pid: m.pid,
  })),
  on("/tasks/exec-added", TaskExecAddedSchema, (m) => ({
    kind: "exec-added",
    containerId: m.containerId,
    execId: m.execId,
  })),
  on("/tasks/exec-started", TaskExecStartedSchema, (m) => ({
    kind: "exec-started",
    containerId: m.containerId,
    execId: m.execId,
    pid: m.pid,
  })),
  on("/tasks/oom", TaskOOMSchema, (m) => ({ kind: "oom", containerId: m.containerId })),
  on("/tasks/paused", TaskPausedSchema, (m) => ({ kind: "paused", containerId: m.containerId })),
  on("/tasks/resumed", TaskResumedSchema, (m) => ({ kind: "resumed", containerId: m.containerId })),
]);

/** The event in an envelope; undefined for topics that nobody here needs. */
export function decodeTaskEvent(envelope: Envelope): TaskEvent | undefined {
  const payload = envelope.event?.value;
  return payload && decoders.get(envelope.topic)?.(payload);
}

function on<D extends DescMessage>(
  topic: string,
  schema: D,
  toEvent: (message: MessageShape<D>) => TaskEvent,
): [string, Decode] {
  return [topic, (payload) => toEvent(fromBinary(schema, payload))];
}

// The first process goes by the container's own id (or by none at all in a delete event).
function execIdOf({ id, containerId }: { id: string; containerId: string }): { execId?: string } {
  return id === containerId || id === "" ? {} : { execId: id };
}
