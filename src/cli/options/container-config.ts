// From the flags of `run` and `create` to the body of the create request.

import { readFileSync } from "node:fs";
import { errorMessage } from "../../util/errors.ts";
import { compactJson } from "../client/json.ts";
import { quote } from "../flags/numbers.ts";
import type { FlagValues } from "../flags/values.ts";
import { checkMacAddress, cut, parseUlimits } from "./checks.ts";
import { isCdiName, parseBpsDevice, parseDevice, parseIopsDevice, parseWeightDevice } from "./devices.ts";
import { parseHealth } from "./health.ts";
import { goFileError, readPairs, toMap } from "./key-values.ts";
import { parseMount, parseVolumes } from "./mounts.ts";
import { type EndpointSettings, parseNetworks } from "./networks.ts";
import { parsePorts } from "./ports.ts";
import { parseRestart } from "./restart.ts";

export interface ContainerConfig {
  Image: string;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  readonly [field: string]: unknown;
}

export interface HostConfig {
  AutoRemove: boolean;
  ContainerIDFile: string;
  Dns: readonly string[];
  ConsoleSize: readonly [number, number];
  readonly [field: string]: unknown;
}

export interface CreateBody {
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networkingConfig: { readonly EndpointsConfig: Readonly<Record<string, EndpointSettings>> };
}

/** Reads the flags. `extraEnv` goes before what -e says. Throws Docker's texts. */
export function containerConfig(
  flags: FlagValues,
  words: readonly string[],
  extraEnv: readonly string[],
): CreateBody {
  const mac = flags.string("mac-address");
  if (mac) checkMacAddress(mac);
  const swappiness = flags.number("memory-swappiness");
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  const { binds, volumes } = parseVolumes(flags.list("volume"));
  const { exposed, bindings } = parsePorts(flags.list("publish"), flags.list("expose"));
  const resources = parseResources(flags, swappiness);
  const hostConfig = { ...parseHost(flags), ...resources, Binds: listOrNull(binds), PortBindings: bindings };
  const { networkMode, endpoints } = parseNetworks(flags);
  const mainMac = endpoints[networkMode]?.MacAddress ?? mac;
  const config: ContainerConfig = {
    ...parseProcess(flags, words, extraEnv),
    ExposedPorts: exposed,
    Volumes: volumes,
    ...(mainMac ? { MacAddress: mainMac } : {}),
  };
  return {
    config,
    hostConfig: { ...hostConfig, NetworkMode: networkMode },
    networkingConfig: { EndpointsConfig: endpoints },
  };
}

/** Each variable once, with the value that was given last. */
function lastOfEach(env: readonly string[]): string[] {
  return [...new Map(env.map((pair) => [cut(pair, "=").before, pair])).values()];
}

/** CAP_NAME in upper case, each once; ALL stays. */
function capabilities(names: readonly string[]): string[] {
  const full = names.map((name) => name.toUpperCase().replace(/^(?!ALL$|CAP_)/, "CAP_"));
  return [...new Set(full)].toSorted();
}

const listOrNull = (values: readonly string[]) => (values.length > 0 ? values : null);

function parseProcess(
  flags: FlagValues,
  words: readonly string[],
  extraEnv: readonly string[],
): ContainerConfig {
  const [image = "", ...command] = words;
  const attach = flags.list("attach");
  const stdin = flags.bool("interactive");
  const attachStdin = stdin || attach.includes("stdin");
  const env = readPairs(
    flags.list("env-file"),
    [...extraEnv, ...lastOfEach(flags.list("env"))],
    (name) => process.env[name],
  );
  const health = parseHealth(flags);
  return {
    Hostname: flags.string("hostname"),
    Domainname: flags.string("domainname"),
    User: flags.string("user"),
    AttachStdin: attachStdin,
    AttachStdout: attach.length === 0 || attach.includes("stdout"),
    AttachStderr: attach.length === 0 || attach.includes("stderr"),
    Tty: flags.bool("tty"),
    OpenStdin: stdin,
    StdinOnce: stdin && attachStdin,
    Env: listOrNull(env),
    Cmd: listOrNull(command),
    Image: image,
    WorkingDir: flags.string("workdir"),
    Entrypoint: flags.changed("entrypoint") ? [flags.string("entrypoint")] : null,
    Labels: toMap(readPairs(flags.list("label-file"), flags.list("label"))),
    ...(flags.string("stop-signal") ? { StopSignal: flags.string("stop-signal") } : {}),
    ...(flags.changed("stop-timeout") ? { StopTimeout: flags.number("stop-timeout") } : {}),
    ...(health ? { Healthcheck: health } : {}),
  };
}

function parseHost(flags: FlagValues): HostConfig {
  const { securityOpt, unconfinedPaths } = parseSecurity(flags.list("security-opt"));
  const logDriver = flags.string("log-driver");
  if (logDriver === "none" && flags.list("log-opt").length > 0) {
    throw new Error(`invalid logging opts for driver ${logDriver}`);
  }
  const restart = parseRestart(flags.string("restart"));
  const autoRemove = flags.bool("rm");
  if (autoRemove && restart.Name !== "" && restart.Name !== "no") {
    throw new Error("conflicting options: cannot specify both --restart and --rm");
  }
  return {
    ContainerIDFile: flags.string("cidfile"),
    OomScoreAdj: flags.number("oom-score-adj"),
    AutoRemove: autoRemove,
    Privileged: flags.bool("privileged"),
    Links: listOrNull(flags.list("link")),
    PublishAllPorts: flags.bool("publish-all"),
    Dns: flags.list("dns"),
    DnsSearch: flags.list("dns-search"),
    DnsOptions: flags.list("dns-option"),
    ExtraHosts: listOrNull(flags.list("add-host")),
    VolumesFrom: listOrNull(flags.list("volumes-from")),
    IpcMode: flags.string("ipc"),
    ...parseNamespaces(flags),
    CapAdd: listOrNull(capabilities(flags.list("cap-add"))),
    CapDrop: listOrNull(capabilities(flags.list("cap-drop"))),
    GroupAdd: listOrNull(flags.list("group-add")),
    RestartPolicy: restart,
    SecurityOpt: listOrNull(securityOpt),
    StorageOpt: parseStorage(flags.list("storage-opt")),
    ReadonlyRootfs: flags.bool("read-only"),
    LogConfig: { Type: logDriver, Config: toMap(flags.list("log-opt")) },
    VolumeDriver: flags.string("volume-driver"),
    Isolation: flags.string("isolation"),
    ShmSize: flags.number("shm-size"),
    Tmpfs: Object.fromEntries(flags.list("tmpfs").map((value) => pair(cut(value, ":")))),
    Sysctls: toMap(flags.list("sysctl")),
    Runtime: flags.string("runtime"),
    Mounts: flags.list("mount").map(parseMount),
    Annotations: toMap(flags.list("annotation")),
    ConsoleSize: [0, 0],
    ...(unconfinedPaths
      ? { MaskedPaths: [], ReadonlyPaths: [] }
      : { MaskedPaths: null, ReadonlyPaths: null }),
    ...(flags.changed("init") ? { Init: flags.bool("init") } : {}),
  };
}

const pair = ({ before, after }: { before: string; after: string }) => [before, after] as const;

function parseNamespaces(flags: FlagValues): Record<string, string> {
  const modes = [
    { flag: "pid", field: "PidMode", name: "PID", allowed: /^(|host|container:.+)$/ },
    { flag: "uts", field: "UTSMode", name: "UTS", allowed: /^(|host)$/ },
    { flag: "userns", field: "UsernsMode", name: "USER", allowed: /^(|host)$/ },
    { flag: "cgroupns", field: "CgroupnsMode", name: "CGROUP", allowed: /^(|host|private)$/ },
  ];
  const fields: Record<string, string> = {};
  for (const { flag, field, name, allowed } of modes) {
    const value = flags.string(flag);
    if (!allowed.test(value)) throw new Error(`--${flag}: invalid ${name} mode`);
    fields[field] = value;
  }
  return fields;
}

function parseResources(flags: FlagValues, swappiness: number): Record<string, unknown> {
  const cdi = flags.list("device").filter(isCdiName);
  const devices = flags.list("device").filter((device) => !isCdiName(device));
  return {
    CgroupParent: flags.string("cgroup-parent"),
    Memory: flags.number("memory"),
    MemoryReservation: flags.number("memory-reservation"),
    MemorySwap: flags.number("memory-swap"),
    MemorySwappiness: swappiness,
    KernelMemory: flags.number("kernel-memory"),
    OomKillDisable: flags.bool("oom-kill-disable"),
    NanoCpus: flags.number("cpus"),
    CpuShares: flags.number("cpu-shares"),
    CpuPeriod: flags.number("cpu-period"),
    CpuQuota: flags.number("cpu-quota"),
    CpuRealtimePeriod: flags.number("cpu-rt-period"),
    CpuRealtimeRuntime: flags.number("cpu-rt-runtime"),
    CpusetCpus: flags.string("cpuset-cpus"),
    CpusetMems: flags.string("cpuset-mems"),
    PidsLimit: flags.number("pids-limit"),
    BlkioWeight: flags.number("blkio-weight"),
    BlkioWeightDevice: flags.list("blkio-weight-device").map(parseWeightDevice),
    BlkioDeviceReadBps: flags.list("device-read-bps").map(parseBpsDevice),
    BlkioDeviceWriteBps: flags.list("device-write-bps").map(parseBpsDevice),
    BlkioDeviceReadIOps: flags.list("device-read-iops").map(parseIopsDevice),
    BlkioDeviceWriteIOps: flags.list("device-write-iops").map(parseIopsDevice),
    Ulimits: parseUlimits(flags.list("ulimit")),
    DeviceCgroupRules: listOrNull(flags.list("device-cgroup-rule")),
    Devices: devices.map(parseDevice),
    DeviceRequests: cdi.length > 0 ? [{ Driver: "cdi", DeviceIDs: cdi }] : null,
  };
}

function parseStorage(options: readonly string[]): Record<string, string> {
  if (options.some((option) => !option.includes("="))) throw new Error("invalid storage option");
  return toMap(options);
}

/** A seccomp profile is read here and sent whole; systempaths=unconfined is told by other fields. */
function parseSecurity(options: readonly string[]): { securityOpt: string[]; unconfinedPaths: boolean } {
  const securityOpt = options.filter((option) => option !== "systempaths=unconfined").map(securityOption);
  return { securityOpt, unconfinedPaths: securityOpt.length < options.length };
}

function securityOption(option: string): string {
  const byEquals = cut(option, "=");
  const { before: key, after: value } = byEquals.found ? byEquals : cut(option, ":");
  if (key === "no-new-privileges") return option;
  if (value === "") throw new Error(`Invalid --security-opt: ${quote(option)}`);
  if (key !== "seccomp" || value === "builtin" || value === "unconfined") return option;
  return `seccomp=${seccompProfile(value)}`;
}

function seccompProfile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`opening seccomp profile (${path}) failed: ${goFileError("open", path, error).message}`);
  }
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`compacting json for seccomp profile (${path}) failed: ${errorMessage(error)}`);
  }
  return compactJson(text);
}
