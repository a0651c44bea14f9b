// Services: what the controller has of them, with hosts by name, and ports that are opened and closed with an event.

import type { Network, PublishedService, Service } from "../cnm/index.ts";
import { invalid, notFound } from "../util/errors.ts";
import { matchesService } from "./filters.ts";
import type { EngineContext } from "./parts.ts";
import type { PublishedPortRef, ServiceOperations, ServiceView } from "./types.ts";

export type ServiceContext = Pick<EngineContext, "controller" | "events" | "membership" | "ingress">;

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

/** Tells of ports of services that this host cannot open, and of those that it can at last. */
export function tellOfIngress({
  controller,
  events,
  ingress,
}: Pick<ServiceContext, "controller" | "events" | "ingress">): void {
  ingress.follow(({ networkId, networkName, port, reason }) => {
    const network = controller.networks().find(({ id }) => id === networkId);
    events.publish("network", reason === undefined ? "service-port-open" : "service-port-closed", networkId, {
      name: networkName,
      type: network?.record.driver ?? "",
      port: `${port.port}/${port.protocol}`,
      ...(reason !== undefined && { reason }),
    });
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

function viewOf({ membership, ingress }: ServiceContext, service: Service): ServiceView {
  const names = new Map(membership.view()?.nodes.map(({ id, name }) => [id, name]));
  const named = <T extends { readonly node: string }>(of: T) => ({
    ...of,
    nodeName: names.get(of.node) ?? of.node,
  });
  const isOwn = ({ protocol, publishedPort }: PublishedPortRef) =>
    service.published.some((own) => own.protocol === protocol && own.publishedPort === publishedPort);
  return {
    ...service,
    backends: service.backends.map(named),
    closed: ingress.closedPorts(service.networkId).filter(isOwn).map(named),
  };
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
