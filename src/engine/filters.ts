// Which containers, networks, volumes and events pass a filter: pure functions of a view. Values of one key are
// alternatives (any may match), keys must all match; label values must all match, as in Docker.

import type {
  ContainerView,
  EngineEvent,
  Filters,
  Labels,
  NetworkView,
  ServiceView,
  VolumeView,
} from "./types.ts";

/** What a container filter may need to know of its surroundings. */
export interface ContainerFilterContext {
  /** When the container named by a `before` or `since` value was created. */
  createdAt(ref: string): Date | undefined;
  /** The ids of the image named by an `ancestor` value, and of those it is made of. */
  imageIds(ref: string): readonly string[];
}

/** True when the view passes every filter. Keys it does not know pass. */
export function matchesContainer(
  view: ContainerView,
  filters: Filters,
  context: ContainerFilterContext,
): boolean {
  return [...filters].every(([key, values]) => {
    if (key === "label") return matchesLabels(view.spec.labels, values);
    const test = containerTests[key];
    return !test || values.some((value) => test(view, value, context));
  });
}

type ContainerTest = (view: ContainerView, value: string, context: ContainerFilterContext) => boolean;

const containerTests: Readonly<Record<string, ContainerTest>> = {
  id: (view, value) => view.id.startsWith(value),
  name: (view, value) => matchesPattern(`/${view.name}`, value) || matchesPattern(view.name, value),
  status: (view, value) => view.state.status === value,
  exited: (view, value) => view.state.status === "exited" && view.state.exitCode === Number(value),
  health: (view, value) => (view.state.health?.status ?? "none") === value,
  ancestor: (view, value, context) =>
    view.spec.image === value || context.imageIds(value).includes(view.imageId),
  before: (view, value, context) => view.createdAt < (context.createdAt(value) ?? new Date(0)),
  since: (view, value, context) => view.createdAt > (context.createdAt(value) ?? new Date(8.64e15)),
  network: (view, value) =>
    view.network.endpoints.some(
      (endpoint) => endpoint.networkName === value || endpoint.networkId.startsWith(value),
    ),
  volume: (view, value) => view.mounts.some((mount) => mount.name === value || mount.target === value),
  publish: (view, value) =>
    matchesPort(value, (protocol, port) =>
      view.network.publishedPorts.some(
        (it) => it.protocol === protocol && it.hostPort <= port && port < it.hostPort + (it.count ?? 1),
      ),
    ),
  expose: (view, value) =>
    matchesPort(value, (protocol, port) =>
      view.spec.exposedPorts.some(
        (it) => it.protocol === protocol && it.range.first <= port && port <= it.range.last,
      ),
    ),
  "is-task": (_view, value) => value === "false" || value === "0",
  isolation: () => true,
};

/** True when the view passes every filter. */
export function matchesNetwork(view: NetworkView, filters: Filters): boolean {
  return [...filters].every(([key, values]) => {
    if (key === "label") return matchesLabels(view.labels, values);
    const test = networkTests[key];
    return !test || values.some((value) => test(view, value));
  });
}

const networkTests: Readonly<Record<string, (view: NetworkView, value: string) => boolean>> = {
  driver: (view, value) => view.driver === value,
  id: (view, value) => view.id.startsWith(value),
  // a substring, as Docker's: compose relies on it and compares again itself
  name: (view, value) => view.name.includes(value),
  scope: (view, value) => view.scope === value,
  type: (view, value) => (value === "builtin") === view.predefined,
  dangling: (view, value) => isTrue(value) === (!view.predefined && view.members.length === 0),
};

/** True when the view passes every filter. */
export function matchesVolume(view: VolumeView, filters: Filters): boolean {
  return [...filters].every(([key, values]) => {
    if (key === "label") return matchesLabels(view.labels, values);
    const test = volumeTests[key];
    return !test || values.some((value) => test(view, value));
  });
}

const volumeTests: Readonly<Record<string, (view: VolumeView, value: string) => boolean>> = {
  driver: (view, value) => view.driver === value,
  name: (view, value) => view.name.includes(value),
  dangling: (view, value) => isTrue(value) === (view.usedBy.length === 0),
};

/** True when the service passes every filter. */
export function matchesService(service: ServiceView, filters: Filters): boolean {
  return [...filters].every(([key, values]) => {
    const test = serviceTests[key];
    return !test || values.some((value) => test(service, value));
  });
}

const serviceTests: Readonly<Record<string, (service: ServiceView, value: string) => boolean>> = {
  name: (service, value) => service.name.includes(value),
  node: ({ backends }, value) =>
    backends.some(({ node, nodeName }) => nodeName === value || node.startsWith(value)),
  ready: ({ backends }, value) => isTrue(value) === backends.some(({ isReady }) => isReady),
  publish: ({ published }, value) =>
    matchesPort(value, (protocol, port) =>
      published.some((own) => own.protocol === protocol && own.publishedPort === port),
    ),
};

/** True when the event passes every filter. */
export function matchesEvent(event: EngineEvent, filters: Filters): boolean {
  return [...filters].every(([key, values]) => {
    if (key === "label") return matchesLabels(event.actor.attributes, values);
    if (key === "type") return values.includes(event.type);
    if (key === "scope") return values.includes(event.scope);
    if (key === "event") return values.some((value) => isAction(event, value));
    if (key === "image") return values.some((value) => concernsImage(event, value));
    return event.type === key && values.some((value) => isActor(event, value));
  });
}

// `exec_start: sh` and `health_status: healthy` are found by the word before the colon too
function isAction(event: EngineEvent, value: string): boolean {
  return event.action === value || event.action.startsWith(`${value}:`);
}

function isActor(event: EngineEvent, value: string): boolean {
  return event.actor.id.startsWith(value) || event.actor.attributes.name === value;
}

function concernsImage(event: EngineEvent, value: string): boolean {
  const of = event.type === "image" ? event.actor.attributes.name : event.actor.attributes.image;
  const names = [of, event.type === "image" ? event.actor.id : undefined];
  return names.some((name) => name === value || withoutTag(name) === value);
}

function withoutTag(name: string | undefined): string | undefined {
  return name?.replace(/:[^/:]*$/, "");
}

/** True when the labels hold every value, each `key` or `key=value`. */
export function matchesLabels(labels: Labels, values: readonly string[]): boolean {
  return values.every((value) => {
    const equals = value.indexOf("=");
    if (equals < 0) return Object.hasOwn(labels, value);
    const key = value.slice(0, equals);
    return Object.hasOwn(labels, key) && labels[key] === value.slice(equals + 1);
  });
}

/** True when something made at `createdAt` with `labels` falls under a prune's `until`, `label` and `label!` filters. */
export function matchesPrune(it: { createdAt: Date; labels: Labels }, filters: Filters): boolean {
  const until = filters.get("until")?.[0];
  if (until !== undefined && it.createdAt.getTime() > Number(until) * 1000) return false;
  if (!matchesLabels(it.labels, filters.get("label") ?? [])) return false;
  const excluded = filters.get("label!") ?? [];
  return excluded.length === 0 || !excluded.some((value) => matchesLabels(it.labels, [value]));
}

function matchesPattern(text: string, pattern: string): boolean {
  if (text === pattern) return true;
  try {
    return new RegExp(pattern).test(text);
  } catch {
    return text.includes(pattern);
  }
}

function matchesPort(value: string, has: (protocol: string, port: number) => boolean): boolean {
  const [ports = "", protocol = "tcp"] = value.split("/");
  const [first = 0, last = first] = ports.split("-").map(Number);
  for (let port = first; port <= last && port <= 65535; port++) if (has(protocol, port)) return true;
  return false;
}

function isTrue(value: string): boolean {
  return value === "true" || value === "1";
}
