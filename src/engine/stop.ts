// Ending a container from outside: stop, kill, restart; and holding it still: pause, unpause.

import { conflict, errorKind, internal, notModified } from "../util/errors.ts";
import type { Container, Running } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import { endsWithin, hasEnded, notRunning, unlessEnded } from "./process-end.ts";
import { cancelRestart } from "./restarts.ts";
import { parseSignal } from "./signals.ts";
import type { StopOptions } from "./types.ts";

const sigkill = 9;
const sigcont = 18;
/** Seconds that a container has to end after its stop signal. */
export const defaultStopTimeoutS = 10;
/** How long the kernel may take to end a killed process. */
const killGraceMs = 10_000;

/** Asks, waits, kills. Answers when the container is cleaned up. @throws not-modified when it does not run */
export async function stopContainer(
  context: EngineContext,
  container: Container,
  options: StopOptions,
): Promise<void> {
  const signal = parseSignal(options.signal ?? container.record.spec.stopSignal ?? "SIGTERM");
  container.stopRequested = true;
  const wasWaiting = cancelRestart(container);
  await startEnded(context, container);
  // again: a start that was under way has noted that it is wanted
  container.stopRequested = true;
  await context.registry.change(container, { stoppedByHand: true, willRestart: false });
  const { running } = container;
  if (!running) {
    if (wasWaiting) return;
    throw notModified(`container ${container.name} is not running`);
  }
  await endProcess(context, container, { running, signal, timeoutS: timeoutOf(container, options) });
  context.events.publish("container", "stop", container.id, container.attributes);
}

/** Stops a container with its own time-out; one that has ended is success. */
export async function stopIfRunning(context: EngineContext, ref: string): Promise<void> {
  try {
    await stopContainer(context, context.registry.find(ref), {});
  } catch (error) {
    if (errorKind(error) !== "not-modified") throw error;
  }
}

/** Waits for a start that is under way. */
export async function startEnded(context: EngineContext, container: Container): Promise<void> {
  await context.locks.run(container.id, () => undefined);
}

function timeoutOf(container: Container, options: StopOptions): number {
  return options.timeoutSeconds ?? container.record.spec.stopTimeoutSeconds ?? defaultStopTimeoutS;
}

async function endProcess(
  context: EngineContext,
  container: Container,
  { running, signal, timeoutS }: { running: Running; signal: number; timeoutS: number },
): Promise<void> {
  if (container.paused) await unpauseLocked(container, running);
  await sendSignal(context, container, { running, signal });
  if (!(await endsWithin(running.task, timeoutS < 0 ? Number.POSITIVE_INFINITY : timeoutS * 1000))) {
    context.log.info({ container: container.id }, "container did not stop in time, killing it");
    await sendSignal(context, container, { running, signal: sigkill });
    if (!(await endsWithin(running.task, killGraceMs))) {
      throw internal(
        `cannot stop container: ${container.name}: tried to kill container, but did not receive an exit event`,
      );
    }
  }
  await settled(context, container, running);
}

/** Resolves when the clean-up that follows an exit is done. */
async function settled(context: EngineContext, container: Container, running: Running): Promise<void> {
  if (container.running === running) await new Promise<void>((done) => container.onExit(() => done()));
  await context.locks.run(container.id, () => undefined);
}

async function sendSignal(
  context: EngineContext,
  container: Container,
  { running, signal }: { running: Running; signal: number },
): Promise<void> {
  try {
    await running.task.kill(signal);
  } catch (error) {
    if (errorKind(error) !== "not-found") throw error;
  }
  context.events.publish("container", "kill", container.id, {
    ...container.attributes,
    signal: String(signal),
  });
}

/** `docker kill`. SIGKILL and the stop signal count as a stop by hand. */
export async function killContainer(
  context: EngineContext,
  container: Container,
  name: string,
): Promise<void> {
  const signal = parseSignal(name);
  const { running } = container;
  if (!running) {
    if (container.isRestarting && signal === sigkill) {
      container.stopRequested = true;
      cancelRestart(container);
      await context.registry.change(container, { willRestart: false });
      return;
    }
    throw conflict(`cannot kill container: ${container.name}: container ${container.id} is not running`);
  }
  const ends = signal === sigkill || signal === parseSignal(container.record.spec.stopSignal ?? "SIGTERM");
  if (ends) {
    container.stopRequested = true;
    await context.registry.change(container, { stoppedByHand: true });
  }
  if (container.paused && (signal === sigkill || signal === sigcont)) await unpauseLocked(container, running);
  await sendSignal(context, container, { running, signal });
  if (signal === sigkill) {
    await endsWithin(running.task, killGraceMs);
    await settled(context, container, running);
  }
}

/** Freezes all processes of a container. @throws conflict when it does not run, or is paused */
export function pauseContainer(context: EngineContext, container: Container): Promise<void> {
  return context.locks.run(container.id, async () => {
    if (!container.running) throw notRunning(container);
    if (container.paused) throw conflict(`container ${container.id} is already paused`);
    const { task } = container.running;
    await unlessEnded(task, task.pause(), notRunning(container));
    container.paused = true;
    context.events.publish("container", "pause", container.id, container.attributes);
  });
}

/** Lets them go on. @throws internal (Docker's status) when it is not paused */
export function unpauseContainer(context: EngineContext, container: Container): Promise<void> {
  return context.locks.run(container.id, async () => {
    if (!container.running || !container.paused) throw internal(`container ${container.id} is not paused`);
    await unpauseLocked(container, container.running);
    context.events.publish("container", "unpause", container.id, container.attributes);
  });
}

/** One that was killed meanwhile is not paused either. */
async function unpauseLocked(container: Container, { task }: Running): Promise<void> {
  try {
    await task.resume();
  } catch (error) {
    if (!(await hasEnded(task, error))) throw error;
  }
  container.paused = false;
}
