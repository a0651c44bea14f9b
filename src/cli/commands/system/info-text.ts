// The text form of `info`, a line per fact, in Docker's order and words.

import { binarySize } from "../../format/units.ts";

/** The part of /info that is shown. */
export interface Info {
  readonly [field: string]: unknown;
  readonly Containers?: number;
  readonly ContainersRunning?: number;
  readonly ContainersPaused?: number;
  readonly ContainersStopped?: number;
  readonly Images?: number;
  readonly DriverStatus?: readonly (readonly [string, string])[] | null;
  readonly Plugins?: Readonly<Record<string, readonly string[] | null>>;
  readonly CDISpecDirs?: readonly string[] | null;
  readonly Swarm?: { readonly LocalNodeState?: string };
  readonly ClusterStore?: string;
  readonly ClusterAdvertise?: string;
  readonly Cluster?: Cluster | null;
  readonly Runtimes?: Readonly<Record<string, unknown>> | null;
  readonly SecurityOptions?: readonly string[] | null;
  readonly MemTotal?: number;
  readonly Debug?: boolean;
  readonly Labels?: readonly string[] | null;
  readonly RegistryConfig?: RegistryConfig | null;
  readonly DefaultAddressPools?: readonly { readonly Base: string; readonly Size: number }[] | null;
  readonly FirewallBackend?: {
    readonly Driver: string;
    readonly Info?: readonly (readonly [string, string])[];
  } | null;
  readonly Warnings?: readonly string[] | null;
}

interface Cluster {
  readonly ID: string;
  readonly State: string;
  readonly Trouble: string;
  readonly NodeID: string;
  readonly Role: string;
  readonly Nodes: number;
  readonly Members: number;
}

interface RegistryConfig {
  readonly InsecureRegistryCIDRs?: readonly string[] | null;
  readonly IndexConfigs?: Readonly<
    Record<string, { readonly Name: string; readonly Secure: boolean }>
  > | null;
  readonly Mirrors?: readonly string[] | null;
}

/** All lines after "Server:". */
export function serverLines(info: Info, options: { user: string; debug: boolean }): string[] {
  return [
    ...countLines(info),
    ...some(" Server Version:", info.ServerVersion),
    ...some(" Storage Driver:", info.Driver),
    ...(info.DriverStatus ?? []).map(([name, value]) => `  ${name}: ${value}`),
    ...some(" Logging Driver:", info.LoggingDriver),
    ...some(" Cgroup Driver:", info.CgroupDriver),
    ...some(" Cgroup Version:", info.CgroupVersion),
    ...pluginLines(info),
    ...listLines(" CDI spec directories:", info.CDISpecDirs),
    ` Swarm: ${info.Swarm?.LocalNodeState ?? ""}`,
    ...clusterLines(info),
    ...runtimeLines(info),
    ...hostLines(info, options),
    ...registryLines(info.RegistryConfig),
    ` Live Restore Enabled: ${info.LiveRestoreEnabled ?? false}`,
    ...some(" Product License:", info.ProductLicense),
    ...poolLines(info),
    ...firewallLines(info),
    "",
  ];
}

const some = (label: string, value: unknown) => (value ? [`${label} ${value}`] : []);
const joined = (values: readonly string[] | null | undefined) => (values ?? []).join(" ");

function listLines(title: string, values: readonly string[] | null | undefined): string[] {
  return values && values.length > 0 ? [title, ...values.map((value) => `  ${value}`)] : [];
}

function countLines(info: Info): string[] {
  return [
    ` Containers: ${info.Containers ?? 0}`,
    `  Running: ${info.ContainersRunning ?? 0}`,
    `  Paused: ${info.ContainersPaused ?? 0}`,
    `  Stopped: ${info.ContainersStopped ?? 0}`,
    ` Images: ${info.Images ?? 0}`,
  ];
}

function pluginLines({ Plugins: plugins = {} }: Info): string[] {
  const authorization = plugins.Authorization ?? [];
  return [
    " Plugins:",
    `  Volume: ${joined(plugins.Volume)}`,
    `  Network: ${joined(plugins.Network)}`,
    ...(authorization.length > 0 ? [`  Authorization: ${joined(authorization)}`] : []),
    `  Log: ${joined(plugins.Log)}`,
  ];
}

/** Docker has none: without a cluster nothing is shown. */
function clusterLines({
  Cluster: cluster,
  ClusterStore: store,
  ClusterAdvertise: advertise,
}: Info): string[] {
  if (!cluster) return [];
  return [
    ` Cluster: ${cluster.State}${cluster.Trouble === "" ? "" : `: ${cluster.Trouble}`}`,
    `  ID: ${cluster.ID}`,
    `  Node ID: ${cluster.NodeID}`,
    `  Role: ${cluster.Role}`,
    `  Nodes: ${cluster.Nodes}`,
    `  Members: ${cluster.Members}`,
    ...some("  Store:", store),
    ...some("  Advertise:", advertise),
  ];
}

function commitId(value: unknown): string {
  return typeof value === "object" && value !== null && "ID" in value ? String(value.ID) : "";
}

function runtimeLines(info: Info): string[] {
  const names = Object.keys(info.Runtimes ?? {});
  const runtimes =
    names.length > 0
      ? [` Runtimes: ${names.join(" ")}`, ` Default Runtime: ${info.DefaultRuntime ?? ""}`]
      : [];
  if (info.OSType !== "linux") return runtimes;
  return [
    ...runtimes,
    ` Init Binary: ${info.InitBinary ?? ""}`,
    ` containerd version: ${commitId(info.ContainerdCommit)}`,
    ` runc version: ${commitId(info.RuncCommit)}`,
    ` init version: ${commitId(info.InitCommit)}`,
    ...securityLines(info.SecurityOptions ?? []),
  ];
}

/** `name=seccomp,profile=builtin` as a name and its profile. */
function securityLines(options: readonly string[]): string[] {
  if (options.length === 0) return [];
  const lines = options.flatMap((option) => {
    const pairs = option.split(",").map((pair) => pair.split("=") as [string, string?]);
    const name = pairs.find(([key]) => key === "name")?.[1] ?? option;
    const profiles = pairs.filter(([key]) => key === "profile").map(([, value]) => `   Profile: ${value}`);
    return [`  ${name}`, ...profiles];
  });
  return [" Security Options:", ...lines];
}

function hostLines(info: Info, options: { user: string; debug: boolean }): string[] {
  return [
    ...some(" Kernel Version:", info.KernelVersion),
    ...some(" Operating System:", info.OperatingSystem),
    ...some(" OSType:", info.OSType),
    ...some(" Architecture:", info.Architecture),
    ` CPUs: ${info.NCPU ?? 0}`,
    ` Total Memory: ${binarySize(info.MemTotal ?? 0)}`,
    ...some(" Name:", info.Name),
    ...some(" ID:", info.ID),
    ` Docker Root Dir: ${info.DockerRootDir ?? ""}`,
    ` Debug Mode: ${info.Debug ?? false}`,
    ...(info.Debug || options.debug ? debugLines(info) : []),
    ...some(" HTTP Proxy:", info.HttpProxy),
    ...some(" HTTPS Proxy:", info.HttpsProxy),
    ...some(" No Proxy:", info.NoProxy),
    ...some(" Username:", options.user),
    ...listLines(" Labels:", info.Labels),
    ` Experimental: ${info.ExperimentalBuild ?? false}`,
  ];
}

function debugLines(info: Info): string[] {
  return [
    `  File Descriptors: ${info.NFd ?? 0}`,
    `  Goroutines: ${info.NGoroutines ?? 0}`,
    `  System Time: ${info.SystemTime ?? ""}`,
    `  EventsListeners: ${info.NEventsListener ?? 0}`,
  ];
}

function registryLines(config: RegistryConfig | null | undefined): string[] {
  if (!config) return [];
  const indexes = Object.values(config.IndexConfigs ?? {});
  const cidrs = config.InsecureRegistryCIDRs ?? [];
  const insecure = [...indexes.filter((index) => !index.Secure).map((index) => index.Name), ...cidrs];
  const title = cidrs.length > 0 || indexes.length > 0 ? [" Insecure Registries:"] : [];
  return [
    ...title,
    ...insecure.map((name) => `  ${name}`),
    ...listLines(" Registry Mirrors:", config.Mirrors),
  ];
}

function poolLines(info: Info): string[] {
  const pools = info.DefaultAddressPools ?? [];
  if (pools.length === 0) return [];
  return [" Default Address Pools:", ...pools.map((pool) => `   Base: ${pool.Base}, Size: ${pool.Size}`)];
}

function firewallLines(info: Info): string[] {
  const backend = info.FirewallBackend;
  if (!backend?.Driver) return [];
  return [
    ` Firewall Backend: ${backend.Driver}`,
    ...(backend.Info ?? []).map(([name, value]) => `  ${name}: ${value}`),
  ];
}
