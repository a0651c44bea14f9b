// A container as its callers see it.

import type { EndpointView as ConnectedEndpoint, Network } from "../cnm/index.ts";
import { errorKind } from "../util/errors.ts";
import type { Container } from "./container.ts";
import { loggingOf } from "./create.ts";
import { containerFolder } from "./folders.ts";
import { hostnameOf } from "./networking.ts";
import type { EngineContext } from "./parts.ts";
import type {
  ContainerNetworkView,
  ContainerSize,
  ContainerSpec,
  ContainerState,
  ContainerStatus,
  ContainerView,
  EndpointSpec,
  EndpointView,
} from "./types.ts";

/** A container as inspect shows it: its record, and what is true of it now. */
export function viewContainer(context: EngineContext, container: Container): ContainerView {
  const { record } = container;
  const folder = containerFolder(context, container.id);
  const hasFiles = record.state.phase !== "created";
  return {
    id: record.id,
    name: record.name,
    createdAt: record.createdAt,
    spec: { ...record.spec, links: shownLinks(context, record.spec.links) },
    imageId: record.imageId,
    path: record.path,
    args: record.args,
    state: viewState(container),
    restartCount: record.restartCount,
    storageDriver: context.containerd.snapshots.snapshotter,
    mounts: record.mounts,
    network: viewNetwork(context, container),
    execIds: [...container.executions.values()]
      .filter(({ state }) => state === "running")
      .map(({ id }) => id),
    hostname: shownHostname(context, container),
    ...(hasFiles &&
      container.log &&
      loggingOf(context, record.spec).driver === "json-file" && { logPath: container.log.path }),
    ...(hasFiles && {
      resolvConfPath: `${folder}/resolv.conf`,
      hostnamePath: `${folder}/hostname`,
      hostsPath: `${folder}/hosts`,
    }),
  };
}

/** Links by the names that their containers have now. */
function shownLinks({ registry }: EngineContext, links: ContainerSpec["links"]): ContainerSpec["links"] {
  return links.map(({ container, alias }) => ({
    container: registry.get(container)?.name ?? container,
    alias,
  }));
}

// the container whose network is shared, and its name with it, may be gone
function shownHostname(context: EngineContext, container: Container): string {
  try {
    return hostnameOf(context, container);
  } catch {
    return "";
  }
}

/** The same containers with what they take on disk; those that are removed meanwhile are left out. */
export async function withSizes(
  context: EngineContext,
  views: readonly ContainerView[],
): Promise<(ContainerView & { readonly size: ContainerSize })[]> {
  const sized = await Promise.all(
    views.map(async (view) => ({ ...view, size: await sizeOf(context, view) })),
  );
  return sized.filter(({ id }) => context.registry.get(id) !== undefined);
}

/** What its writable layer and its image take. One that is being removed has lost its layer first. */
async function sizeOf(
  { containerd, images }: EngineContext,
  { id, imageId }: ContainerView,
): Promise<ContainerSize> {
  const { size } = await containerd.snapshots.usage(id).catch((error) => {
    if (errorKind(error) !== "not-found") throw error;
    return { size: 0 };
  });
  const image = await images.size(imageId).catch(() => 0);
  return { writableBytes: size, rootBytes: size + image };
}

function viewState(container: Container): ContainerState {
  const { state } = container.record;
  return {
    status: statusOf(container),
    pid: container.running?.task.pid ?? 0,
    exitCode: state.exitCode,
    error: state.error,
    oomKilled: state.oomKilled,
    ...(state.startedAt && { startedAt: state.startedAt }),
    ...(state.finishedAt && { finishedAt: state.finishedAt }),
    ...(container.lastHealth && { health: container.lastHealth }),
  };
}

function statusOf(container: Container): ContainerStatus {
  if (container.removing) return "removing";
  if (container.paused) return "paused";
  if (container.running) return "running";
  if (container.isRestarting) return "restarting";
  const { phase } = container.record.state;
  return phase === "running" ? "exited" : phase;
}

function viewNetwork(context: EngineContext, container: Container): ContainerNetworkView {
  const sandbox = container.running?.sandbox;
  const connected = sandbox?.endpoints() ?? [];
  return {
    sandboxId: sandbox?.id ?? "",
    sandboxKey: sandbox?.netnsPath ?? "",
    endpoints: endpointSpecs(container).map((spec) => viewEndpoint(context, spec, connected)),
    publishedPorts: sandbox?.publishedPorts() ?? [],
  };
}

function endpointSpecs(container: Container): readonly EndpointSpec[] {
  const { spec } = container.record;
  const { kind } = spec.networkMode;
  if (spec.endpoints.length > 0 || (kind !== "none" && kind !== "host")) return spec.endpoints;
  return [{ network: kind, linkLocal: [], aliases: [], links: [], driverOptions: {}, gatewayPriority: 0 }];
}

function viewEndpoint(
  context: EngineContext,
  spec: EndpointSpec,
  connected: readonly ConnectedEndpoint[],
): EndpointView {
  const network = findNetwork(context, spec.network);
  const live = connected.find(({ networkId }) => networkId === network?.id);
  const networkName = network?.name ?? spec.network;
  if (!live) return { spec, networkName, networkId: network?.id ?? "", endpointId: "", dnsNames: [] };
  const { endpointId, mac, ipv4, ipv6, gatewayIpv4, gatewayIpv6, dnsNames, networkId } = live;
  return {
    spec,
    networkName,
    networkId,
    endpointId,
    ...(mac && { mac }),
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    ...(gatewayIpv4 && { gatewayIpv4 }),
    ...(gatewayIpv6 && { gatewayIpv6 }),
    dnsNames,
  };
}

// a network may be gone that a stopped container still names
function findNetwork({ controller }: EngineContext, ref: string): Network | undefined {
  return controller.networks().find(({ id, name }) => id === ref || name === ref);
}
