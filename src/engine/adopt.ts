// A container that went on while there was no daemon, or ended meanwhile: its task is taken over, and from then on it is
// as if it had been started by this one.

import { setTimeout as sleep } from "node:timers/promises";
import type { LoadedTask } from "../runtime/index.ts";
import { errorMessage } from "../util/errors.ts";
import { Undo } from "../util/undo.ts";
import type { Container, Running } from "./container.ts";
import { adoptExecs } from "./exec.ts";
import { followExit } from "./exit.ts";
import { startHealth } from "./health.ts";
import type { EngineContext } from "./parts.ts";
import { deferTaskEnd, startLocked, watchLife } from "./start.ts";

const seenGraceMs = 2000;

/** Takes a task over: one that has ended since is cleaned up after, told and perhaps started again like any other. */
export async function adoptContainer(
  context: EngineContext,
  container: Container,
  { task, status }: LoadedTask,
): Promise<void> {
  const running = runningOf(context, container, task);
  container.running = running;
  container.paused = status.state === "paused";
  // a stop that was under way counts, whoever sees its end
  container.stopRequested = container.record.stoppedByHand;
  container.streams.connect(task.stdio);
  if (status.state !== "stopped") {
    await noteRunning(context, container, running);
    await adoptExecs(context, container).catch((error) => {
      const reason = errorMessage(error);
      context.log.warn({ container: container.id, reason }, "cannot take the execs of a container over");
    });
    startHealth(context, container, { since: running.startedAt, last: container.record.health });
    context.log.info({ container: container.id, pid: task.pid }, "took a running container over");
  }
  const seen = Promise.withResolvers<void>();
  followExit(context, container, { running, startAgain: startLocked, seen: seen.resolve });
  // no client shall see it run that did not: but somebody may hold its output open, and the others wait for us
  if (status.state === "stopped")
    await Promise.race([seen.promise, sleep(seenGraceMs, undefined, { ref: false })]);
}

function runningOf(context: EngineContext, container: Container, task: LoadedTask["task"]): Running {
  const { id, record } = container;
  const sandbox = context.controller.sandbox(id);
  const undo = new Undo(context.log);
  const life = { ended: false };
  if (sandbox) undo.defer("delete sandbox", () => sandbox.delete());
  undo.defer("delete container record", () => context.runtime.delete(id));
  deferTaskEnd(context, task, { life, undo });
  watchLife(task, life);
  const { phase, startedAt } = record.state;
  return { task, sandbox, undo, startedAt: phase === "running" && startedAt ? startedAt : new Date() };
}

/** The daemon before may have been killed between the start and its record. */
async function noteRunning(context: EngineContext, container: Container, running: Running): Promise<void> {
  const { task, startedAt } = running;
  const { state } = container.record;
  if (state.phase === "running" && state.pid === task.pid) return;
  await context.registry.change(container, {
    stoppedByHand: false,
    willRestart: false,
    state: {
      ...state,
      phase: "running",
      pid: task.pid,
      exitCode: 0,
      error: "",
      oomKilled: false,
      startedAt,
    },
  });
  container.stopRequested = false;
  context.events.publish("container", "start", container.id, container.attributes);
}
