// Services: what the controller has of them, with hosts by name, and ports that are opened and closed with an event.

import { setTimeout as sleep } from "node:timers/promises";
import type { Network, PublishedService, Service } from "../cnm/index.ts";
import { invalid, notFound } from "../util/errors.ts";
import { matchesService } from "./filters.ts";
import type { EngineContext } from "./parts.ts";
import type { ClusterWarning, PublishedPortRef, ServiceOperations, ServiceView } from "./types.ts";

export type ServiceContext = Pick<EngineContext, "controller" | "events" | "membership" | "ingress">;

/** How long who publishes a port waits to hear whether this host could open it. */
const openingMs = 2_000;

export function serviceOperations(context: ServiceContext): ServiceOperations {
  return {
    async list(ref, filters) {
      const services = servicesOf(context, context.controller.network(ref).id);
      return services.filter((service) => matchesService(service, filters));
    },
    inspect: async (ref, name) => viewOf(context, findService(context, ref, name)),
    publish: (ref, name, ports) => publish(context, { ref, name, ports }),
    unpublish: (ref, name, ports) => unpublish(context, { ref, name, ports }),
  };
}

/** Tells of ports of services that a host cannot open, and of those that it can at last. */
export function tellOfIngress({ controller, events, ingress, membership }: ServiceContext): void {
  ingress.follow(({ node, networkId, networkName, port, reason }) => {
    const network = controller.networks().find(({ id }) => id === networkId);
    events.publish("network", reason === undefined ? "service-port-open" : "service-port-closed", networkId, {
      name: networkName,
      type: network?.record.driver ?? "",
      node: namesOf(membership).get(node) ?? node,
      port: `${port.port}/${port.protocol}`,
      ...(reason !== undefined && { reason }),
    });
  });
}

/** Ports that are not open somewhere, as what somebody should see to. */
export function closedPortWarnings(context: ServiceContext): ClusterWarning[] {
  const { controller, ingress } = context;
  return ingress.closedPorts().flatMap(({ networkId, node, protocol, publishedPort, reason }) => {
    const isPublished = hasPublished({ protocol, publishedPort });
    const service = controller.services(networkId).find(isPublished);
    // one that is closed on purpose by now
    if (!service) return [];
    const port = `port ${publishedPort}/${protocol} of service ${service.name} of network ${service.networkName}`;
    return [{ nodeId: node, text: `${port} is closed: ${reason}` }];
  });
}

/** All of a network, in the order of their names. */
export function servicesOf(context: ServiceContext, networkId: string): readonly ServiceView[] {
  return context.controller.services(networkId).map((service) => viewOf(context, service));
}

interface Change<P> {
  readonly ref: string;
  readonly name: string;
  readonly ports: readonly P[];
}

async function publish(
  context: ServiceContext,
  { ref, name, ports }: Change<PublishedService>,
): Promise<ServiceView> {
  if (ports.length === 0) throw invalid(`publish service ${name}: no port is given`);
  const service = findService(context, ref, name);
  if (context.controller.network(service.networkId).record.internal)
    throw invalid(`publish service ${name}: network ${service.networkName} is internal`);
  const changed = await context.controller.publishService(service.networkId, service.name, ports);
  tell(context, { action: "service-publish", service: changed, ports });
  await untilOpened(context, service.networkId);
  return viewOf(context, changed);
}

async function unpublish(
  context: ServiceContext,
  { ref, name, ports }: Change<PublishedPortRef>,
): Promise<ServiceView> {
  if (ports.length === 0) throw invalid(`unpublish service ${name}: no port is given`);
  const service = findService(context, ref, name);
  const whole = ports.map((port) => findPublished(service, port));
  const changed = await context.controller.unpublishService(service.networkId, service.name, whole);
  tell(context, { action: "service-unpublish", service: changed, ports: whole });
  return viewOf(context, changed);
}

async function untilOpened({ ingress }: ServiceContext, networkId: string): Promise<void> {
  const enough = new AbortController();
  const late = sleep(openingMs, undefined, { signal: enough.signal }).catch(() => undefined);
  await Promise.race([ingress.serve(networkId), late]);
  enough.abort();
}

function findPublished(service: Service, { protocol, publishedPort }: PublishedPortRef): PublishedService {
  const found = service.published.find(
    (own) => own.protocol === protocol && own.publishedPort === publishedPort,
  );
  if (found) return found;
  throw notFound(
    `service ${service.name} of network ${service.networkName} has not published ${publishedPort}/${protocol}`,
  );
}

function findService({ controller }: ServiceContext, ref: string, name: string): Service {
  const network = controller.network(ref);
  const wanted = name.toLowerCase();
  const found = controller.services(network.id).find((service) => service.name === wanted);
  if (found) return found;
  throw notFound(`service ${name} not found on network ${network.name}${whyNone(network)}`);
}

function whyNone({ record }: Network): string {
  return record.scope === "global" ? "" : ": only networks of a cluster (-d overlay) have services";
}

const namesOf = (membership: ServiceContext["membership"]) =>
  new Map(membership.view()?.nodes.map(({ id, name }) => [id, name]));

const hasPublished =
  ({ protocol, publishedPort }: PublishedPortRef) =>
  ({ published }: Service): boolean =>
    published.some((own) => own.protocol === protocol && own.publishedPort === publishedPort);

function viewOf({ membership, ingress }: ServiceContext, service: Service): ServiceView {
  const names = namesOf(membership);
  const named = <T extends { readonly node: string }>(of: T) => ({
    ...of,
    nodeName: names.get(of.node) ?? of.node,
  });
  const closed = ingress.closedPorts(service.networkId).filter((port) => hasPublished(port)(service));
  return { ...service, backends: service.backends.map(named), closed: closed.map(named) };
}

function tell(
  { controller, events }: ServiceContext,
  {
    action,
    service,
    ports,
  }: { readonly action: string; readonly service: Service; readonly ports: readonly PublishedService[] },
): void {
  const { record } = controller.network(service.networkId);
  events.publish("network", action, service.networkId, {
    name: service.networkName,
    type: record.driver,
    service: service.name,
    ports: ports
      .map(({ publishedPort, targetPort, protocol }) => `${publishedPort}:${targetPort}/${protocol}`)
      .join(","),
  });
}
