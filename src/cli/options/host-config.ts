// From flags to the host's side of the create request: namespaces, rights, restarts, logs.

import type { FlagValues } from "../flags/values.ts";
import { cut } from "./checks.ts";
import { listOrNull, toMap } from "./key-values.ts";
import { parseMount } from "./mounts.ts";
import { parseRestart } from "./restart.ts";
import { parseSecurity } from "./security.ts";

export interface HostConfig {
  AutoRemove: boolean;
  ContainerIDFile: string;
  Dns: readonly string[];
  ConsoleSize: readonly [number, number];
  readonly [field: string]: unknown;
}

/** The fields of HostConfig but for resources, mounts and ports. Throws Docker's texts. */
export function parseHost(flags: FlagValues): HostConfig {
  const { securityOpt, unconfinedPaths } = parseSecurity(flags.list("security-opt"));
  const logConfig = parseLogConfig(flags);
  const restartPolicy = parseRestartPolicy(flags);
  return {
    ContainerIDFile: flags.string("cidfile"),
    OomScoreAdj: flags.number("oom-score-adj"),
    AutoRemove: flags.bool("rm"),
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
    RestartPolicy: restartPolicy,
    SecurityOpt: listOrNull(securityOpt),
    StorageOpt: parseStorage(flags.list("storage-opt")),
    ReadonlyRootfs: flags.bool("read-only"),
    LogConfig: logConfig,
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

function parseLogConfig(flags: FlagValues) {
  const driver = flags.string("log-driver");
  const options = flags.list("log-opt");
  if (driver === "none" && options.length > 0) throw new Error(`invalid logging opts for driver ${driver}`);
  return { Type: driver, Config: toMap(options) };
}

function parseRestartPolicy(flags: FlagValues) {
  const policy = parseRestart(flags.string("restart"));
  if (flags.bool("rm") && policy.Name !== "" && policy.Name !== "no")
    throw new Error("conflicting options: cannot specify both --restart and --rm");
  return policy;
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

/** CAP_NAME in upper case, each once; ALL stays. */
function capabilities(names: readonly string[]): string[] {
  const full = names.map((name) => name.toUpperCase().replace(/^(?!ALL$|CAP_)/, "CAP_"));
  return [...new Set(full)].toSorted();
}

function parseStorage(options: readonly string[]): Record<string, string> {
  if (options.some((option) => !option.includes("="))) throw new Error("invalid storage option");
  return toMap(options);
}
