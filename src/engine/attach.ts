// A client's hold on a container's streams, live or from its log.

import { conflict, invalid, notImplemented } from "../util/errors.ts";
import type { Container } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import { notRunning, unlessEnded } from "./process-end.ts";
import type {
  AttachRequest,
  AttachSession,
  ContainerLog,
  LogQuery,
  OutputChunk,
  TerminalSize,
} from "./types.ts";

export async function attachContainer(
  context: EngineContext,
  container: Container,
  { request, signal }: { request: AttachRequest; signal: AbortSignal },
): Promise<AttachSession> {
  if (container.paused)
    throw conflict(`container ${container.id} is paused, unpause the container before attach`);
  const { spec } = container.record;
  const session = container.streams.attach({
    stdin: request.stream && request.stdin && spec.openStdin,
    stdout: request.stream && request.stdout,
    stderr: request.stream && request.stderr,
    onInputEnd: () => {
      if (spec.stdinOnce && !spec.tty) container.streams.endInput();
    },
    onDetach: (why) => {
      if (why === "keys") context.events.publish("container", "detach", container.id, container.attributes);
    },
  });
  signal.addEventListener("abort", () => session.detach("gone"), { once: true });
  context.events.publish("container", "attach", container.id, container.attributes);
  if (!request.stream) session.detach("gone");
  return request.logs
    ? { ...session, output: logThenLive(container, { request, session, signal }) }
    : session;
}

async function* logThenLive(
  container: Container,
  { request, session, signal }: { request: AttachRequest; session: AttachSession; signal: AbortSignal },
): AsyncGenerator<OutputChunk> {
  const query: LogQuery = { stdout: request.stdout, stderr: request.stderr, follow: false };
  if (container.log) yield* container.log.read(query, () => false, signal);
  yield* session.output;
}

export function readLogs(container: Container, query: LogQuery, signal: AbortSignal): ContainerLog {
  if (!query.stdout && !query.stderr) throw invalid("Bad parameters: you must choose at least one stream");
  if (!container.log) throw notImplemented("configured logging driver does not support reading");
  const isRunning = () => container.isRunning || container.isRestarting;
  return { tty: container.record.spec.tty, records: container.log.read(query, isRunning, signal) };
}

export async function resizeContainer(container: Container, { width, height }: TerminalSize): Promise<void> {
  if (!container.running) throw notRunning(container);
  const { task } = container.running;
  await unlessEnded(task, task.resize(width, height), notRunning(container));
}
