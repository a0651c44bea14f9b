// Containers: what answers with a stream. Attach, logs, wait, stats.

import type { ContainerExit, Engine, LogQuery, LogRecord, WaitCondition } from "../../engine/types.ts";
import { invalid } from "../../util/errors.ts";
import { carryAttach } from "../attach.ts";
import type { Call } from "../call.ts";
import type { Connection } from "../connection.ts";
import { defaultDetachKeys, parseDetachKeys } from "../detach-keys.ts";
import { outputBytes, outputContentType } from "../frames.ts";
import type { Query } from "../query.ts";
import { get, post, type Route, streamed } from "../route.ts";
import type { WaitResponse } from "../schemas/container.ts";
import { isBefore } from "../version.ts";
import { statsRoute } from "./stats.ts";

export const containerStreamRoutes = (engine: Engine): readonly Route[] => [
  post("/containers/:id/attach", async (call) => {
    const connection = call.takeConnection();
    await attach(engine, call, connection).catch((error) => connection.refuse(error));
    return streamed;
  }),
  get("/containers/:id/logs", async (call) => {
    await sendLogs(engine, call);
    return streamed;
  }),
  post("/containers/:id/wait", async (call) => {
    await sendExit(engine, call);
    return streamed;
  }),
  statsRoute(engine),
];

async function attach({ containers }: Engine, call: Call, connection: Connection): Promise<void> {
  const { query } = call;
  const detachKeys = parseDetachKeys(query.text("detachKeys") ?? defaultDetachKeys);
  const request = {
    stdin: query.flag("stdin"),
    stdout: query.flag("stdout"),
    stderr: query.flag("stderr"),
    stream: query.flag("stream"),
    logs: query.flag("logs"),
  };
  const session = await containers.attach(call.parameter("id"), request, connection.signal);
  connection.open(outputContentType(call.version, session.tty));
  await carryAttach(connection, { session, detachKeys });
}

async function sendLogs({ containers }: Engine, call: Call): Promise<void> {
  const query = readLogQuery(call.query);
  const { tty, records } = await containers.logs(call.parameter("id"), query, call.signal);
  const show = {
    tty,
    timestamps: call.query.flag("timestamps"),
    details: call.query.flag("details"),
  };
  const stream = call.openStream(outputContentType(call.version, tty));
  for await (const record of records) await stream.write(outputBytes(logChunk(record, show), tty));
  stream.end();
}

function readLogQuery(query: Query): LogQuery {
  const [stdout, stderr] = [query.flag("stdout"), query.flag("stderr")];
  if (!stdout && !stderr) throw invalid("Bad parameters: you must choose at least one stream");
  const now = new Date();
  const [sinceNano, untilNano] = [query.time("since", now), query.time("until", now)];
  const tail = readTail(query.text("tail"));
  return {
    stdout,
    stderr,
    follow: query.flag("follow"),
    ...(sinceNano !== undefined && { sinceNano }),
    ...(untilNano !== undefined && { untilNano }),
    ...(tail !== undefined && { tail }),
  };
}

/** "all", and anything that is no number of lines, means all; as in Docker. */
function readTail(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : undefined;
}

interface LogShow {
  readonly timestamps: boolean;
  readonly details: boolean;
}

function logChunk(record: LogRecord, { timestamps, details }: LogShow): LogRecord {
  const pairs = Object.entries(record.details ?? {}).map(
    ([key, value]) => `${key}=${encodeURIComponent(value)}`,
  );
  const before = `${timestamps ? `${record.timestamp} ` : ""}${details ? `${pairs.sort().join(",")} ` : ""}`;
  if (before === "") return record;
  return { ...record, data: Buffer.concat([Buffer.from(before), record.data]) };
}

const conditions = new Set<string>(["not-running", "next-exit", "removed"] satisfies WaitCondition[]);

async function sendExit({ containers }: Engine, call: Call): Promise<void> {
  const condition = call.query.text("condition") ?? "not-running";
  if (!conditions.has(condition)) throw invalid(`invalid condition: ${JSON.stringify(condition)}`);
  const pending = await containers.wait(call.parameter("id"), condition as WaitCondition, call.signal);
  // the client starts the container once it sees our head: by then the waiter is registered
  const stream = call.openStream("application/json");
  const exit = await pending.exit;
  await stream.writeJson(exitWire(exit, call));
  stream.end();
}

function exitWire({ statusCode, error }: ContainerExit, call: Call): WaitResponse {
  if (error === undefined || isBefore(call.version, 34)) return { StatusCode: statusCode };
  return { StatusCode: statusCode, Error: { Message: error } };
}
