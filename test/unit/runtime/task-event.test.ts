// containerd's events as values.

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { EnvelopeSchema } from "../../../src/runtime/gen/events_pb.ts";
import * as wire from "../../../src/runtime/gen/task-events_pb.ts";
import { decodeTaskEvent } from "../../../src/runtime/task-event.ts";

function event<D extends DescMessage>(topic: string, schema: D, init: MessageInitShape<D>) {
  const value = toBinary(schema, create(schema, init));
  return decodeTaskEvent(create(EnvelopeSchema, { topic, event: { typeUrl: schema.typeName, value } }));
}

const at = new Date("2026-11-01T00:00:00Z");

test("the end of a container and that of an exec are told apart", () => {
  const exit = { containerId: "c", pid: 7, exitStatus: 3, exitedAt: timestampFromDate(at) };
  expect(event("/tasks/exit", wire.TaskExitSchema, { ...exit, id: "c" })).toEqual({
    ...{ kind: "exit", containerId: "c", pid: 7, code: 3, at },
  });
  expect(event("/tasks/exit", wire.TaskExitSchema, { ...exit, id: "e" })).toEqual({
    ...{ kind: "exit", containerId: "c", execId: "e", pid: 7, code: 3, at },
  });
});

test("every step has its event", () => {
  const c = { containerId: "c" };
  expect(event("/tasks/create", wire.TaskCreateSchema, { ...c, pid: 1 })).toEqual({
    kind: "create",
    ...c,
    pid: 1,
  });
  expect(event("/tasks/start", wire.TaskStartSchema, { ...c, pid: 1 })).toEqual({
    kind: "start",
    ...c,
    pid: 1,
  });
  expect(event("/tasks/delete", wire.TaskDeleteSchema, { ...c, pid: 1 })).toEqual({
    kind: "delete",
    ...c,
    pid: 1,
  });
  expect(event("/tasks/oom", wire.TaskOOMSchema, c)).toEqual({ kind: "oom", ...c });
  expect(event("/tasks/paused", wire.TaskPausedSchema, c)).toEqual({ kind: "paused", ...c });
  expect(event("/tasks/resumed", wire.TaskResumedSchema, c)).toEqual({ kind: "resumed", ...c });
  const exec = { ...c, execId: "e" };
  expect(event("/tasks/exec-added", wire.TaskExecAddedSchema, exec)).toEqual({ kind: "exec-added", ...exec });
  expect(event("/tasks/exec-started", wire.TaskExecStartedSchema, { ...exec, pid: 9 })).toEqual({
    ...{ kind: "exec-started", ...exec, pid: 9 },
  });
});

test("other topics are nobody's business", () => {
  expect(event("/images/create", wire.TaskOOMSchema, {})).toBeUndefined();
});
