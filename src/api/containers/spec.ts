// POST /containers/create: from the request's document to the engine's spec.

import { bindingsDocument, type PortBindingsDocument } from "../../engine/port-runs.ts";
import type {
  ContainerSpec,
  Healthcheck,
  IsolationSpec,
  ProcessSpec,
  TerminalSize,
} from "../../engine/types.ts";
import { invalid } from "../../util/errors.ts";
import type { ContainerConfig, CreateContainerRequest, HostConfig } from "../schemas/container-config.ts";
import { defined, nonEmpty } from "../text.ts";
import { type ApiVersion, isBefore } from "../version.ts";
import { readNetworking } from "./networking.ts";
import { readResources, readRestartPolicy } from "./resources.ts";
import { readStorage } from "./storage.ts";

export interface CreateParameters {
  readonly name: string | undefined;
  readonly platform: string | undefined;
  readonly version: ApiVersion;
}

/** Throws invalid on anything that can be told without looking at the machine. */
export function readContainerSpec(
  request: CreateContainerRequest,
  parameters: CreateParameters,
): ContainerSpec {
  const { HostConfig: given = {}, NetworkingConfig: _, ...config } = request;
  const host = withSwap(given);
  const { name, platform, version } = parameters;
  checkName(name);
  const restartPolicy = readRestartPolicy(host.RestartPolicy);
  const networking = readNetworking(request, version);
  if (host.AutoRemove && restartPolicy.name !== "no")
    throw invalid("can't create 'AutoRemove' container with restart policy");
  return {
    ...defined({
      name: name?.replace(/^\//, ""),
      platform,
      healthcheck: readHealthcheck(config.Healthcheck),
    }),
    image: config.Image ?? "",
    labels: config.Labels ?? {},
    annotations: host.Annotations ?? {},
    ...readProcess(config, host),
    ...networking,
    ...readStorage(request),
    ...readIsolation(host, version),
    resources: readResources(host),
    restartPolicy,
    autoRemove: host.AutoRemove ?? false,
    log: { ...defined({ driver: nonEmpty(host.LogConfig?.Type) }), options: host.LogConfig?.Config ?? {} },
    given: { config: withoutExposed(config), hostConfig: withoutRanges(host, networking) },
  };
}

/** What is exposed is in the spec, ranges as such. */
function withoutExposed({ ExposedPorts: _, ...config }: ContainerConfig): ContainerConfig {
  return config;
}

/** Thousands of ports are kept as the few ranges that they are, where those tell the same. */
function withoutRanges(host: HostConfig, { portBindings }: Pick<ContainerSpec, "portBindings">): HostConfig {
  const { PortBindings: given = {}, ...rest } = host;
  const isWorthIt = Object.keys(given).length > 2 * portBindings.length;
  return isWorthIt && isSameDocument(given, bindingsDocument(portBindings)) ? rest : host;
}

function isSameDocument(given: NonNullable<HostConfig["PortBindings"]>, own: PortBindingsDocument): boolean {
  const ports = Object.entries(given);
  return (
    ports.length === Object.keys(own).length &&
    ports.every(([port, hosts]) => {
      const same = own[port] ?? [];
      return (
        hosts.length === same.length &&
        hosts.every(
          ({ HostIp = "", HostPort = "" }, at) =>
            HostIp === same[at]?.HostIp && HostPort === same[at]?.HostPort,
        )
      );
    })
  );
}

/** A memory limit without one for swap allows as much again. */
function withSwap(host: HostConfig): HostConfig {
  const { Memory = 0, MemorySwap = 0 } = host;
  return Memory > 0 && MemorySwap === 0 ? { ...host, MemorySwap: 2 * Memory } : host;
}

function checkName(name: string | undefined): void {
  if (name !== undefined && !/^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name))
    throw invalid(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}

function readProcess(config: ContainerConfig, host: HostConfig): ProcessSpec {
  return {
    ...defined({
      // [""] is how the CLI says `--entrypoint ""`: none, whatever the image has
      entrypoint: config.Entrypoint?.filter((word, at) => at > 0 || word !== ""),
      command: config.Cmd?.length ? config.Cmd : config.Entrypoint?.[0] === "" ? [] : undefined,
      user: nonEmpty(config.User),
      workingDir: readWorkingDir(config.WorkingDir),
      stopSignal: nonEmpty(config.StopSignal),
      stopTimeoutSeconds: config.StopTimeout,
      init: host.Init,
      consoleSize: readConsoleSize(host.ConsoleSize),
    }),
    env: (config.Env ?? []).map(checkEnv),
    tty: config.Tty ?? false,
    openStdin: config.OpenStdin ?? false,
    stdinOnce: config.StdinOnce ?? false,
    attachStdin: config.AttachStdin ?? false,
    attachStdout: config.AttachStdout ?? false,
    attachStderr: config.AttachStderr ?? false,
  };
}

function checkEnv(text: string): string {
  if (text === "" || text.startsWith("=")) throw invalid(`invalid environment variable: ${text}`);
  return text;
}

function readWorkingDir(path: string | undefined): string | undefined {
  if (path && !path.startsWith("/"))
    throw invalid(`the working directory '${path}' is invalid, it needs to be an absolute path`);
  return nonEmpty(path);
}

/** Height, width on the wire; undefined when it is not both. */
export function readConsoleSize(size: readonly number[] | undefined): TerminalSize | undefined {
  const [height = 0, width = 0] = size ?? [];
  return height > 0 && width > 0 ? { width, height } : undefined;
}

function readIsolation(host: HostConfig, version: ApiVersion): IsolationSpec {
  const { CgroupnsMode = "" } = host;
  if (!["", "host", "private"].includes(CgroupnsMode))
    throw invalid(`invalid cgroup namespace mode: ${CgroupnsMode}`);
  return {
    privileged: host.Privileged ?? false,
    capAdd: host.CapAdd ?? [],
    capDrop: host.CapDrop ?? [],
    securityOptions: host.SecurityOpt ?? [],
    groupAdd: host.GroupAdd ?? [],
    ...defined({
      // what these versions' clients rely on when they say nothing
      ipcMode: nonEmpty(host.IpcMode) ?? (isBefore(version, 40) ? "shareable" : undefined),
      cgroupnsMode: nonEmpty(host.CgroupnsMode) ?? (isBefore(version, 41) ? "host" : undefined),
      pidMode: nonEmpty(host.PidMode),
      utsMode: nonEmpty(host.UTSMode),
      usernsMode: nonEmpty(host.UsernsMode),
      cgroupParent: nonEmpty(host.CgroupParent),
      runtime: nonEmpty(host.Runtime),
      oomScoreAdjust: readOomScore(host.OomScoreAdj),
      maskedPaths: host.MaskedPaths,
      readonlyPaths: host.ReadonlyPaths,
    }),
  };
}

function readOomScore(score: number | undefined): number | undefined {
  if (score !== undefined && (score < -1000 || score > 1000))
    throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  return score || undefined;
}

const leastIntervalNs = 1_000_000;

function readHealthcheck(input: ContainerConfig["Healthcheck"]): Healthcheck | undefined {
  if (!input) return undefined;
  const times = [
    ["Interval", input.Interval],
    ["Timeout", input.Timeout],
    ["StartPeriod", input.StartPeriod],
    ["StartInterval", input.StartInterval],
  ] as const;
  for (const [field, ns = 0] of times)
    if (ns !== 0 && ns < leastIntervalNs) throw invalid(`${field} in Healthcheck cannot be less than 1ms`);
  if ((input.Retries ?? 0) < 0) throw invalid("Retries in Healthcheck cannot be negative");
  const [intervalMs, timeoutMs, startPeriodMs, startIntervalMs] = times.map(([, ns]) =>
    ns ? ns / 1e6 : undefined,
  );
  return {
    test: input.Test ?? [],
    ...defined({
      intervalMs,
      timeoutMs,
      startPeriodMs,
      startIntervalMs,
      retries: input.Retries || undefined,
    }),
  };
}
