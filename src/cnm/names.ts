// The names of an endpoint: what other containers on its network may call it.

import type { Network } from "./network.ts";
import type { EndpointSpec, SandboxSpec } from "./types.ts";

/**
 * Container name, aliases, short id and host name, each once; the first is what reverse look-ups give. On the
 * daemon's own networks nobody is found by name.
 */
export function endpointNames(network: Network, spec: EndpointSpec, sandbox: SandboxSpec): readonly string[] {
  if (!network.isUserDefined) return [];
  const names = [sandbox.containerName, ...spec.aliases, sandbox.containerId.slice(0, 12), sandbox.hostname];
  return [...new Set(names.filter((name) => name !== ""))];
}
