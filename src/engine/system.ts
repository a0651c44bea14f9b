// The daemon and its machine: version, info, events, disk usage.

import { readFile } from "node:fs/promises";
import { arch, cpus, release, totalmem } from "node:os";
import { folderSize } from "./folder-size.ts";
import type { EngineContext } from "./parts.ts";
import type {
  DiskUsage,
  DiskUsageType,
  InfoFacts,
  JsonObject,
  SystemOperations,
  VersionFacts,
} from "./types.ts";
import { viewContainer, withSizes } from "./view.ts";
import { viewVolumes } from "./volumes.ts";

export function systemOperations(context: EngineContext): SystemOperations {
  return {
    version: () => versionFacts(context),
    info: () => infoFacts(context),
    events: (query, signal) => context.events.subscribe(query, signal),
    diskUsage: (types) => diskUsage(context, types),
  };
}

async function versionFacts({ settings, containerd, runcVersion }: EngineContext): Promise<VersionFacts> {
  const { version, revision } = await containerd.version();
  return {
    version: settings.version,
    gitCommit: "",
    buildTime: "",
    kernelVersion: release(),
    architecture: goArchitecture(),
    components: [
      { name: "containerd", version, details: { GitCommit: revision } },
      { name: "runc", version: runcVersion, details: { GitCommit: "" } },
      { name: "node", version: process.versions.node, details: { GitCommit: "" } },
    ],
  };
}

function goArchitecture(): string {
  return arch() === "x64" ? "amd64" : arch();
}

async function infoFacts(context: EngineContext): Promise<InfoFacts> {
  const { settings, containerd, registry, controller, hostFacts } = context;
  const [{ version }, osRelease, forwarding, networkDrivers] = await Promise.all([
    containerd.version(),
    readOsRelease(),
    readText("/proc/sys/net/ipv4/ip_forward"),
    controller.driverNames(),
  ]);
  const containers = registry.all();
  const running = containers.filter((container) => container.isRunning && !container.paused).length;
  const paused = containers.filter((container) => container.paused).length;
  const cluster = context.membership.view();
  const isSeccompOff = settings.seccompProfile === "unconfined";
  return {
    id: settings.daemonId,
    name: settings.hostname,
    labels: settings.labels,
    containers: { running, paused, stopped: containers.length - running - paused },
    images: context.images.count(),
    storageDriver: containerd.snapshots.snapshotter,
    storageStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
    dataRoot: settings.dataRoot,
    logDriver: settings.log.driver,
    cgroupDriver: "cgroupfs",
    cgroupVersion: hostFacts.cgroupVersion === 2 ? "2" : "1",
    networkDrivers,
    volumeDrivers: ["local"],
    logDrivers: ["json-file", "none"],
    kernelVersion: release(),
    operatingSystem: osRelease.PRETTY_NAME ?? "Linux",
    osVersion: osRelease.VERSION_ID ?? "",
    machine: arch() === "x64" ? "x86_64" : arch() === "arm64" ? "aarch64" : arch(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    ipv4Forwarding: forwarding.trim() === "1",
    bridgeNfIptables: false,
    bridgeNfIp6tables: false,
    debug: settings.debug,
    fileDescriptors: 0,
    eventListeners: context.events.listenerCount,
    defaultRuntime: "runc",
    runtimes: { runc: "runc", "io.containerd.runc.v2": "io.containerd.runc.v2" },
    initBinary: "docker-init",
    containerdVersion: version,
    runcVersion: context.runcVersion,
    containerd: { address: containerd.address, namespace: containerd.namespace },
    securityOptions: isSeccompOff ? [] : ["name=seccomp,profile=builtin"],
    insecureRegistries: settings.insecureNetworks,
    registryMirrors: settings.registryMirrors,
    defaultAddressPools: settings.addressPools,
    firewall: { driver: settings.firewallDriver, info: [] },
    liveRestore: settings.liveRestore,
    ...(cluster && { cluster }),
    httpProxy: process.env.HTTP_PROXY ?? "",
    httpsProxy: process.env.HTTPS_PROXY ?? "",
    noProxy: process.env.NO_PROXY ?? "",
    serverVersion: settings.version,
    warnings: forwarding.trim() === "1" ? [] : ["WARNING: IPv4 forwarding is disabled"],
  };
}

async function readOsRelease(): Promise<Readonly<Record<string, string>>> {
  const lines = (await readText("/etc/os-release")).split("\n");
  const pairs = lines.map((line) => /^([A-Z_]+)="?(.*?)"?$/.exec(line)).filter((match) => match !== null);
  return Object.fromEntries(pairs.map(([, key = "", value = ""]) => [key, value]));
}

async function readText(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}

async function diskUsage(context: EngineContext, types: ReadonlySet<DiskUsageType>): Promise<DiskUsage> {
  const [images, containers, volumes] = await Promise.all([
    types.has("image") ? context.images.usage() : undefined,
    types.has("container") ? containersWithSizes(context) : undefined,
    types.has("volume") ? volumesWithSizes(context) : undefined,
  ]);
  return {
    layersBytes: images?.layersBytes ?? 0,
    ...(images && { images: images.images as readonly object[] as readonly JsonObject[] }),
    ...(containers && { containers }),
    ...(volumes && { volumes }),
  };
}

function containersWithSizes(context: EngineContext): Promise<NonNullable<DiskUsage["containers"]>> {
  const views = context.registry.all().map((container) => viewContainer(context, container));
  return withSizes(context, views);
}

async function volumesWithSizes(context: EngineContext): Promise<NonNullable<DiskUsage["volumes"]>> {
  const sized = await Promise.all(
    viewVolumes(context).map(async (view) => ({ ...view, sizeBytes: await folderSize(view.mountpoint) })),
  );
  return sized.filter(({ name }) => context.volumes.has(name));
}
