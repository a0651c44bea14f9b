// What a container start is, line by line.
//
// The netns comes first: it is made while the root file system is looked at, and while it is wired (endpoints, names,
// published ports) containerd makes the task that joins it by path. The command runs only when both are done. Everything that is made on the way is on one undo
// stack, which the running container then owns.

import { writeFile } from "node:fs/promises";
import type { SandboxSpec } from "../cnm/index.ts";
import { startFailureExitCode } from "../runtime/index.ts";
import { conflict, errorKind, errorMessage, notModified, wrapError } from "../util/errors.ts";
import { Undo } from "../util/undo.ts";
import type { Container } from "./container.ts";
import { followExit } from "./exit.ts";
import { expectHealth, startHealth } from "./health.ts";
import { checkSources } from "./mounts.ts";
import { etcFiles, hostnameOf, sandboxSpec, sharedNetns } from "./networking.ts";
import { networkIdsOf, publishMembership } from "./networks.ts";
import type { EngineContext, LiveSandbox, LiveTask } from "./parts.ts";
import { removeLocked } from "./remove.ts";
import { type PreparedRootfs, prepareRootfs } from "./rootfs.ts";
import { specOf } from "./spec.ts";

const sigkill = 9;

/** Whether a task needs a signal before it can be deleted. */
export interface TaskLife {
  ended: boolean;
}

interface TaskParts {
  readonly sandbox: LiveSandbox | undefined;
  readonly rootfs: PreparedRootfs;
}

/** Starts a container under its lock. @throws not-modified when it runs, conflict when it is paused or on its way out */
export function startContainer(context: EngineContext, container: Container): Promise<void> {
  return context.locks.run(container.id, () => startLocked(context, container));
}

/** The start itself, for callers that hold the container's lock. */
export async function startLocked(context: EngineContext, container: Container): Promise<void> {
  if (container.removing) throw conflict("container is marked for removal and cannot be started");
  if (container.paused) throw conflict("cannot start a paused container, try unpause instead");
  if (container.running) throw notModified(`container ${container.name} is running`);
  clearTimeout(container.restartTimer);
  container.restartTimer = undefined;
  container.stopRequested = false;
  try {
    await bringUp(context, container);
  } catch (error) {
    const wasRestarting = container.isRestarting;
    container.isRestarting = false;
    await noteFailure(context, container, { error, wasRestarting });
    throw error;
  }
  publishMembership(context, container, { action: "connect", networkIds: networkIdsOf(container) });
  context.events.publish("container", "start", container.id, container.attributes);
  startHealth(context, container, { since: new Date() });
}

async function bringUp(context: EngineContext, container: Container): Promise<void> {
  await using undo = new Undo(context.log);
  await checkSources(container.record.spec);
  const life: TaskLife = { ended: false };
  const sandboxRequest = sandboxSpec(context, container);
  expectHealth(context, container);
  // without endpoints yet: they are joined while containerd makes the task
  const [sandbox, rootfs] = await bothOrNeither([
    makeSandbox(context, container, { spec: { ...sandboxRequest, endpoints: [] }, undo }),
    prepareRootfs(context, container),
  ]);
  const [task] = await bothOrNeither([
    makeTask(context, container, { sandbox, rootfs, life, undo }),
    sandbox && connect(sandbox, sandboxRequest.endpoints),
  ]);
  container.streams.connect(task.stdio);
  await task.start();
  watchLife(task, life);
  const startedAt = new Date();
  container.running = { task, sandbox, undo: undo.move(), startedAt };
  container.isRestarting = false;
  followExit(context, container, { running: container.running, startAgain: startLocked });
  await context.registry.change(container, {
    stoppedByHand: false,
    willRestart: false,
    health: undefined,
    // when it ended the last time stays to be seen
    state: {
      ...container.record.state,
      phase: "running",
      pid: task.pid,
      exitCode: 0,
      error: "",
      oomKilled: false,
      startedAt,
    },
  });
}

/** Notes in `life` when the task has ended. */
export function watchLife(task: LiveTask, life: TaskLife): void {
  void task.wait().then(
    () => {
      life.ended = true;
    },
    () => undefined,
  );
}

/** Waits for all even when one fails, so that undoing meets nothing half-made. */
async function bothOrNeither<A, B>(work: readonly [A | Promise<A>, B | Promise<B>]): Promise<[A, B]> {
  const outcomes = await Promise.allSettled(work);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  return Promise.all(work);
}

async function connect(sandbox: LiveSandbox, endpoints: SandboxSpec["endpoints"]): Promise<void> {
  try {
    await sandbox.connectAll(endpoints);
  } catch (error) {
    throw wrapError(error, "failed to set up container networking");
  }
}

async function makeSandbox(
  context: EngineContext,
  container: Container,
  { spec, undo }: { spec: SandboxSpec; undo: Undo },
): Promise<LiveSandbox | undefined> {
  if (container.record.spec.networkMode.kind === "container") return undefined;
  const [sandbox] = await Promise.all([
    context.controller.createSandbox(spec),
    writeFile(etcFiles(context, container).hostname, `${hostnameOf(context, container)}\n`),
  ]);
  undo.defer("delete sandbox", () => sandbox.delete());
  return sandbox;
}

async function makeTask(
  context: EngineContext,
  container: Container,
  { sandbox, rootfs, life, undo }: TaskParts & { life: TaskLife; undo: Undo },
): Promise<LiveTask> {
  const { runtime } = context;
  const { id, record } = container;
  const mode = record.spec.networkMode;
  const netns = mode.kind === "container" ? sharedNetns(context, mode.container) : sandbox?.netnsPath;
  const spec = await specOf(context, container, {
    netns: mode.kind === "host" ? undefined : netns,
    user: rootfs.user,
  });
  undo.defer("delete container record", () => runtime.delete(id));
  await runtime.create({ id, image: record.spec.image, snapshotKey: id, spec });
  const streams = { terminal: record.spec.tty, stdin: record.spec.openStdin, rootfs: rootfs.mounts };
  const task = await runtime.createTask(id, streams).catch(async (error) => {
    // unless the command is at fault, containerd may have gone away half-way: what it had begun is nobody's
    if (errorKind(error) !== "invalid") await runtime.abandonTask(id);
    throw error;
  });
  deferTaskEnd(context, task, { life, undo });
  return task;
}

/** Puts the end of a task onto the stack. */
export function deferTaskEnd(
  { runtime }: EngineContext,
  task: LiveTask,
  { life, undo }: { readonly life: TaskLife; readonly undo: Undo },
): void {
  undo.defer("delete task", () =>
    // containerd that went away meanwhile may have lost the task, or be back
    deleteTask(task, life).catch(() => runtime.abandonTask(task.containerId)),
  );
}

async function deleteTask(task: LiveTask, life: TaskLife): Promise<void> {
  if (!life.ended) await task.kill(sigkill).catch(() => undefined);
  await task.delete();
  await task.stdio.close();
}

/**
 * A start that failed shows in inspect. Whoever asked for it is told in the answer, and who waits for the next exit goes
 * on waiting, as with dockerd: docker run would say it twice. A restart that failed was the last that they waited for.
 */
async function noteFailure(
  context: EngineContext,
  container: Container,
  { error, wasRestarting }: { readonly error: unknown; readonly wasRestarting: boolean },
): Promise<void> {
  const exitCode = startFailureExitCode(errorMessage(error));
  const { state } = container.record;
  await context.registry.change(container, {
    willRestart: false,
    state: {
      ...state,
      phase: state.phase === "running" ? "exited" : state.phase,
      pid: 0,
      exitCode,
      error: errorMessage(error),
    },
  });
  container.streams.end();
  if (wasRestarting) container.tellExit({ statusCode: exitCode, error: errorMessage(error) });
  if (!container.record.spec.autoRemove) return;
  await removeLocked(context, container, { force: false, volumes: true }).catch((failure) => {
    context.log.warn({ container: container.id, reason: errorMessage(failure) }, "cannot remove a container");
  });
}
