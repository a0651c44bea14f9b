// `docker update`: limits and the restart policy of a container, running or not.

import { toOciResources } from "../runtime/index.ts";
import { conflict } from "../util/errors.ts";
import type { Container } from "./container.ts";
import { checkLimits } from "./limits.ts";
import type { EngineContext, LiveTask } from "./parts.ts";
import { hasEnded } from "./process-end.ts";
import type { ContainerChanges, Resources } from "./types.ts";

export function updateContainer(
  context: EngineContext,
  container: Container,
  changes: ContainerChanges,
): Promise<{ warnings: readonly string[] }> {
  return context.locks.run(container.id, async () => {
    if (container.removing)
      throw conflict(
        `Cannot update container ${container.id}: container is marked for removal and cannot be "update"`,
      );
    const { spec } = container.record;
    const resources = { ...spec.resources, ...changes.resources };
    await checkLimits(resources);
    checkSwap(changes.resources, spec.resources);
    if (container.running)
      await updateTask(container.running.task, toOciResources(resources, context.hostFacts));
    const given = { ...spec.given, hostConfig: { ...spec.given.hostConfig, ...changes.given } };
    const restartPolicy = changes.restartPolicy ?? spec.restartPolicy;
    await context.registry.change(container, { spec: { ...spec, resources, restartPolicy, given } });
    context.events.publish("container", "update", container.id, container.attributes);
    return { warnings: [] };
  });
}

// one that ends meanwhile gets its limits at its next start
async function updateTask(task: LiveTask, resources: Parameters<LiveTask["update"]>[0]): Promise<void> {
  try {
    await task.update(resources);
  } catch (error) {
    if (!(await hasEnded(task, error))) throw error;
  }
}

// the kernel holds that memory plus swap is never below memory, and the client gave the one without the other
function checkSwap(asked: Resources, had: Resources): void {
  const { memoryBytes = 0, memorySwapBytes } = asked;
  const { memorySwapBytes: swap = 0 } = had;
  if (memorySwapBytes === undefined && swap > 0 && memoryBytes > swap) {
    throw conflict(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  }
}
