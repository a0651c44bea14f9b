// Containers whose restart policy wants them, and whose network is a cluster's that this host cannot reach yet. As with
// dockerd and swarm they wait for it, unless somebody takes them in hand first.

import { setTimeout as sleep } from "node:timers/promises";
import { errorKind, errorMessage } from "../util/errors.ts";
import type { Container } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import { startContainer } from "./start.ts";
import type { ClusterView } from "./types.ts";

const pauseMs = 1_000;
/** How often it is tried once the store is back: by then this host knows again what is its own. */
const mostTries = 30;

type State = ClusterView["state"] | undefined;

/**
 * Whether a start failed for want of the cluster, and may succeed when it is back. `before` is the state when it began:
 * the store may have answered just after.
 */
export function wantsCluster({ membership }: EngineContext, error: unknown, before?: State): boolean {
  return isMissing(error) && [before, membership.view()?.state].includes("frozen");
}

/** Of an address or a network that the cluster has. */
function isMissing(error: unknown): boolean {
  return ["unavailable", "not-found"].includes(errorKind(error));
}

/** Starts it when the store is back. */
export function startWithCluster(context: EngineContext, container: Container): void {
  const { membership, log } = context;
  log.warn({ container: container.id }, "a container waits for the cluster's store");
  if (membership.view()?.state === "connected") return void tryToStart(context, container);
  const stop = membership.follow(() => {
    const state = membership.view()?.state;
    if (state === "frozen") return;
    stop();
    if (state === "connected") void tryToStart(context, container);
  });
}

async function tryToStart(context: EngineContext, container: Container): Promise<void> {
  for (let tries = 1; isWanted(context, container); tries++) {
    try {
      return await startContainer(context, container);
    } catch (error) {
      if (wantsCluster(context, error)) return startWithCluster(context, container);
      const fields = { container: container.id, reason: errorMessage(error) };
      // the networks of a cluster that has just answered are on their way
      if (!isMissing(error) || tries >= mostTries)
        return context.log.warn(fields, "cannot start a container again");
      await sleep(pauseMs);
    }
  }
}

/** Whether nobody has taken it in hand meanwhile. */
export function isWanted(context: EngineContext, container: Container): boolean {
  const isThere = context.registry.get(container.id) === container && !container.removing;
  const isIdle = !container.running && !container.isRestarting;
  return isThere && isIdle && !container.record.stoppedByHand && !context.isShuttingDown();
}
