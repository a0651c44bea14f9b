// Containers that run on networks which other hosts have too.

import type { NetworkUser } from "./cluster.ts";
import type { EngineContext } from "./parts.ts";

/** One entry a container, with the first such network. */
export function globalNetworkUsers({ controller, registry }: EngineContext): NetworkUser[] {
  const global = new Map(
    controller.networks().flatMap((it) => (it.record.scope === "global" ? [[it.id, it.name] as const] : [])),
  );
  return registry.all().flatMap((container) => {
    const endpoints = container.running?.sandbox?.endpoints() ?? [];
    const network = endpoints
      .map(({ networkId }) => global.get(networkId))
      .find((name) => name !== undefined);
    return network === undefined ? [] : [{ container: container.name, network }];
  });
}
