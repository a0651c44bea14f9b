// A planned restart of an ended container: waiting for its turn, or called off.

import { errorMessage } from "../util/errors.ts";
import type { Container, Running } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import { restartDelay } from "./restart-policy.ts";

/** Starts a container whose lock the caller holds. */
export type StartAgain = (context: EngineContext, container: Container) => Promise<void>;

/** Starts the container again after a delay that grows from one short life to the next. */
export function planRestart(
  context: EngineContext,
  container: Container,
  { last, startAgain }: { readonly last: Running; readonly startAgain: StartAgain },
): void {
  container.restartDelayMs = restartDelay(container.restartDelayMs, Date.now() - last.startedAt.getTime());
  container.isRestarting = true;
  container.restartTimer = setTimeout(() => {
    void context.locks.run(container.id, async () => {
      if (container.restartTimer === undefined || container.running || container.removing) return;
      container.restartTimer = undefined;
      await startAgain(context, container).catch((error) => {
        context.log.warn({ container: container.id, reason: errorMessage(error) }, "restart failed");
      });
    });
  }, container.restartDelayMs);
}

/** Calls a planned restart off; who waits for the exit is answered. False: there is none, or it has begun. */
export function cancelRestart(container: Container): boolean {
  if (container.restartTimer === undefined) return false;
  clearTimeout(container.restartTimer);
  container.restartTimer = undefined;
  container.isRestarting = false;
  container.tellExit({ statusCode: container.record.state.exitCode });
  return true;
}
