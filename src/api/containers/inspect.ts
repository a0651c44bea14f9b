// GET /containers/{id}/json.

import { bindingsDocument, type PortBindingsDocument } from "../../engine/port-runs.ts";
import type { ContainerState, ContainerView } from "../../engine/types.ts";
import type { ContainerInspect, ContainerStateInspect, NetworkSettings } from "../schemas/container.ts";
import type {
  ContainerConfig,
  ContainerConfigInspect,
  HostConfig,
  HostConfigInspect,
} from "../schemas/container-config.ts";
import type { EndpointSettings } from "../schemas/endpoint.ts";
import { formatTime } from "../time.ts";
import { type ApiVersion, isBefore } from "../version.ts";
import { hostConfigDefaults } from "./host-config-defaults.ts";
import { networkModeText } from "./networking.ts";
import { portMap } from "./ports.ts";
import { mountsWire, networksWire, sizes } from "./summary.ts";

/** The answer of GET /containers/{id}/json, as clients of that API version read it. */
export function inspectWire(view: ContainerView, version: ApiVersion): ContainerInspect {
  return {
    Id: view.id,
    Created: formatTime(view.createdAt),
    Path: view.path,
    Args: view.args,
    State: stateWire(view.state),
    Image: view.imageId,
    ResolvConfPath: view.resolvConfPath ?? "",
    HostnamePath: view.hostnamePath ?? "",
    HostsPath: view.hostsPath ?? "",
    LogPath: view.logPath ?? "",
    Name: `/${view.name}`,
    RestartCount: view.restartCount,
    Driver: view.storageDriver,
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: view.appArmorProfile ?? "",
    ExecIDs: view.execIds.length > 0 ? view.execIds : null,
    HostConfig: hostConfigWire(view),
    GraphDriver: { Name: view.storageDriver, Data: null },
    ...sizes(view),
    Mounts: mountsWire(view),
    Config: configWire(view),
    NetworkSettings: networkSettings(view, version),
  };
}

function stateWire(state: ContainerState): ContainerStateInspect {
  const { status, health } = state;
  return {
    Status: status,
    Running: status === "running" || status === "paused" || status === "restarting",
    Paused: status === "paused",
    Restarting: status === "restarting",
    OOMKilled: state.oomKilled,
    Dead: status === "dead",
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: formatTime(state.startedAt),
    FinishedAt: formatTime(state.finishedAt),
    ...(health && { Health: healthWire(health) }),
  };
}

function healthWire(health: NonNullable<ContainerState["health"]>) {
  return {
    Status: health.status,
    FailingStreak: health.failingStreak,
    Log: health.log.map((probe) => ({
      Start: formatTime(probe.startedAt),
      End: formatTime(probe.endedAt),
      ExitCode: probe.exitCode,
      Output: probe.output,
    })),
  };
}

/** As given, and over it what the image and the engine filled in. */
function configWire({ spec, hostname }: ContainerView): ContainerConfigInspect {
  const given = spec.given.config as ContainerConfig;
  const exposed = spec.exposedPorts.flatMap(({ protocol, range: { first, last } }) =>
    Array.from({ length: last - first + 1 }, (_, at) => [`${first + at}/${protocol}`, {}]),
  );
  return {
    Hostname: spec.hostname ?? hostname ?? "",
    Domainname: spec.domainname ?? "",
    User: spec.user ?? "",
    AttachStdin: spec.attachStdin,
    AttachStdout: spec.attachStdout,
    AttachStderr: spec.attachStderr,
    ...(exposed.length > 0 && { ExposedPorts: Object.fromEntries(exposed) }),
    Tty: spec.tty,
    OpenStdin: spec.openStdin,
    StdinOnce: spec.stdinOnce,
    Env: spec.env,
    ...nullable("Cmd", spec.command),
    ...(given.Healthcheck && { Healthcheck: given.Healthcheck }),
    Image: spec.image,
    ...nullable("Volumes", given.Volumes),
    WorkingDir: spec.workingDir ?? "",
    ...nullable("Entrypoint", spec.entrypoint),
    ...nullable("OnBuild", given.OnBuild),
    Labels: spec.labels,
    ...(spec.stopSignal !== undefined && { StopSignal: spec.stopSignal }),
    ...(spec.stopTimeoutSeconds !== undefined && { StopTimeout: spec.stopTimeoutSeconds }),
    ...(given.NetworkDisabled && { NetworkDisabled: true }),
    ...(given.Shell && { Shell: given.Shell }),
  };
}

// Go shows a nil list or map as null, and tools tell null from missing
function nullable(field: string, value: readonly string[] | object | undefined): object {
  const isEmpty = value === undefined || Object.keys(value).length === 0;
  return { [field]: isEmpty ? null : value };
}

function hostConfigWire({ spec, name }: ContainerView): HostConfigInspect {
  const { PortBindings: given } = spec.given.hostConfig as HostConfig;
  const portBindings =
    given ?? (spec.portBindings.length > 0 ? bindingsDocument(spec.portBindings) : undefined);
  return {
    ...hostConfigDefaults,
    ...spec.given.hostConfig,
    ...(portBindings && { PortBindings: portBindingsWire(portBindings) }),
    ...(spec.links.length > 0 && {
      Links: spec.links.map(({ container, alias }) => `/${container}:/${name}/${alias}`),
    }),
    NetworkMode: networkModeText(spec.networkMode),
    RestartPolicy: { Name: spec.restartPolicy.name, MaximumRetryCount: spec.restartPolicy.maximumRetryCount },
    IpcMode: spec.ipcMode ?? hostConfigDefaults.IpcMode,
    ...(spec.log.driver !== undefined && { LogConfig: { Type: spec.log.driver, Config: spec.log.options } }),
    ...(spec.cgroupnsMode !== undefined && { CgroupnsMode: spec.cgroupnsMode }),
    ...(spec.privileged && { MaskedPaths: null, ReadonlyPaths: null }),
  };
}

/** A binding has both of its fields, given or not. */
function portBindingsWire(given: NonNullable<HostConfig["PortBindings"]> | PortBindingsDocument) {
  const full = Object.entries(given).map(([port, bindings]) => [
    port,
    bindings.map(({ HostIp = "", HostPort = "" }) => ({ HostIp, HostPort })),
  ]);
  return Object.fromEntries(full) as Record<string, { HostIp: string; HostPort: string }[]>;
}

function networkSettings(view: ContainerView, version: ApiVersion): NetworkSettings {
  const Networks = networksWire(view, version);
  return {
    ...(isBefore(version, 52) && legacySettings(Networks.bridge)),
    SandboxID: view.network.sandboxId,
    SandboxKey: view.network.sandboxKey,
    Ports: portMap(view),
    Networks,
  };
}

/** The default bridge's endpoint again, where everybody looked before there were networks. */
function legacySettings(endpoint: EndpointSettings | undefined) {
  return {
    Bridge: "",
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: endpoint?.EndpointID ?? "",
    Gateway: endpoint?.Gateway ?? "",
    GlobalIPv6Address: endpoint?.GlobalIPv6Address ?? "",
    GlobalIPv6PrefixLen: endpoint?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: endpoint?.IPAddress ?? "",
    IPPrefixLen: endpoint?.IPPrefixLen ?? 0,
    IPv6Gateway: endpoint?.IPv6Gateway ?? "",
    MacAddress: endpoint?.MacAddress ?? "",
  } as const;
}
