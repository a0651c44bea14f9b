// What a change of ports makes of a container's spec. Pure: values to values.

import { type Address, formatAddress, isUnspecified, sameAddress } from "../netip/index.ts";
import { conflict, notFound } from "../util/errors.ts";
import { bindingsDocument, hostPortText, joinBindings, joinExposed, singleBindings } from "./port-runs.ts";
import type {
  ContainerSpec,
  ExposedPorts,
  JsonObject,
  PortBinding,
  PortChanges,
  PortSelection,
  PublishedPort,
} from "./types.ts";

export type ContainerPort = Pick<PortBinding, "protocol" | "containerPort">;

/** What a change has to know beside the spec. */
export interface Surroundings {
  /** What is published now. */
  readonly live: readonly PublishedPort[];
  /** Whether a port is exposed whatever is published. */
  readonly isExposedByImage: (port: ContainerPort) => boolean;
}

/** The spec with these changes, removals first. @throws not-found for what is not published, conflict for what is twice */
export function withPorts(
  spec: ContainerSpec,
  { add, remove }: PortChanges,
  around: Surroundings,
): ContainerSpec {
  const single: ContainerSpec = { ...spec, portBindings: singleBindings(spec.portBindings) };
  const left = remove.reduce((now, gone) => withoutPort(now, gone, around), single);
  const all = singleBindings(add).reduce<ContainerSpec>(withPort, left);
  const hostConfig: JsonObject = {
    ...all.given.hostConfig,
    PortBindings: bindingsDocument(all.portBindings),
  };
  return {
    ...all,
    portBindings: joinBindings(all.portBindings),
    exposedPorts: joinExposed(all.exposedPorts),
    given: { ...all.given, hostConfig },
  };
}

function withPort(spec: ContainerSpec, binding: PortBinding): ContainerSpec {
  const { protocol, containerPort, hostPorts } = binding;
  const isOnePort = hostPorts && hostPorts.first === hostPorts.last;
  if (isOnePort && spec.portBindings.some((own) => isSame(own, binding)))
    throw conflict(`Bind for ${bindingText(binding)} failed: port is already allocated`);
  const isExposed = spec.exposedPorts.some((ports) => exposes(ports, binding));
  const own: ExposedPorts = { protocol, range: { first: containerPort, last: containerPort } };
  return {
    ...spec,
    portBindings: [...spec.portBindings, binding],
    exposedPorts: isExposed ? spec.exposedPorts : [...spec.exposedPorts, own],
  };
}

function withoutPort(
  spec: ContainerSpec,
  gone: PortSelection,
  { live, isExposedByImage }: Surroundings,
): ContainerSpec {
  const named = selected(gone, spec.portBindings, live);
  const portBindings = spec.portBindings.filter((binding) => !named.includes(binding));
  const isBound = portBindings.some((binding) => isSamePort(binding, gone));
  const isExposed = spec.exposedPorts.some((ports) => exposes(ports, gone));
  // with -P what is exposed is published, so it is no longer exposed either
  const isByAll = spec.publishAllPorts && isExposed && !isBound;
  if (named.length === 0 && !isByAll)
    throw notFound(`No public port '${selectionText(gone)}' published for ${spec.name ?? "the container"}`);
  const stays = isBound || (!spec.publishAllPorts && isExposedByImage(gone));
  return {
    ...spec,
    portBindings,
    exposedPorts: stays ? spec.exposedPorts : without(spec.exposedPorts, gone),
  };
}

/** What a selection names: all that were asked for so, else the one that was given the port. */
function selected(
  gone: PortSelection,
  bindings: readonly PortBinding[],
  live: readonly PublishedPort[],
): readonly PortBinding[] {
  const there = bindings.filter((binding) => isSamePort(binding, gone) && isAt(binding, gone.hostAddress));
  const { hostPorts: wanted } = gone;
  if (!wanted) return there;
  const named = there.filter(
    ({ hostPorts }) => hostPorts?.first === wanted.first && hostPorts.last === wanted.last,
  );
  if (named.length > 0 || wanted.first !== wanted.last) return named;
  if (!live.some((port) => leadsTo(port, gone, wanted.first))) return [];
  const inRange = there.find(
    ({ hostPorts }) => hostPorts && hostPorts.first <= wanted.first && wanted.first <= hostPorts.last,
  );
  const chosen = inRange ?? there.find(({ hostPorts }) => !hostPorts);
  return chosen ? [chosen] : [];
}

function isSamePort(a: ContainerPort, b: ContainerPort): boolean {
  return a.protocol === b.protocol && a.containerPort === b.containerPort;
}

function leadsTo(
  { protocol, containerPort, hostPort, count = 1 }: PublishedPort,
  port: ContainerPort,
  at: number,
) {
  const offset = port.containerPort - containerPort;
  return protocol === port.protocol && offset >= 0 && offset < count && hostPort + offset === at;
}

/** A binding without an address is on all of them, and may be named by 0.0.0.0 or :: too. */
function isAt({ hostAddress }: PortBinding, wanted: Address | undefined): boolean {
  if (!wanted) return true;
  return hostAddress ? sameAddress(hostAddress, wanted) : isUnspecified(wanted);
}

/** Whether an exposed range holds a port. */
export function exposes({ protocol, range }: ExposedPorts, port: ContainerPort): boolean {
  return protocol === port.protocol && range.first <= port.containerPort && port.containerPort <= range.last;
}

/** A range that held the port falls into two. */
function without(exposed: readonly ExposedPorts[], port: ContainerPort): ExposedPorts[] {
  return exposed.flatMap((ports) => {
    if (!exposes(ports, port)) return [ports];
    const { protocol, range } = ports;
    const parts = [
      { first: range.first, last: port.containerPort - 1 },
      { first: port.containerPort + 1, last: range.last },
    ];
    return parts.filter(({ first, last }) => first <= last).map((part) => ({ protocol, range: part }));
  });
}

function isSame(a: PortBinding, b: PortBinding): boolean {
  return (
    a.protocol === b.protocol &&
    sameAddress(a.hostAddress, b.hostAddress) &&
    a.hostPorts?.first === b.hostPorts?.first &&
    a.hostPorts?.last === b.hostPorts?.last
  );
}

function bindingText({ hostAddress, hostPorts }: Pick<PortBinding, "hostAddress" | "hostPorts">): string {
  const address = hostAddress ? formatAddress(hostAddress) : "0.0.0.0";
  return `${hostAddress?.family === 6 ? `[${address}]` : address}:${hostPortText(hostPorts)}`;
}

/** `0.0.0.0:8080:80/tcp`, `8080:80/tcp`, `80/tcp`. */
export function selectionText({ protocol, containerPort, hostAddress, hostPorts }: PortSelection): string {
  const port = `${containerPort}/${protocol}`;
  if (!hostAddress && !hostPorts) return port;
  return hostAddress
    ? `${bindingText({ hostAddress, ...(hostPorts && { hostPorts }) })}:${port}`
    : `${hostPortText(hostPorts)}:${port}`;
}
