// Further processes in a running container.

import { setTimeout as sleep } from "node:timers/promises";
import { startFailureExitCode } from "../runtime/index.ts";
import { conflict, errorKind, errorMessage, invalid, notFound } from "../util/errors.ts";
import { newId } from "../util/ids.ts";
import type { Container } from "./container.ts";
import type { ExecRecord, Execution } from "./execution.ts";
import type { EngineContext, LiveTask } from "./parts.ts";
import { hasEnded, notRunning, unlessEnded } from "./process-end.ts";
import { execProcess } from "./spec.ts";
import { Streams } from "./streams.ts";
import type { AttachSession, ExecSpec, ExecStart, ExecView, TerminalSize } from "./types.ts";

/** How many ended execs a container remembers for inspect. */
const rememberedExecutions = 64;
const drainGraceMs = 2000;
/** How long a resize waits for an exec to begin. */
const beginGraceMs = 10_000;

/** Puts an exec on a running container's list; nothing is started yet. @throws conflict, invalid */
export function createExec(context: EngineContext, container: Container, spec: ExecSpec): string {
  checkRunning(container);
  if (spec.command.length === 0) throw invalid("No exec command specified");
  const id = newId();
  forgetOldest(container);
  container.executions.set(id, {
    id,
    spec,
    streams: new Streams(spec.tty),
    process: undefined,
    state: "created",
    exitCode: undefined,
    begun: Promise.withResolvers(),
  });
  publish(context, container, `exec_create: ${spec.command.join(" ")}`, id);
  return id;
}

/** Takes over the execs of a container that ran while there was no daemon. */
export async function adoptExecs(context: EngineContext, container: Container): Promise<void> {
  const records = [...context.execRecords.values()].filter(({ containerId }) => containerId === container.id);
  await Promise.all(records.map((record) => adoptExec(context, container, record)));
}

async function adoptExec(context: EngineContext, container: Container, record: ExecRecord): Promise<void> {
  const { id, spec } = record;
  const loaded = await context.runtime.loadExec(container.id, id);
  const hasRun = loaded?.state === "running" || loaded?.state === "paused" || loaded?.state === "stopped";
  if (!loaded || !hasRun) {
    await loaded?.process.delete().catch(() => undefined);
    await loaded?.process.stdio.close();
    return await context.execRecords.delete(id);
  }
  const begun = Promise.withResolvers<void>();
  begun.resolve();
  const streams = new Streams(spec.tty);
  const { process } = loaded;
  const execution: Execution = { id, spec, streams, process, state: "running", exitCode: undefined, begun };
  container.executions.set(id, execution);
  // read even though nobody listens: a full pipe would stop it
  streams.connect(process.stdio);
  void followExecExit(context, container, execution);
}

function checkRunning(container: Container): void {
  if (!container.running) throw notRunning(container);
  if (container.paused) throw paused(container);
}

const paused = ({ id }: Container) =>
  conflict(`container ${id} is paused, unpause the container before exec`);

function forgetOldest(container: Container): void {
  const ended = [...container.executions.values()].filter(({ state }) => state === "exited");
  for (const { id } of ended.slice(0, Math.max(0, ended.length - rememberedExecutions))) {
    container.executions.delete(id);
  }
}

/** The exec with its container. @throws not-found */
export function findExec(context: EngineContext, id: string): { container: Container; execution: Execution } {
  for (const container of context.registry.all()) {
    const execution = container.executions.get(id);
    if (execution) return { container, execution };
  }
  throw notFound(`No such exec instance: ${id}`);
}

/** An exec as inspect shows it. */
export function viewExec(container: Container, execution: Execution): ExecView {
  return {
    id: execution.id,
    containerId: container.id,
    spec: execution.spec,
    running: execution.state === "running",
    ...(execution.exitCode !== undefined && { exitCode: execution.exitCode }),
    pid: execution.state === "running" ? (execution.process?.pid ?? 0) : 0,
    canRemove: execution.state === "exited",
  };
}

/** Starts an exec with its streams. @throws conflict when it was started before */
export async function startExec(
  context: EngineContext,
  id: string,
  { request, signal }: { request: ExecStart; signal: AbortSignal },
): Promise<AttachSession> {
  const { container, execution } = findExec(context, id);
  const { spec, streams } = execution;
  claim(container, execution);
  const session = streams.attach({
    stdin: spec.attachStdin,
    stdout: spec.attachStdout,
    stderr: spec.attachStderr,
    onInputEnd: () => streams.endInput(),
    onDetach: (why) => {
      if (why === "keys") publish(context, container, "exec_detach", id);
    },
  });
  signal.addEventListener("abort", () => session.detach("gone"), { once: true });
  await run(context, { container, execution, size: request.consoleSize ?? spec.consoleSize });
  return session;
}

/** Starts an exec whose output goes nowhere. */
export async function startExecDetached(context: EngineContext, id: string): Promise<void> {
  const { container, execution } = findExec(context, id);
  claim(container, execution);
  await run(context, { container, execution, size: execution.spec.consoleSize });
}

/** Gives an exec's terminal a size, in characters. @throws not-found, conflict when it does not run */
export async function resizeExec(
  context: EngineContext,
  id: string,
  { width, height }: TerminalSize,
): Promise<void> {
  const { execution } = findExec(context, id);
  // clients send the size of their terminal beside the start: it waits for that, as in Docker
  if (execution.state === "created" || execution.state === "starting")
    await Promise.race([execution.begun.promise, sleep(beginGraceMs, undefined, { ref: false })]);
  const refusal = conflict(`exec ${id} is not running`);
  const { process } = execution;
  if (execution.state !== "running" || !process) throw refusal;
  await unlessEnded(process, process.resize(width, height), refusal);
}

function claim(container: Container, execution: Execution): void {
  checkRunning(container);
  if (execution.state === "running") throw conflict(`exec ${execution.id} is already running`);
  if (execution.state !== "created") throw conflict(`exec ${execution.id} has already run`);
  execution.state = "starting";
}

async function run(
  context: EngineContext,
  {
    container,
    execution,
    size,
  }: { container: Container; execution: Execution; size: TerminalSize | undefined },
): Promise<void> {
  const { spec, streams, id } = execution;
  try {
    if (!container.running) throw notRunning(container);
    const { task } = container.running;
    const options = { terminal: spec.tty, stdin: spec.attachStdin };
    const asked = <T>(asking: Promise<T>) =>
      asking.catch(async (error) => {
        throw await whyRefused(context, container, { task, error });
      });
    const description = await asked(execProcess(context, container, { exec: spec, size }));
    if (context.settings.liveRestore)
      await context.execRecords.put(id, { id, containerId: container.id, spec });
    execution.process = await asked(task.exec(id, description, options));
    streams.connect(execution.process.stdio);
    await asked(execution.process.start());
  } catch (error) {
    execution.state = "exited";
    execution.exitCode = startFailureExitCode(errorMessage(error));
    execution.begun.resolve();
    streams.end();
    await execution.process?.delete().catch(() => undefined);
    await execution.process?.stdio.close();
    await forget(context, id);
    throw error;
  }
  execution.state = "running";
  execution.begun.resolve();
  publish(context, container, `exec_start: ${spec.command.join(" ")}`, id);
  if (size && spec.tty && size.width > 0)
    await execution.process.resize(size.width, size.height).catch(() => undefined);
  void followExecExit(context, container, execution);
}

/** The container may have ended meanwhile, or been paused, which containerd tells in words of its own. */
async function whyRefused(
  context: EngineContext,
  container: Container,
  { task, error }: { readonly task: LiveTask; readonly error: unknown },
): Promise<unknown> {
  if (errorKind(error) === "invalid") return error;
  // a pause that is under way
  await context.locks.run(container.id, () => undefined);
  if (container.paused) return paused(container);
  return (await hasEnded(task, error)) ? notRunning(container) : error;
}

async function followExecExit(
  context: EngineContext,
  container: Container,
  execution: Execution,
): Promise<void> {
  const { process, streams, id } = execution;
  if (!process) return;
  const code = await process.wait().then(
    (status) => status.code,
    () => 255,
  );
  await process.stdio.drained(drainGraceMs);
  if (context.hasLetGo()) return;
  execution.exitCode = code;
  execution.state = "exited";
  streams.end();
  const attributes = { ...container.attributes, execID: id, exitCode: String(code) };
  context.events.publish("container", "exec_die", container.id, attributes);
  await process.delete().catch(() => undefined);
  await process.stdio.close();
  await forget(context, id);
}

async function forget({ execRecords }: EngineContext, id: string): Promise<void> {
  if (execRecords.has(id)) await execRecords.delete(id);
}

function publish(context: EngineContext, container: Container, action: string, execId: string): void {
  context.events.publish("container", action, container.id, { ...container.attributes, execID: execId });
}
