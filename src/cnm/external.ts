// The way out: which endpoints of a sandbox publish its ports, told to their drivers when that, or the ports, change.

import type { PublishedPort } from "../driverapi/index.ts";
import { errorKind, wrapError } from "../util/errors.ts";
import type { Endpoint } from "./endpoint.ts";
import { commonRole, type ExternalRole, hasRole, isSameRole, noRole } from "./external-role.ts";
import { type Asked, askFor } from "./port-wishes.ts";
import type { SandboxSpec } from "./types.ts";

export interface Gateways {
  readonly 4: Endpoint | undefined;
  readonly 6: Endpoint | undefined;
}

/**
 * Moves the published ports to the endpoints that are the way out now; a port that was chosen goes along. Those that
 * leave lose theirs.
 */
export async function moveExternalConnectivity(
  { endpoints, leaving }: { readonly endpoints: readonly Endpoint[]; readonly leaving: readonly Endpoint[] },
  gateways: Gateways,
  spec: SandboxSpec,
): Promise<void> {
  const moves = [
    ...leaving.map((endpoint) => ({ endpoint, role: noRole })),
    ...endpoints.map((endpoint) => ({ endpoint, role: roleOf(endpoint, gateways) })),
  ].filter(({ endpoint, role }) => !isSameRole(endpoint.externalFor, role));
  const before = [...leaving, ...endpoints].flatMap(({ record }) => record.published);
  // what is given up first: its host ports must be free for who gets them
  for (const { endpoint, role } of moves) {
    const kept = commonRole(endpoint.externalFor, role);
    if (!isSameRole(endpoint.externalFor, kept)) await program(endpoint, { role: kept, spec, before });
  }
  for (const { endpoint, role } of moves) await program(endpoint, { role, spec, before });
}

/** Publishes the ports that the spec has now, by the endpoints that do so; what is in both is left alone. */
export async function changePorts(endpoints: readonly Endpoint[], spec: SandboxSpec): Promise<void> {
  for (const endpoint of endpoints) {
    const role = endpoint.externalFor;
    if (hasRole(role)) await program(endpoint, { role, spec, before: [] });
  }
}

/** Closes an endpoint's ports. May be repeated. */
export async function revokeExternalConnectivity(endpoint: Endpoint): Promise<void> {
  if (!hasRole(endpoint.externalFor)) return;
  const { id: endpointId, network } = endpoint;
  await network.driver.revokeExternalConnectivity?.({ networkId: network.id, endpointId });
  endpoint.externalFor = noRole;
  endpoint.asked = [];
  endpoint.record = { ...endpoint.record, published: [] };
}

/** Notes the host ports that drivers have published by themselves. `failed` hears of those that do not say. */
export async function noteOwnPorts(
  endpoints: readonly Endpoint[],
  failed: (endpoint: Endpoint, error: unknown) => void,
): Promise<void> {
  const note = async (endpoint: Endpoint) => {
    const { id: endpointId, network } = endpoint;
    const own = await network.driver.publishedPorts?.({ networkId: network.id, endpointId });
    const { record } = endpoint;
    if (own && own.length > 0) endpoint.record = { ...record, published: [...record.published, ...own] };
  };
  await Promise.all(endpoints.map((endpoint) => note(endpoint).catch((error) => failed(endpoint, error))));
}

interface Program {
  readonly role: ExternalRole;
  readonly spec: SandboxSpec;
  /** Ports that were published so far, here or by others of the sandbox. */
  readonly before: readonly PublishedPort[];
}

async function program(endpoint: Endpoint, { role, spec, before }: Program): Promise<void> {
  if (!hasRole(role)) return await revokeExternalConnectivity(endpoint);
  // set first, so that a failure half-way is revoked like a success
  endpoint.externalFor = role;
  const asked = askFor(spec, { asked: endpoint.asked, before });
  if (endpoint.isKeptByDriver) {
    endpoint.isKeptByDriver = false;
    endpoint.asked = asked;
    return;
  }
  try {
    await publish(endpoint, { spec, asked });
  } catch (error) {
    const isChosen = asked.some(({ wish, told }) => wish !== told);
    if (errorKind(error) !== "conflict" || !isChosen) throw failure(endpoint, error);
    // a port that nobody named may be another one
    await publish(endpoint, { spec, asked: asked.map(({ wish }) => ({ wish, told: wish })) }).catch(
      (reason: unknown) => {
        throw failure(endpoint, reason);
      },
    );
  }
}

async function publish(
  endpoint: Endpoint,
  { spec, asked }: { readonly spec: SandboxSpec; readonly asked: readonly Asked[] },
): Promise<void> {
  const { id: endpointId, network, externalFor: role } = endpoint;
  const published = await network.driver.programExternalConnectivity?.({
    networkId: network.id,
    endpointId,
    gateways: { ipv4: role.ipv4, ipv6: role.ipv6 },
    ipv6Elsewhere: role.ipv6Elsewhere,
    portBindings: asked.map(({ told }) => told),
    exposedPorts: spec.exposedPorts,
  });
  endpoint.asked = asked;
  endpoint.record = { ...endpoint.record, published: published ?? [] };
}

function failure({ id, record }: Endpoint, error: unknown): Error {
  return wrapError(
    error,
    `driver failed programming external connectivity on endpoint ${record.containerName} (${id})`,
  );
}

function roleOf(endpoint: Endpoint, gateways: Gateways): ExternalRole {
  const [ipv4, ipv6] = [gateways[4] === endpoint, gateways[6] === endpoint];
  const ipv6Elsewhere = ipv4 && !ipv6 && gateways[6] !== undefined;
  return { ipv4, ipv6, ipv6Elsewhere, isReached: endpoint.record.isReachedDirectly === true };
}
