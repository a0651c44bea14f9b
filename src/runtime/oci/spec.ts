// The OCI specification of a container with Docker's defaults, as a pure function: the same input, the same document.

import { invalid } from "../../util/errors.ts";
import { capabilitySets, chooseCapabilities } from "./capabilities.ts";
import { containerEnvironment } from "./environment.ts";
import { chooseMounts, rootPropagation } from "./mounts.ts";
import { chooseResources } from "./resources.ts";
import { chooseRlimits } from "./rlimits.ts";
import type { OciLinux, OciNamespace, OciProcess, OciSpec } from "./schema.ts";
import type { NamespaceChoice, SpecInput } from "./spec-input.ts";

const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** The document for runc. Throws invalid for wishes that cannot be granted, with Docker's text where it has one. */
export function buildSpec(input: SpecInput): OciSpec {
  const isUtsPrivate = input.namespaces.uts.kind === "private";
  return {
    ociVersion: "1.0.2",
    process: chooseProcess(input),
    root: { path: input.rootfs.path ?? "rootfs", readonly: input.rootfs.readonly },
    // Without a uts namespace of its own a name would be the host's.
    ...(isUtsPrivate && { hostname: input.hostname }),
    ...(isUtsPrivate && input.domainname && { domainname: input.domainname }),
    mounts: chooseMounts(input),
    linux: chooseLinux(input),
    ...(input.annotations && { annotations: input.annotations }),
  };
}

function chooseProcess(input: SpecInput): OciProcess {
  const { process, host, hostname, privileged, capAdd, capDrop } = input;
  const wish = { privileged, add: capAdd, drop: capDrop };
  const capabilities = chooseCapabilities(wish, host.capabilities);
  const { oomScoreAdjust: oomScoreAdj } = process;
  if (oomScoreAdj !== undefined) checkOomScore(oomScoreAdj, input);
  return {
    terminal: process.terminal,
    ...(process.consoleSize && { consoleSize: process.consoleSize }),
    user: process.user,
    args: withInit(process.args, input),
    env: containerEnvironment(process.env, { hostname, terminal: process.terminal }),
    cwd: process.cwd || "/",
    capabilities: capabilitySets(capabilities, process.user.uid),
    rlimits: chooseRlimits(input.ulimits, host.hardLimits),
    noNewPrivileges: process.noNewPrivileges,
    ...(oomScoreAdj !== undefined && { oomScoreAdj }),
    ...(input.apparmorProfile && { apparmorProfile: input.apparmorProfile }),
  };
}

function chooseLinux(input: SpecInput): OciLinux {
  const { privileged, host } = input;
  const propagation = rootPropagation(input.mounts);
  return {
    namespaces: chooseNamespaces(input),
    ...(input.namespaces.user && {
      uidMappings: input.namespaces.user.uids,
      gidMappings: input.namespaces.user.gids,
    }),
    devices: privileged ? host.devices : input.devices.map(({ device }) => device),
    cgroupsPath: chooseCgroupPath(input),
    resources: chooseResources(input),
    sysctl: chooseSysctls(input),
    ...(input.seccomp && { seccomp: input.seccomp }),
    ...(propagation && { rootfsPropagation: propagation }),
    maskedPaths: privileged ? [] : (input.maskedPaths ?? [...maskedPaths, ...host.thermalPaths]),
    readonlyPaths: privileged ? [] : (input.readonlyPaths ?? readonlyPaths),
  };
}

function chooseNamespaces({ namespaces }: SpecInput): readonly OciNamespace[] {
  const entry = (type: OciNamespace["type"], choice: NamespaceChoice): OciNamespace[] => {
    if (choice.kind === "host") return [];
    return [choice.kind === "path" ? { type, path: choice.path } : { type }];
  };
  return [
    { type: "mount" },
    ...entry("network", namespaces.network),
    ...entry("uts", namespaces.uts),
    ...entry("pid", namespaces.pid),
    ...entry("ipc", namespaces.ipc),
    ...entry("cgroup", namespaces.cgroup),
    ...(namespaces.user ? [{ type: "user" } as const] : []),
  ];
}

function chooseCgroupPath({ cgroup, id }: SpecInput): string {
  if (cgroup.driver === "systemd") return `${cgroup.parent || "system.slice"}:docker:${id}`;
  const parent = (cgroup.parent || "/docker").replace(/\/+$/, "");
  return `${parent.startsWith("/") ? "" : "/"}${parent}/${id}`;
}

function chooseSysctls({ sysctls, namespaces }: SpecInput): Readonly<Record<string, string>> {
  if (namespaces.network.kind === "host") return sysctls;
  return {
    "net.ipv4.ip_unprivileged_port_start": "0",
    // The kernel refuses group ids that a user namespace does not map.
    ...(!namespaces.user && { "net.ipv4.ping_group_range": "0 2147483647" }),
    ...sysctls,
  };
}

function withInit(args: readonly string[], { initPath, namespaces }: SpecInput): readonly string[] {
  const hasInit = initPath !== undefined && namespaces.pid.kind === "private";
  return hasInit ? ["/sbin/docker-init", "--", ...args] : args;
}

// The kernel lets nobody go below his own score without the capability, and runc's own message is about a pipe.
function checkOomScore(score: number, { host }: SpecInput): void {
  if (score < -1000 || score > 1000)
    throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  if (score < host.oomScoreAdjust && !host.capabilities.includes("CAP_SYS_RESOURCE"))
    throw invalid(`set oom score adjustment to ${score}: the daemon lacks CAP_SYS_RESOURCE`);
}
