// The names of an endpoint: what other containers on its network may call it.

import { shortId } from "../util/ids.ts";
import type { Network } from "./network.ts";
import type { EndpointSpec, SandboxSpec } from "./types.ts";

/**
 * Container name, aliases, short id and host name, each once; the first is what reverse look-ups give. On the
 * daemon's own networks nobody is found by name.
 */
export function endpointNames(network: Network, spec: EndpointSpec, sandbox: SandboxSpec): readonly string[] {
  if (!network.isUserDefined) return [];
  const names = [sandbox.containerName, ...spec.aliases, shortId(sandbox.containerId), sandbox.hostname];
  return [...new Set(names.filter((name) => name !== ""))];
}

/** The names once the container has another name: the new one comes first; who has none keeps none. */
export function renamed(
  names: readonly string[],
  { before, after }: { readonly before: string; readonly after: string },
): readonly string[] {
  if (names.length === 0) return [];
  return [after, ...names.filter((name) => name !== before && name !== after)];
}
