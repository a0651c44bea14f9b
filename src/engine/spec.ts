// From a container's record to the input of the OCI specification.

import { access } from "node:fs/promises";
import {
  bindMount,
  buildExecProcess,
  buildSpec,
  chooseCapabilities,
  grantDevices,
  loadSeccompProfile,
  type NamespaceChoice,
  type OciMount,
  type OciProcess,
  type OciSeccomp,
  type OciSpec,
  packagedSeccompProfile,
  parseSeccompProfile,
  type ResolvedUser,
  type SharedMemory,
  type SpecInput,
  tmpfsMount,
  toOciSeccomp,
} from "../runtime/index.ts";
import { conflict, invalid } from "../util/errors.ts";
import type { Container } from "./container.ts";
import { etcFiles, hostnameOf } from "./networking.ts";
import type { EngineContext } from "./parts.ts";
import { userIn } from "./rootfs.ts";
import { parseSecurityOptions, type SecurityOptions } from "./security-options.ts";
import type { ContainerSpec, ExecSpec, MountView, TerminalSize } from "./types.ts";

export interface SpecSurroundings {
  /** Path of the netns to join; undefined: the host's. */
  readonly netns: string | undefined;
  readonly user: ResolvedUser;
}

/** The OCI specification of a container that is about to start. */
export async function specOf(
  context: EngineContext,
  container: Container,
  { netns, user }: SpecSurroundings,
): Promise<OciSpec> {
  const { spec } = container.record;
  const security = parseSecurityOptions(spec.securityOptions);
  const [seccomp, devices, initPath] = await Promise.all([
    seccompOf(context, spec, security),
    Promise.all((spec.resources.devices ?? []).map(grantDevices)),
    spec.init ? findInit() : undefined,
  ]);
  const network: NamespaceChoice = netns === undefined ? { kind: "host" } : { kind: "path", path: netns };
  const input: SpecInput = {
    id: container.id,
    process: {
      args: [container.record.path, ...container.record.args],
      env: [...homeOf(spec, user), ...spec.env.filter((entry) => entry.includes("="))],
      terminal: spec.tty,
      user: processUser(user),
      noNewPrivileges: security.noNewPrivileges,
      ...(spec.workingDir && { cwd: spec.workingDir }),
      ...(spec.consoleSize && spec.tty && { consoleSize: spec.consoleSize }),
      ...(spec.oomScoreAdjust && { oomScoreAdjust: spec.oomScoreAdjust }),
    },
    hostname: hostnameOf(context, container),
    ...(spec.domainname && { domainname: spec.domainname }),
    rootfs: { readonly: spec.readonlyRootfs },
    privileged: spec.privileged,
    capAdd: spec.capAdd,
    capDrop: spec.capDrop,
    namespaces: {
      network,
      pid: namespaceOf(context, spec.pidMode, "pid"),
      ipc: namespaceOf(context, spec.ipcMode, "ipc"),
      uts: spec.utsMode === "host" ? { kind: "host" } : utsOf(context, spec),
      cgroup: cgroupNamespace(context, spec),
    },
    mounts: container.record.mounts.map((mount) => toOciMount(mount)),
    files: filesOf(context, container),
    shm: sharedMemory(context, spec),
    ...(initPath && { initPath }),
    devices: devices.flat(),
    deviceCgroupRules: spec.resources.deviceCgroupRules ?? [],
    resources: spec.resources,
    ulimits: spec.resources.ulimits ?? [],
    // those of the network stack are the sandbox's business
    sysctls: netns === undefined ? {} : spec.sysctls,
    ...(seccomp && { seccomp }),
    ...(spec.maskedPaths && { maskedPaths: spec.maskedPaths }),
    ...(spec.readonlyPaths && { readonlyPaths: spec.readonlyPaths }),
    cgroup: { driver: "cgroupfs", ...(spec.cgroupParent && { parent: spec.cgroupParent }) },
    ...(Object.keys(spec.annotations).length > 0 && { annotations: spec.annotations }),
    host: context.hostFacts,
  };
  return buildSpec(input);
}

/** The process of an exec in a running container. */
export async function execProcess(
  context: EngineContext,
  container: Container,
  { exec, size }: { exec: ExecSpec; size: TerminalSize | undefined },
): Promise<OciProcess> {
  const { spec } = container.record;
  const mounts = await context.containerd.snapshots.mounts(container.id);
  const own = await userIn(mounts, spec.user ?? "", spec.groupAdd);
  const user = exec.user === undefined ? own : await userIn(mounts, exec.user, []);
  const like = await specOf(context, container, { netns: undefined, user: own });
  return buildExecProcess(
    like.process,
    {
      args: exec.command,
      env: exec.user === undefined ? exec.env : [`HOME=${user.home}`, ...exec.env],
      user: processUser(user),
      terminal: exec.tty,
      privileged: exec.privileged,
      ...(exec.workingDir && { cwd: exec.workingDir }),
      ...(size && exec.tty && { consoleSize: size }),
    },
    context.hostFacts,
  );
}

function homeOf(spec: ContainerSpec, user: ResolvedUser): string[] {
  return spec.env.some((entry) => entry.startsWith("HOME=")) ? [] : [`HOME=${user.home}`];
}

async function seccompOf(
  context: EngineContext,
  spec: ContainerSpec,
  security: SecurityOptions,
): Promise<OciSeccomp | undefined> {
  const { seccompProfile } = context.settings;
  if (spec.privileged || security.seccomp === "unconfined") return undefined;
  const { host, wish } = {
    host: context.hostFacts,
    wish: { add: spec.capAdd, drop: spec.capDrop, privileged: false },
  };
  const surroundings = {
    capabilities: chooseCapabilities(wish, host.capabilities),
    kernel: host.kernel,
    hasX32: host.hasX32,
  };
  if (security.seccomp !== undefined && security.seccomp !== "builtin") {
    return toOciSeccomp(parseSeccompProfile(security.seccomp), surroundings);
  }
  if (seccompProfile === "unconfined") return undefined;
  const path = seccompProfile ?? packagedSeccompProfile;
  const key = `${path} ${surroundings.capabilities.join()}`;
  const known = context.seccomp.get(key) ?? loadSeccompProfile(path, surroundings);
  context.seccomp.set(key, known);
  known.catch(() => context.seccomp.delete(key));
  return await known;
}

/** `host`, `container:<id>` or a namespace of its own. */
function namespaceOf(context: EngineContext, mode: string | undefined, type: "pid" | "ipc"): NamespaceChoice {
  if (mode === "host") return { kind: "host" };
  if (!mode?.startsWith("container:")) return { kind: "private" };
  const owner = context.registry.find(mode.slice("container:".length));
  if (!owner.running)
    throw conflict(`cannot join ${type.toUpperCase()} of a non running container: ${owner.id}`);
  return { kind: "path", path: `/proc/${owner.running.task.pid}/ns/${type}` };
}

// a container that shares another's network shares its names too, but has a UTS namespace of its own with the same name
function utsOf(_context: EngineContext, spec: ContainerSpec): NamespaceChoice {
  return spec.networkMode.kind === "host" && spec.hostname === undefined
    ? { kind: "host" }
    : { kind: "private" };
}

function cgroupNamespace(context: EngineContext, spec: ContainerSpec): NamespaceChoice {
  const fallback = context.hostFacts.cgroupVersion === 2 && !spec.privileged ? "private" : "host";
  return (spec.cgroupnsMode || fallback) === "private" ? { kind: "private" } : { kind: "host" };
}

function sharedMemory(context: EngineContext, spec: ContainerSpec): SharedMemory {
  if (spec.ipcMode === "host") return { kind: "bind", source: "/dev/shm" };
  if (spec.ipcMode === "none") return { kind: "none" };
  if (spec.ipcMode?.startsWith("container:")) {
    const owner = context.registry.find(spec.ipcMode.slice("container:".length));
    return { kind: "bind", source: `/proc/${owner.running?.task.pid ?? 0}/root/dev/shm` };
  }
  return { kind: "private", sizeBytes: spec.shmSizeBytes || context.settings.shmSizeBytes };
}

/** The primary group is named among the others too, else dropping it would give rights away (CVE-2022-36109). */
function processUser({ uid, gid, additionalGids }: ResolvedUser): SpecInput["process"]["user"] {
  return { uid, gid, additionalGids: [...new Set([gid, ...additionalGids])] };
}

function filesOf(context: EngineContext, container: Container): SpecInput["files"] {
  const files = etcFiles(context, container);
  return [
    { source: files.resolvConf, target: "/etc/resolv.conf" },
    { source: files.hostname, target: "/etc/hostname" },
    { source: files.hosts, target: "/etc/hosts" },
  ];
}

function toOciMount({ kind, source, target, writable, mode, propagation }: MountView): OciMount {
  if (kind === "tmpfs")
    return tmpfsMount(target, [...mode.split(",").filter(Boolean), ...(writable ? [] : ["ro"])]);
  return bindMount({ source, target, readonly: !writable, ...(propagation && { propagation }) });
}

async function findInit(): Promise<string> {
  for (const path of [
    "/usr/bin/docker-init",
    "/usr/libexec/docker/docker-init",
    "/usr/bin/tini-static",
    "/usr/bin/tini",
  ]) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw invalid("--init needs an init program on the host: install tini");
}
