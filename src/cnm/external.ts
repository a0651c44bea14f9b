// The way out: which endpoints of a sandbox publish its ports, told to their drivers when that changes.

import type { PortBinding, PublishedPort } from "../driverapi/index.ts";
import { wrapError } from "../util/errors.ts";
import type { Endpoint } from "./endpoint.ts";
import type { SandboxSpec } from "./types.ts";

export interface Gateways {
  readonly 4: Endpoint | undefined;
  readonly 6: Endpoint | undefined;
}

/** Moves the published ports to the endpoints that are the way out now. Answers whose ports changed. */
export async function moveExternalConnectivity(
  endpoints: readonly Endpoint[],
  gateways: Gateways,
  spec: SandboxSpec,
): Promise<Endpoint[]> {
  const changed = endpoints.filter((endpoint) => {
    const { ipv4, ipv6 } = roleOf(endpoint, gateways);
    return endpoint.externalFor.ipv4 !== ipv4 || endpoint.externalFor.ipv6 !== ipv6;
  });
  // all old ones first: the host ports must be free for the new ones
  for (const endpoint of changed) await revokeExternalConnectivity(endpoint);
  for (const endpoint of changed) await programExternalConnectivity(endpoint, gateways, spec);
  return changed;
}

/** Closes an endpoint's ports. May be repeated. */
export async function revokeExternalConnectivity(endpoint: Endpoint): Promise<void> {
  if (!endpoint.externalFor.ipv4 && !endpoint.externalFor.ipv6) return;
  const { id: endpointId, network } = endpoint;
  await network.driver.revokeExternalConnectivity?.({ networkId: network.id, endpointId });
  endpoint.externalFor = { ipv4: false, ipv6: false };
  endpoint.record = { ...endpoint.record, published: [] };
}

async function programExternalConnectivity(
  endpoint: Endpoint,
  gateways: Gateways,
  spec: SandboxSpec,
): Promise<void> {
  const { id: endpointId, network, record } = endpoint;
  const role = roleOf(endpoint, gateways);
  if (!role.ipv4 && !role.ipv6) return;
  // set first, so that a failure half-way is revoked like a success
  endpoint.externalFor = role;
  try {
    const published = await network.driver.programExternalConnectivity?.({
      networkId: network.id,
      endpointId,
      gateways: role,
      ipv6Elsewhere: gateways[6] !== undefined && gateways[6] !== endpoint,
      portBindings: bindingsOf(spec, record.published),
      exposedPorts: spec.exposedPorts,
    });
    endpoint.record = { ...endpoint.record, published: published ?? [] };
  } catch (error) {
    throw wrapError(
      error,
      `driver failed programming external connectivity on endpoint ${record.containerName} (${endpointId})`,
    );
  }
}

function roleOf(endpoint: Endpoint, gateways: Gateways): { ipv4: boolean; ipv6: boolean } {
  return { ipv4: gateways[4] === endpoint, ipv6: gateways[6] === endpoint };
}

/** The container's bindings, with `-P` for what is exposed and has none; ports that were chosen before are asked for again. */
function bindingsOf(spec: SandboxSpec, before: readonly PublishedPort[]): PortBinding[] {
  const isBound = new Set(
    spec.portBindings.map(({ protocol, containerPort }) => `${containerPort}/${protocol}`),
  );
  const exposed = spec.publishAll ? spec.exposedPorts : [];
  const unbound = exposed.filter(({ protocol, port }) => !isBound.has(`${port}/${protocol}`));
  const wishes: PortBinding[] = [
    ...spec.portBindings,
    ...unbound.map(({ protocol, port }) => ({ protocol, containerPort: port })),
  ];
  if (before.length === 0) return wishes;
  return wishes.map((wish) => {
    const chosen = before.find(
      ({ protocol, containerPort, hostPort }) =>
        protocol === wish.protocol && containerPort === wish.containerPort && hostPort !== 0,
    );
    return chosen && !wish.hostPorts
      ? { ...wish, hostPorts: { first: chosen.hostPort, last: chosen.hostPort } }
      : wish;
  });
}
