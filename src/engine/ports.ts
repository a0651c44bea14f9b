// Ports of a container that is there already: published and unpublished while it runs, or noted for its next start.

import { conflict, invalid } from "../util/errors.ts";
import type { Container } from "./container.ts";
import { withImageDefaults } from "./image-defaults.ts";
import { exposedOf } from "./networking.ts";
import { keepWith, publishMembership } from "./networks.ts";
import type { EngineContext } from "./parts.ts";
import { type ContainerPort, exposes, selectionText, withPorts } from "./port-changes.ts";
import type { ContainerSpec, PortChanges } from "./types.ts";

/** Publishes and unpublishes ports. @throws conflict when a host port is taken; then all is as it was */
export function changePorts(
  context: EngineContext,
  container: Container,
  changes: PortChanges,
): Promise<void> {
  return context.locks.run(container.id, async () => {
    checkChangeable(container);
    const { spec } = container.record;
    const changed = withPorts(spec, changes, {
      live: publishedPorts(container),
      isExposedByImage: (port) => imageExposes(context, container, port),
    });
    const sandbox = container.running?.sandbox;
    const before = publishingNetworks(container);
    const change = { spec: changed };
    try {
      if (sandbox) await sandbox.setPorts(portsOf(changed), keepWith(context, container, change).keep);
      else await context.registry.change(container, change);
    } catch (error) {
      container.record = { ...container.record, spec };
      throw error;
    }
    const networkIds = new Set([...before, ...publishingNetworks(container)]);
    publish(context, container, { changes, networkIds: [...networkIds] });
  });
}

/** The networks by which a container's ports are published. */
function publishingNetworks(container: Container): string[] {
  const endpoints = container.running?.sandbox?.endpoints() ?? [];
  return endpoints.filter(({ published }) => published.length > 0).map(({ networkId }) => networkId);
}

/** The same ports in the model's words. */
function portsOf(spec: ContainerSpec) {
  return {
    exposedPorts: exposedOf(spec),
    portBindings: spec.portBindings,
    publishAll: spec.publishAllPorts,
  };
}

function checkChangeable({ removing, record }: Container): void {
  if (removing) throw conflict(`container ${record.id} is marked for removal and cannot be changed`);
  const { kind } = record.spec.networkMode;
  if (kind === "host" || kind === "container")
    throw invalid(`conflicting options: port publishing and the ${kind} type network mode`);
}

function publishedPorts(container: Container) {
  return container.running?.sandbox?.publishedPorts() ?? [];
}

function imageExposes(context: EngineContext, { record }: Container, port: ContainerPort): boolean {
  const image = context.images.find(record.imageId);
  if (!image) return false;
  const { exposedPorts } = withImageDefaults({ ...record.spec, exposedPorts: [] }, image.config);
  return exposedPorts.some((ports) => exposes(ports, port));
}

/** Docker tells of a changed container, and of a changed network, by `update`; what changed is told beside. */
function publish(
  context: EngineContext,
  container: Container,
  { changes, networkIds }: { readonly changes: PortChanges; readonly networkIds: readonly string[] },
): void {
  const [published, unpublished] = [changes.add, changes.remove].map((ports) =>
    ports.map(selectionText).join(","),
  );
  const ports = { ...(published && { published }), ...(unpublished && { unpublished }) };
  context.events.publish("container", "update", container.id, { ...container.attributes, ...ports });
  publishMembership(context, container, { action: "update", networkIds, attributes: ports });
}
