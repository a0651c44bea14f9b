// Networks: the controller's, with events, and with containers that are connected while they run.

import type { KeptChange, Network } from "../cnm/index.ts";
import { conflict, EngineError, errorMessage, forbidden, invalid, notFound } from "../util/errors.ts";
import type { Container, ContainerRecord } from "./container.ts";
import type { Attributes } from "./events.ts";
import { matchesNetwork, matchesPrune } from "./filters.ts";
import type { EngineContext } from "./parts.ts";
import { servicesOf } from "./services.ts";
import type {
  EndpointSpec,
  Filters,
  NetworkInspection,
  NetworkOperations,
  NetworkPeerView,
  NetworkSpec,
  NetworkView,
} from "./types.ts";

export function networkOperations(context: EngineContext): NetworkOperations {
  const { controller } = context;
  let isPruning = false;
  return {
    async list(filters) {
      const views = await Promise.all(controller.networks().map((network) => viewIfThere(context, network)));
      return views.flat().filter((view) => matchesNetwork(view, filters));
    },
    inspect: (ref, options = {}) => inspectNetwork(context, ref, options),
    create: (spec) => createNetwork(context, spec),
    connect: (ref, containerRef, endpoint) => connect(context, { ref, containerRef, endpoint }),
    disconnect: (ref, containerRef, options) =>
      disconnect(context, { ref, containerRef, force: options.force }),
    remove: (ref) => removeNetwork(context, ref),
    async prune(filters) {
      if (isPruning) throw conflict("a prune operation is already running");
      isPruning = true;
      try {
        return await pruneNetworks(context, filters);
      } finally {
        isPruning = false;
      }
    },
  };
}

async function inspectNetwork(
  context: EngineContext,
  ref: string,
  { scope, isVerbose = false }: { readonly scope?: string; readonly isVerbose?: boolean },
): Promise<NetworkInspection> {
  const { controller } = context;
  const network = controller.network(ref);
  if (scope && network.record.scope !== scope) throw notFound(`network ${ref} not found`);
  const asked = Promise.all([
    network.view(),
    network.effectiveOptions(),
    isVerbose ? controller.describeNetwork(network.id) : undefined,
  ]);
  const [view, effective, details] = await asked.catch((error) => {
    // a driver does not know it any more
    throw isThere(context, network) ? error : notFound(`network ${ref} not found`);
  });
  const peers = peersOf(context, network, { isVerbose });
  return {
    ...view,
    effective,
    peers,
    ...(details && { details, services: servicesOf(context, network.id) }),
  };
}

/** None of one that is removed meanwhile. */
async function viewIfThere(context: EngineContext, network: Network): Promise<NetworkView[]> {
  try {
    return [await network.view()];
  } catch (error) {
    if (isThere(context, network)) throw error;
    return [];
  }
}

function isThere({ controller }: EngineContext, network: Network): boolean {
  return controller.networks().includes(network);
}

function peersOf(
  { membership }: EngineContext,
  network: Network,
  { isVerbose }: { readonly isVerbose: boolean },
): NetworkPeerView[] {
  const tried = isVerbose ? (membership.view()?.peers ?? []) : [];
  const paths = new Map(tried.map((path) => [path.nodeId, path]));
  return network.peers().map((peer) => {
    const path = paths.get(peer.nodeId);
    return { ...peer, ...(path && { path }) };
  });
}

async function createNetwork(
  context: EngineContext,
  spec: NetworkSpec,
): Promise<{ id: string; warning: string }> {
  const network = await context.locks.run(`network ${spec.name}`, () =>
    context.controller.createNetwork(spec),
  );
  publish(context, "create", network);
  return { id: network.id, warning: network.warnings.join("; ") };
}

async function removeNetwork(context: EngineContext, ref: string): Promise<void> {
  const network = context.controller.network(ref);
  // what its services had open here may be on its way out
  await context.ingress.settle(network.id);
  await context.locks.run(`network ${network.name}`, () => context.controller.deleteNetwork(network.id));
  publish(context, "destroy", network);
}

async function pruneNetworks(context: EngineContext, filters: Filters): Promise<string[]> {
  const deleted: string[] = [];
  for (const { id, name, endpoints, record } of context.controller.networks()) {
    // a configuration is used by name, and so never in use by containers
    const isUnused = !record.predefined && !record.configOnly && endpoints.size === 0;
    if (!isUnused || !matchesPrune({ labels: record.labels, createdAt: new Date(record.createdAt) }, filters))
      continue;
    try {
      await removeNetwork(context, id);
      deleted.push(name);
    } catch (error) {
      context.log.warn({ network: name, reason: errorMessage(error) }, "cannot prune a network");
    }
  }
  context.events.publish("network", "prune", "", { reclaimed: "0" });
  return deleted;
}

interface Connection {
  readonly ref: string;
  readonly containerRef: string;
  readonly endpoint: EndpointSpec;
}

async function connect(context: EngineContext, { ref, containerRef, endpoint }: Connection): Promise<void> {
  const network = context.controller.network(ref);
  const container = context.registry.find(containerRef);
  await context.locks.run(container.id, async () => {
    checkConnectable(container, network);
    context.controller.checkEndpoint({ ...endpoint, network: network.id });
    const { spec } = container.record;
    const named = { ...endpoint, network: network.name };
    const endpoints = [...spec.endpoints.filter((it) => it.network !== "none"), named];
    const networkMode = spec.networkMode.kind === "none" ? ({ kind: "default" } as const) : spec.networkMode;
    const change = { spec: { ...spec, networkMode, endpoints } };
    const sandbox = container.running?.sandbox;
    if (!sandbox) return await context.registry.change(container, change);
    await sandbox.connect({ ...endpoint, network: network.id }, keepWith(context, container, change));
  });
  publish(context, "connect", network, { container });
}

/** Container and sandbox change in one transaction: no crash comes between them, and the disk is waited for once. */
export function keepWith(
  { registry }: EngineContext,
  container: Container,
  change: Pick<ContainerRecord, "spec">,
): KeptChange {
  const { spec } = container.record;
  return {
    keep: (transaction) => registry.changeWithin(transaction, container, change),
    takeBack: (transaction) => registry.changeWithin(transaction, container, { spec }),
  };
}

function checkConnectable(container: Container, network: Network): void {
  checkStays(container);
  const { spec } = container.record;
  const mode = spec.networkMode.kind;
  if (mode === "container" || mode === "host") {
    throw forbidden(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  }
  if (network.record.driver === "host") {
    throw forbidden(
      "cannot connect container to host network - container must be created in host network mode",
    );
  }
  if (network.record.driver === "null" || (mode === "none" && spec.endpoints.length > 0)) {
    throw forbidden(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
  if (mode === "none" && container.running) {
    throw forbidden(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
  if (findEndpoint(container, network)) {
    throw forbidden(`endpoint with name ${container.name} already exists in network ${network.name}`);
  }
}

function checkStays({ id, removing }: Container): void {
  if (!removing) return;
  throw conflict(
    `container ${id} is marked for removal and cannot be connected or disconnected to the network`,
  );
}

function findEndpoint(container: Container, network: Network): EndpointSpec | undefined {
  return container.record.spec.endpoints.find(
    (endpoint) => endpoint.network === network.name || endpoint.network === network.id,
  );
}

async function disconnect(
  context: EngineContext,
  { ref, containerRef, force }: { ref: string; containerRef: string; force: boolean },
): Promise<void> {
  const network = context.controller.network(ref);
  const container = findForDisconnect(context, containerRef);
  if (!container) {
    throw notFound(force ? `endpoint ${containerRef} not found` : `No such container: ${containerRef}`);
  }
  await context.locks.run(container.id, async () => {
    checkStays(container);
    const { spec } = container.record;
    if (spec.networkMode.kind === "host") throw invalid("container cannot be disconnected from host network");
    const endpoint = findEndpoint(container, network);
    if (spec.networkMode.kind === "none" && network.record.driver === "null" && !container.running) {
      const left = { ...spec, networkMode: { kind: "default" } as const, endpoints: [] };
      return await context.registry.change(container, { spec: left });
    }
    if (!endpoint) {
      throw new EngineError(
        "internal",
        `container ${container.id} is not connected to network ${network.name}`,
      );
    }
    const change = { spec: { ...spec, endpoints: spec.endpoints.filter((it) => it !== endpoint) } };
    const sandbox = container.running?.sandbox;
    if (!sandbox) return await context.registry.change(container, change);
    await sandbox.disconnect(network.id, keepWith(context, container, change));
  });
  publish(context, "disconnect", network, { container });
}

function findForDisconnect(context: EngineContext, ref: string): Container | undefined {
  try {
    return context.registry.find(ref);
  } catch {
    return undefined;
  }
}

function publish(
  context: EngineContext,
  action: string,
  network: Network,
  { container, attributes = {} }: { readonly container?: Container; readonly attributes?: Attributes } = {},
): void {
  context.events.publish("network", action, network.id, {
    name: network.name,
    type: network.record.driver,
    ...(container && { container: container.id }),
    ...attributes,
  });
}

/** Tells of the networks that a container joined or left by starting or ending, or on which its ports changed. */
export function publishMembership(
  context: EngineContext,
  container: Container,
  {
    action,
    networkIds,
    attributes = {},
  }: {
    readonly action: "connect" | "disconnect" | "update";
    readonly networkIds: readonly string[];
    readonly attributes?: Attributes;
  },
): void {
  const byId = new Map(context.controller.networks().map((network) => [network.id, network]));
  for (const id of networkIds) {
    const network = byId.get(id);
    if (network) publish(context, action, network, { container, attributes });
  }
}

/** The networks that a running container is on. */
export function networkIdsOf(container: Container): string[] {
  return container.running?.sandbox?.endpoints().map(({ networkId }) => networkId) ?? [];
}
