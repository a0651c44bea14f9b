// The names of an endpoint: what other containers on its network may call it.

import { shortId } from "../util/ids.ts";
import type { Network } from "./network.ts";
import type { EndpointSpec, SandboxSpec } from "./types.ts";

/** The option by which an endpoint belongs to a service of its network. */
export const serviceOption = "tsdocker.service";

/** The service that an endpoint belongs to, in lower case. */
export function serviceOf({ driverOptions }: Pick<EndpointSpec, "driverOptions">): string | undefined {
  return driverOptions[serviceOption]?.toLowerCase();
}

/** An endpoint's options without what no driver has a say in. */
export function driversOwn({
  driverOptions,
}: Pick<EndpointSpec, "driverOptions">): EndpointSpec["driverOptions"] {
  const { [serviceOption]: _, ...others } = driverOptions;
  return others;
}

/**
 * Container name, aliases, short id and host name, each once; the first is what reverse look-ups give. On the
 * daemon's own networks nobody is found by name. As in swarm, a service's name is that of its virtual address and never
 * an endpoint's, and `tasks.` before it names its endpoints.
 */
export function endpointNames(network: Network, spec: EndpointSpec, sandbox: SandboxSpec): readonly string[] {
  if (!network.isUserDefined || sandbox.isIngress) return [];
  const names = [sandbox.containerName, ...spec.aliases, shortId(sandbox.containerId), sandbox.hostname];
  return withService([...new Set(names.filter((name) => name !== ""))], serviceOf(spec));
}

/** The names once the container has another name: the new one comes first; who has none keeps none. */
export function renamed(
  names: readonly string[],
  {
    before,
    after,
    service,
  }: { readonly before: string; readonly after: string; readonly service?: string | undefined },
): readonly string[] {
  if (names.length === 0) return [];
  return withService([after, ...names.filter((name) => name !== before && name !== after)], service);
}

function withService(names: readonly string[], service: string | undefined): readonly string[] {
  if (service === undefined) return names;
  const tasks = `tasks.${service}`;
  return [...names.filter((name) => name.toLowerCase() !== service && name !== tasks), tasks];
}
