// The daemon on the wire: version, info, events, disk usage, login.

import type { ContainerSummary } from "./container.ts";
import { object, type Static, string } from "./decode.ts";
import type { ImageSummary } from "./image.ts";
import type { Volume } from "./volume.ts";

/** Every error's body. */
export interface ErrorResponse {
  readonly message: string;
}

/** GET /version. */
export interface VersionResponse {
  readonly Platform: { readonly Name: string };
  readonly Components: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details?: Readonly<Record<string, string>>;
  }[];
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion: string;
  readonly GitCommit: string;
  readonly GoVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion: string;
  readonly BuildTime: string;
}

/** GET /info. */
export interface InfoResponse {
  readonly ID: string;
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly Driver: string;
  readonly DriverStatus: readonly (readonly [string, string])[];
  readonly Plugins: {
    readonly Volume: readonly string[];
    readonly Network: readonly string[];
    readonly Authorization: readonly string[] | null;
    readonly Log: readonly string[];
  };
  readonly MemoryLimit: boolean;
  readonly SwapLimit: boolean;
  readonly CpuCfsPeriod: boolean;
  readonly CpuCfsQuota: boolean;
  readonly CPUShares: boolean;
  readonly CPUSet: boolean;
  readonly PidsLimit: boolean;
  readonly IPv4Forwarding: boolean;
  readonly BridgeNfIptables: boolean;
  readonly BridgeNfIp6tables: boolean;
  readonly Debug: boolean;
  readonly NFd: number;
  readonly OomKillDisable: boolean;
  readonly NGoroutines: number;
  readonly SystemTime: string;
  readonly LoggingDriver: string;
  readonly CgroupDriver: string;
  readonly CgroupVersion: string;
  readonly NEventsListener: number;
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSVersion: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly IndexServerAddress: string;
  readonly RegistryConfig: {
    readonly InsecureRegistryCIDRs: readonly string[];
    readonly IndexConfigs: Readonly<Record<string, unknown>>;
    readonly Mirrors: readonly string[] | null;
  };
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly GenericResources: null;
  readonly DockerRootDir: string;
  readonly HttpProxy: string;
  readonly HttpsProxy: string;
  readonly NoProxy: string;
  readonly Name: string;
  readonly Labels: readonly string[];
  readonly ExperimentalBuild: boolean;
  readonly ServerVersion: string;
  readonly Runtimes: Readonly<Record<string, { readonly path: string }>>;
  readonly DefaultRuntime: string;
  readonly Swarm: {
    readonly NodeID: string;
    readonly NodeAddr: string;
    readonly LocalNodeState: string;
    readonly ControlAvailable: boolean;
    readonly Error: string;
    readonly RemoteManagers: null;
  };
  /** As Docker had them for clusters without swarm; absent while the host is in none. */
  readonly ClusterStore?: string;
  readonly ClusterAdvertise?: string;
  readonly Cluster?: ClusterSummary;
  readonly LiveRestoreEnabled: boolean;
  readonly Isolation: string;
  readonly InitBinary: string;
  readonly ContainerdCommit: { readonly ID: string };
  readonly RuncCommit: { readonly ID: string };
  readonly InitCommit: { readonly ID: string };
  readonly SecurityOptions: readonly string[];
  readonly DefaultAddressPools: readonly { readonly Base: string; readonly Size: number }[];
  readonly FirewallBackend: {
    readonly Driver: string;
    readonly Info: readonly (readonly [string, string])[];
  };
  readonly CDISpecDirs: readonly string[];
  readonly Containerd: {
    readonly Address: string;
    readonly Namespaces: { readonly Containers: string; readonly Plugins: string };
  };
  readonly Warnings: readonly string[] | null;
}

/** The cluster in a few words; GET /cluster has more. */
export interface ClusterSummary {
  readonly ID: string;
  readonly State: string;
  readonly Trouble: string;
  readonly NodeID: string;
  readonly Role: string;
  readonly Nodes: number;
  readonly Members: number;
}

/** One line of GET /events. */
export interface EventMessage {
  /** The three legacy fields: container and image events before API 1.52. */
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: string;
  readonly time: number;
  /** More digits than a JavaScript number holds. */
  readonly timeNano: number;
}

/** GET /system/df. */
export interface DiskUsageResponse {
  readonly LayersSize: number;
  readonly Images: readonly ImageSummary[] | null;
  readonly Containers: readonly ContainerSummary[] | null;
  readonly Volumes: readonly Volume[] | null;
  readonly BuildCache: readonly unknown[] | null;
}

export const authConfig = object("AuthConfig", {
  username: string,
  password: string,
  auth: string,
  email: string,
  serveraddress: string,
  identitytoken: string,
  registrytoken: string,
});
export type AuthConfig = Static<typeof authConfig>;

export interface AuthResponse {
  readonly Status: string;
  readonly IdentityToken: string;
}
