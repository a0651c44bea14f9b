// The daemon's start and end, as containers see them: records become containers again, what was running is accounted
// for, restart policies are honoured; at the end everybody is stopped in order.

import { type LoadedTask, sweepCgroups } from "../runtime/index.ts";
import { errorMessage } from "../util/errors.ts";
import { adoptContainer } from "./adopt.ts";
import { startWithCluster, wantsCluster } from "./cluster-waiters.ts";
import type { Container } from "./container.ts";
import { makeContainer } from "./create.ts";
import { startWithDrivers } from "./driver-waiters.ts";
import { clearLeftTasks, sweepLateSnapshots, sweepSnapshots } from "./left-tasks.ts";
import type { EngineContext } from "./parts.ts";
import { startsWithDaemon } from "./restart-policy.ts";
import { startContainer } from "./start.ts";
import { defaultStopTimeoutS, startEnded, stopContainer } from "./stop.ts";

/**
 * Brings the containers of the store back: the `live` ones as they run, all others at rest. Returns those that a policy
 * starts.
 */
export async function restoreContainers(
  context: EngineContext,
  live: Pick<ReadonlySet<string>, "has">,
): Promise<Container[]> {
  const toStart: Container[] = [];
  const going = await loadTasks(context, live);
  await clearLeftTasks(context, going);
  const containers = context.registry.stored().map((record) => makeContainer(context, record));
  for (const container of containers) {
    context.registry.restore(container);
    if (going.has(container.id)) continue;
    const wasRunning = container.record.state.phase === "running";
    if (wasRunning) await noteLostRun(context, container);
    if (startsWithDaemon(container, wasRunning)) toStart.push(container);
  }
  const orphans = await sweepSnapshots(context);
  sweepLateSnapshots(context);
  await sweepCgroups((id) => orphans.has(id) || (context.registry.get(id) !== undefined && !going.has(id)));
  // last: what has ended meanwhile may be started again at once
  await Promise.all(
    containers.map(async (container) => {
      const loaded = going.get(container.id);
      if (loaded) await adoptContainer(context, container, loaded);
    }),
  );
  await forgetLostExecs(context);
  await context.runtime.retainStreams([...going.keys()]).catch((error) => {
    context.log.warn(
      { reason: errorMessage(error) },
      "cannot let go of the streams of containers that are gone",
    );
  });
  return toStart;
}

/** The tasks that go on under this daemon, or have ended since the last one and are accounted for. */
async function loadTasks(
  context: EngineContext,
  live: Pick<ReadonlySet<string>, "has">,
): Promise<ReadonlyMap<string, LoadedTask>> {
  const ran = context.settings.liveRestore
    ? context.registry.stored().filter(({ id, state }) => live.has(id) || state.phase === "running")
    : [];
  const loaded = await Promise.all(
    ran.map(async ({ id }) => {
      try {
        const task = await context.runtime.load(id);
        const isWhole = task?.status.state !== "created" && task?.status.state !== "unknown";
        return task && isWhole ? ([id, task] as const) : undefined;
      } catch (error) {
        context.log.warn({ container: id, reason: errorMessage(error) }, "cannot take a container over");
        return undefined;
      }
    }),
  );
  return new Map(loaded.filter((entry) => entry !== undefined));
}

/** Of containers that are gone or at rest. */
async function forgetLostExecs({ execRecords, registry }: EngineContext): Promise<void> {
  const lost = [...execRecords.values()].filter(({ containerId }) => !registry.get(containerId)?.running);
  await Promise.all(lost.map(({ id }) => execRecords.delete(id)));
}

async function noteLostRun(context: EngineContext, container: Container): Promise<void> {
  const exit = context.leftExits.get(container.id) ?? { code: 255, at: new Date() };
  const { state } = container.record;
  await context.registry.change(container, {
    state: { ...state, phase: "exited", pid: 0, exitCode: exit.code, finishedAt: exit.at },
  });
}

/** Starts what restart policies ask for, a few at a time, in the background. */
export async function startRestored(context: EngineContext, containers: readonly Container[]): Promise<void> {
  const waiting = [...containers];
  const worker = async () => {
    for (let container = waiting.shift(); container; container = waiting.shift()) {
      await startAgain(context, container);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
}

async function startAgain(context: EngineContext, container: Container): Promise<void> {
  const before = context.membership.view()?.state;
  try {
    await startContainer(context, container);
  } catch (error) {
    const fields = { container: container.id, reason: errorMessage(error) };
    context.log.warn(fields, "cannot start a container again");
    if (wantsCluster(context, error, before)) startWithCluster(context, container);
    else startWithDrivers(context, container, error);
  }
}

/** Stops every running container with its own signal and timeout, all at once; who does not end in time is left behind. */
export async function stopAll(context: EngineContext): Promise<void> {
  const running = context.registry.all().filter((one) => isUp(one) || context.locks.isHeld(one.id));
  const stopping = Promise.all(running.map((container) => stopForShutdown(context, container)));
  const budgetS = shutdownBudgetS(running, context.settings.shutdownTimeoutS);
  if (!(await settlesWithin(stopping, budgetS * 1000)))
    context.log.error({ seconds: budgetS }, "containers did not stop in time, ending without them");
  await Promise.all(context.registry.all().map((container) => container.log?.close()));
}

const isUp = ({ isRunning, isRestarting }: Container) => isRunning || isRestarting;

async function stopForShutdown(context: EngineContext, container: Container): Promise<void> {
  // one whose start is under way, or its removal
  if (!isUp(container)) await startEnded(context, container);
  if (!isUp(container)) return;
  const { stoppedByHand, willRestart = false } = container.record;
  await stopContainer(context, container, {}).catch((error) => {
    context.log.warn({ container: container.id, reason: errorMessage(error) }, "cannot stop a container");
  });
  // the daemon stopped it, not a person: its policy starts it again
  await context.registry.change(container, { stoppedByHand, willRestart });
}

/** As dockerd: the longest stop timeout and 5 s more, at least `leastS`; no end when one container may take for ever. */
export function shutdownBudgetS(containers: readonly Container[], leastS: number): number {
  const timeouts = containers.map(({ record }) => record.spec.stopTimeoutSeconds ?? defaultStopTimeoutS);
  if (timeouts.some((timeout) => timeout < 0)) return Number.POSITIVE_INFINITY;
  return Math.max(leastS, ...timeouts.map((timeout) => timeout + 5));
}

async function settlesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  if (ms === Number.POSITIVE_INFINITY) {
    await work;
    return true;
  }
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), ms);
  const isDone = await Promise.race([work.then(() => true as const), late]);
  clearTimeout(timer);
  return isDone;
}
