// Networks: the controller's, with events, and with containers that are connected while they run.

import { conflict, EngineError, forbidden, invalid, notFound } from "../util/errors.ts";
import type { Container } from "./container.ts";
import { matchesNetwork, matchesPrune } from "./filters.ts";
import type { EngineContext } from "./parts.ts";
import type { EndpointSpec, Filters, NetworkOperations, NetworkSpec, NetworkView } from "./types.ts";

export function networkOperations(context: EngineContext): NetworkOperations {
  const { controller } = context;
  return {
    list: async (filters) => controller.networks().filter((view) => matchesNetwork(view, filters)),
    inspect: async (ref, options) => inspectNetwork(context, ref, options?.scope),
    create: (spec) => createNetwork(context, spec),
    connect: (ref, containerRef, endpoint) => connect(context, { ref, containerRef, endpoint }),
    disconnect: (ref, containerRef, options) =>
      disconnect(context, { ref, containerRef, force: options.force }),
    remove: (ref) => removeNetwork(context, ref),
    prune: (filters) => pruneNetworks(context, filters),
  };
}

function inspectNetwork({ controller }: EngineContext, ref: string, scope: string | undefined): NetworkView {
  const view = controller.network(ref);
  if (scope && view.scope !== scope) throw notFound(`network ${ref} not found`);
  return view;
}

async function createNetwork(
  context: EngineContext,
  spec: NetworkSpec,
): Promise<{ id: string; warning: string }> {
  const view = await context.locks.run(`network ${spec.name}`, () => context.controller.createNetwork(spec));
  publish(context, "create", view);
  return { id: view.id, warning: "" };
}

async function removeNetwork(context: EngineContext, ref: string): Promise<void> {
  const view = context.controller.network(ref);
  await context.locks.run(`network ${view.name}`, () => context.controller.deleteNetwork(view.id));
  publish(context, "destroy", view);
}

async function pruneNetworks(context: EngineContext, filters: Filters): Promise<string[]> {
  const named = new Set(context.registry.all().flatMap((container) => [...networkIds(context, container)]));
  const deleted: string[] = [];
  for (const view of context.controller.networks()) {
    const isUnused = !view.predefined && view.members.length === 0 && !named.has(view.id);
    if (!isUnused || !matchesPrune(view, filters)) continue;
    try {
      await removeNetwork(context, view.id);
      deleted.push(view.name);
    } catch (error) {
      context.log.warn({ network: view.name, reason: String(error) }, "cannot prune a network");
    }
  }
  context.events.publish("network", "prune", "", { reclaimed: "0" });
  return deleted;
}

// a stopped container keeps the networks it will start on from being pruned only while it is paused or running;
// Docker prunes what only stopped containers name, so running ones alone count
function networkIds({ controller }: EngineContext, container: Container): Set<string> {
  if (!container.running) return new Set();
  const ids = container.record.spec.endpoints.map(
    ({ network }) => controller.findNetwork(network)?.id ?? network,
  );
  return new Set(ids);
}

interface Connection {
  readonly ref: string;
  readonly containerRef: string;
  readonly endpoint: EndpointSpec;
}

async function connect(context: EngineContext, { ref, containerRef, endpoint }: Connection): Promise<void> {
  const view = context.controller.network(ref);
  const container = context.registry.find(containerRef);
  await context.locks.run(container.id, async () => {
    checkConnectable(context, container, view);
    context.controller.checkEndpoint({ ...endpoint, network: view.id });
    const { spec } = container.record;
    const named = { ...endpoint, network: view.name };
    await container.running?.sandbox?.connect({ ...endpoint, network: view.id });
    const endpoints = [...spec.endpoints.filter(({ network }) => network !== "none"), named];
    const networkMode = spec.networkMode.kind === "none" ? ({ kind: "default" } as const) : spec.networkMode;
    await context.registry.change(container, { spec: { ...spec, networkMode, endpoints } });
  });
  publish(context, "connect", view, container);
}

function checkConnectable(context: EngineContext, container: Container, view: NetworkView): void {
  const { spec } = container.record;
  if (container.removing)
    throw conflict(
      `container ${container.id} is marked for removal and cannot be connected or disconnected to the network`,
    );
  const mode = spec.networkMode.kind;
  if (mode === "container" || mode === "host") {
    throw forbidden(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  }
  if (view.driver === "host") {
    throw forbidden(
      "cannot connect container to host network - container must be created in host network mode",
    );
  }
  if (view.driver === "null" || (mode === "none" && spec.endpoints.length > 0)) {
    throw forbidden(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
  if (mode === "none" && container.running) {
    throw forbidden(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  }
  if (findEndpoint(context, container, view)) {
    throw forbidden(`endpoint with name ${container.name} already exists in network ${view.name}`);
  }
}

function findEndpoint(
  context: EngineContext,
  container: Container,
  view: NetworkView,
): EndpointSpec | undefined {
  return container.record.spec.endpoints.find(
    ({ network }) => network === view.name || context.controller.findNetwork(network)?.id === view.id,
  );
}

async function disconnect(
  context: EngineContext,
  { ref, containerRef, force }: { ref: string; containerRef: string; force: boolean },
): Promise<void> {
  const view = context.controller.network(ref);
  const container = findForDisconnect(context, containerRef);
  if (!container) {
    if (!force) throw notFound(`No such container: ${containerRef}`);
    return;
  }
  await context.locks.run(container.id, async () => {
    const { spec } = container.record;
    if (spec.networkMode.kind === "host") throw invalid("container cannot be disconnected from host network");
    const endpoint = findEndpoint(context, container, view);
    if (!endpoint) {
      throw new EngineError("internal", `container ${container.id} is not connected to network ${view.name}`);
    }
    await container.running?.sandbox?.disconnect(view.id);
    const endpoints = spec.endpoints.filter((it) => it !== endpoint);
    await context.registry.change(container, { spec: { ...spec, endpoints } });
  });
  publish(context, "disconnect", view, container);
}

function findForDisconnect(context: EngineContext, ref: string): Container | undefined {
  try {
    return context.registry.find(ref);
  } catch {
    return undefined;
  }
}

function publish(context: EngineContext, action: string, view: NetworkView, container?: Container): void {
  const attributes = { name: view.name, type: view.driver, ...(container && { container: container.id }) };
  context.events.publish("network", action, view.id, attributes);
}

/** Tells of the networks that a container joined or left by starting or ending. */
export function publishMembership(
  context: EngineContext,
  container: Container,
  { action, networkIds: ids }: { action: "connect" | "disconnect"; networkIds: readonly string[] },
): void {
  for (const id of ids) {
    const view = context.controller.findNetwork(id);
    if (view) publish(context, action, view, container);
  }
}
