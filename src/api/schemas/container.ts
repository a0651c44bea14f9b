// Containers as we answer them.

import type { ContainerConfigInspect, HostConfigInspect } from "./container-config.ts";
import type { EndpointSettings } from "./endpoint.ts";

/** One row of GET /containers/json. */
export interface ContainerSummary {
  readonly Id: string;
  /** With the leading slash. */
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Ports: readonly PortSummary[];
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Labels: Readonly<Record<string, string>>;
  readonly State: string;
  /** `Up 3 seconds`. */
  readonly Status: string;
  readonly HostConfig: {
    readonly NetworkMode: string;
    readonly Annotations?: Readonly<Record<string, string>>;
  };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, EndpointSettings>> };
  readonly Mounts: readonly MountPoint[];
}

export interface PortSummary {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

export interface MountPoint {
  readonly Type?: string;
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  readonly Driver?: string;
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
}

/** GET /containers/{id}/json. */
export interface ContainerInspect {
  readonly Id: string;
  readonly Created: string;
  readonly Path: string;
  readonly Args: readonly string[];
  readonly State: ContainerStateInspect;
  readonly Image: string;
  readonly ResolvConfPath: string;
  readonly HostnamePath: string;
  readonly HostsPath: string;
  readonly LogPath: string;
  /** With the leading slash. */
  readonly Name: string;
  readonly RestartCount: number;
  readonly Driver: string;
  readonly Platform: string;
  readonly MountLabel: string;
  readonly ProcessLabel: string;
  readonly AppArmorProfile: string;
  readonly ExecIDs: readonly string[] | null;
  readonly HostConfig: HostConfigInspect;
  readonly GraphDriver: { readonly Name: string; readonly Data: Readonly<Record<string, string>> | null };
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Mounts: readonly MountPoint[];
  readonly Config: ContainerConfigInspect;
  readonly NetworkSettings: NetworkSettings;
}

export interface ContainerStateInspect {
  readonly Status: string;
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  readonly OOMKilled: boolean;
  readonly Dead: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  readonly StartedAt: string;
  readonly FinishedAt: string;
  readonly Health?: {
    readonly Status: string;
    readonly FailingStreak: number;
    readonly Log: readonly {
      readonly Start: string;
      readonly End: string;
      readonly ExitCode: number;
      readonly Output: string;
    }[];
  };
}

export interface HostPort {
  readonly HostIp: string;
  readonly HostPort: string;
}

/** `"80/tcp"` to where it is published; null: exposed only. */
export type PortMap = Readonly<Record<string, readonly HostPort[] | null>>;

export interface NetworkSettings extends Partial<DefaultBridgeSettings> {
  readonly SandboxID: string;
  readonly SandboxKey: string;
  readonly Ports: PortMap;
  readonly Networks: Readonly<Record<string, EndpointSettings>>;
}

/** The default bridge's endpoint once more at the top: before API 1.52. */
export interface DefaultBridgeSettings {
  readonly Bridge: string;
  readonly HairpinMode: boolean;
  readonly LinkLocalIPv6Address: string;
  readonly LinkLocalIPv6PrefixLen: number;
  readonly SecondaryIPAddresses: null;
  readonly SecondaryIPv6Addresses: null;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly MacAddress: string;
}

/** GET /containers/{id}/top. */
export interface TopResponse {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[];
}

/** POST /containers/{id}/wait. */
export interface WaitResponse {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string };
}

export interface ContainersPruneResponse {
  readonly ContainersDeleted: readonly string[];
  readonly SpaceReclaimed: number;
}

export interface UpdateContainerResponse {
  readonly Warnings: readonly string[];
}
