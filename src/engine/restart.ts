// `docker restart`: a stop, where there is something to stop, and a start.

import { errorKind } from "../util/errors.ts";
import type { Container } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import { startContainer } from "./start.ts";
import { stopContainer } from "./stop.ts";
import type { StopOptions } from "./types.ts";

export async function restartContainer(
  context: EngineContext,
  container: Container,
  options: StopOptions,
): Promise<void> {
  if (container.running || container.isRestarting) {
    await stopContainer(context, container, options).catch((error) => {
      if (errorKind(error) !== "not-modified") throw error;
    });
  }
  await startContainer(context, container);
  context.events.publish("container", "restart", container.id, container.attributes);
}
