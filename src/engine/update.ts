// `docker update`: limits and the restart policy of a container, running or not.

import { toOciResources } from "../runtime/index.ts";
import type { Container } from "./container.ts";
import type { EngineContext } from "./parts.ts";
import type { ContainerChanges } from "./types.ts";

export function updateContainer(
  context: EngineContext,
  container: Container,
  changes: ContainerChanges,
): Promise<{ warnings: readonly string[] }> {
  return context.locks.run(container.id, async () => {
    const { spec } = container.record;
    const resources = { ...spec.resources, ...changes.resources };
    await container.running?.task.update(toOciResources(resources, context.hostFacts));
    const given = { ...spec.given, hostConfig: { ...spec.given.hostConfig, ...changes.given } };
    const restartPolicy = changes.restartPolicy ?? spec.restartPolicy;
    await context.registry.change(container, { spec: { ...spec, resources, restartPolicy, given } });
    context.events.publish("container", "update", container.id, container.attributes);
    return { warnings: [] };
  });
}
