// What happens when a container's process ends: it is seen, cleaned up after, told, and perhaps started again.

import { errorMessage } from "../util/errors.ts";
import type { Container, Running } from "./container.ts";
import { networkIdsOf, publishMembership } from "./networks.ts";
import type { EngineContext } from "./parts.ts";
import { removeLocked } from "./remove.ts";
import { shouldRestart } from "./restart-policy.ts";
import { planRestart, type StartAgain } from "./restarts.ts";

/** A grandchild may hold the output open after the process is gone. */
const drainGraceMs = 2000;
const killedExitCode = 128 + 9;

/** Waits for the end of a running container and deals with it; `startAgain` is what a restart policy calls. */
export function followExit(
  context: EngineContext,
  container: Container,
  life: Pick<Exit, "running" | "startAgain" | "seen">,
): void {
  life.running.task.wait().then(
    (status) => settle(context, container, { ...life, code: status.code, at: status.at }),
    (error) => {
      if (context.hasLetGo()) return;
      context.log.error(
        { container: container.id, reason: errorMessage(error) },
        "lost sight of a container",
      );
      return settle(context, container, { ...life, code: 255, at: new Date() });
    },
  );
}

interface Exit {
  readonly running: Running;
  readonly startAgain: StartAgain;
  /** Called when the end is on record and told; what the container held may take longer to go. */
  readonly seen?: () => void;
  readonly code: number;
  readonly at: Date;
}

async function settle(context: EngineContext, container: Container, exit: Exit): Promise<void> {
  if (context.hasLetGo()) return;
  try {
    const [oomKilled] = await Promise.all([
      ranOutOfMemory(container, exit),
      exit.running.task.stdio.drained(drainGraceMs),
      // whoever hears of the end does not find it by name any more
      exit.running.sandbox?.withdrawNames(),
    ]);
    await context.locks.run(container.id, () => settleLocked(context, container, { ...exit, oomKilled }));
  } catch (error) {
    context.log.error(
      { container: container.id, reason: errorMessage(error) },
      "cleaning up after a container failed",
    );
  }
}

/** Asked before the task is deleted, and with it what the kernel counted. */
async function ranOutOfMemory(container: Container, { running, code }: Exit): Promise<boolean> {
  const isLimited = container.record.spec.resources.memoryBytes !== undefined;
  if (code === 0 || (code !== killedExitCode && !isLimited)) return false;
  const metrics = await running.task.metrics().catch(() => undefined);
  return (metrics?.oomKills ?? 0) > 0;
}

async function settleLocked(
  context: EngineContext,
  container: Container,
  exit: Exit & { readonly oomKilled: boolean },
): Promise<void> {
  if (container.running !== exit.running || context.hasLetGo()) return;
  const { running, code, oomKilled } = exit;
  const networkIds = networkIdsOf(container);
  container.health?.stop();
  container.health = undefined;
  container.paused = false;
  const willRestart = shouldRestart(container, code);
  const again = willRestart && !context.isShuttingDown();
  // whoever waits is answered now; whatever they do next waits for the lock
  container.running = undefined;
  const written = context.registry.change(container, {
    restartCount: container.record.restartCount + (willRestart ? 1 : 0),
    willRestart,
    health: undefined,
    state: {
      ...container.record.state,
      phase: "exited",
      pid: 0,
      exitCode: code,
      oomKilled,
      finishedAt: exit.at,
    },
  });
  // planned before the first wait, so that a stop that comes now calls it off
  if (again) planRestart(context, container, { last: running, startAgain: exit.startAgain });
  container.streams.end();
  if (oomKilled) context.events.publish("container", "oom", container.id, container.attributes);
  publishEnd(context, container, { ...exit, startedAt: running.startedAt });
  exit.seen?.();
  if (!again) container.tellExit({ statusCode: code });
  publishMembership(context, container, { action: "disconnect", networkIds });
  // nobody is left in the sandbox, so it can go beside the task
  await Promise.all([written, running.undo.dispose(), running.sandbox?.delete()]);
  if (!again && container.record.spec.autoRemove && !context.isShuttingDown()) {
    await removeLocked(context, container, { force: false, volumes: true });
  }
}

function publishEnd(
  context: EngineContext,
  container: Container,
  { code, at, startedAt }: { code: number; at: Date; startedAt: Date },
): void {
  const execDuration = String(Math.max(0, Math.floor((at.getTime() - startedAt.getTime()) / 1000)));
  const attributes = { ...container.attributes, exitCode: String(code), execDuration };
  context.events.publish("container", "die", container.id, attributes);
}
