// The fields of the API's answers that the client reads, in Docker's spelling. Answers of older daemons lack some; those of
// routes that only this one has are as its schemas say.

export type {
  ClusterHealthBody,
  ClusterInspect,
  ClusterInvitationBody,
  ClusterNodeBody,
  ClusterPeerBody,
  ClusterTokenBody,
  InitClusterResponse,
} from "../api/schemas/cluster.ts";

export interface Port {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

export type Labels = Readonly<Record<string, string>> | null;

export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  readonly Created: number;
  readonly Ports: readonly Port[] | null;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Labels: Labels;
  readonly State: string;
  readonly Status: string;
  readonly NetworkSettings?: { readonly Networks: Readonly<Record<string, unknown>> | null } | null;
  readonly Mounts?:
    | readonly { readonly Name?: string; readonly Source: string; readonly Driver?: string }[]
    | null;
  readonly ImageManifestDescriptor?: { readonly platform?: Platform | null } | null;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface ContainerInspect {
  readonly Id: string;
  readonly Name: string;
  readonly State: { readonly Running: boolean; readonly Paused: boolean; readonly Restarting: boolean };
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean };
  readonly HostConfig: { readonly AutoRemove?: boolean };
  readonly NetworkSettings: {
    readonly Ports: Readonly<Record<string, readonly PortBinding[] | null>> | null;
  };
}

export interface PortBinding {
  readonly HostIp: string;
  readonly HostPort: string;
}

export interface ImageSummary {
  readonly Id: string;
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize: number;
  readonly Containers: number;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  readonly Labels: Labels;
}

export interface NetworkSummary {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6?: boolean;
  readonly Internal?: boolean;
  readonly Ingress?: boolean;
  readonly Labels: Labels;
}

export interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly Scope: string;
  readonly Labels: Labels;
  readonly UsageData?: { readonly RefCount: number; readonly Size: number } | null;
}

export interface HistoryItem {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Size: number;
  readonly Comment: string;
}

export interface WaitResult {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}

export interface BuildCacheRecord {
  readonly ID: string;
  readonly Type: string;
  readonly Size: number;
  readonly InUse: boolean;
  readonly Shared: boolean;
  readonly CreatedAt: string;
  readonly LastUsedAt?: string | null;
  readonly UsageCount: number;
}

export interface DiskUsage {
  readonly LayersSize: number;
  readonly Images: readonly ImageSummary[] | null;
  readonly Containers: readonly ContainerSummary[] | null;
  readonly Volumes: readonly Volume[] | null;
  readonly BuildCache?: readonly BuildCacheRecord[] | null;
}

export interface EventMessage {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes?: Readonly<Record<string, string>> | null };
  readonly time?: number;
  readonly timeNano?: number | bigint;
}

export interface ServiceBody {
  readonly Name: string;
  readonly NetworkID: string;
  readonly NetworkName: string;
  readonly VIPs: readonly string[];
  readonly Ports: readonly {
    readonly Protocol: string;
    readonly PublishedPort: number;
    readonly TargetPort: number;
  }[];
  readonly Endpoints: readonly { readonly Ready: boolean }[];
  readonly Closed?: readonly {
    readonly NodeName: string;
    readonly Protocol: string;
    readonly PublishedPort: number;
    readonly Reason: string;
  }[];
}

export interface Plugin {
  readonly Id: string;
  readonly Name: string;
  readonly Enabled: boolean;
  readonly PluginReference?: string;
  readonly Config: { readonly Description: string };
}

export interface PluginPrivilege {
  readonly Name: string;
  readonly Description: string;
  readonly Value: readonly string[] | null;
}
