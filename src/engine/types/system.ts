// The daemon and its machine.

import type { Prefix } from "../../netip/index.ts";
import type { ClusterView } from "./cluster.ts";
import type { ContainerView } from "./container-view.ts";
import type { Filters, JsonObject } from "./stream.ts";
import type { VolumeView } from "./volume.ts";

export interface SystemOperations {
  version(): Promise<VersionFacts>;
  info(): Promise<InfoFacts>;
  /**
   * Subscribed when called: nothing that happens after that is lost. Starts with the remembered events since `sinceNano`,
   * ends when `untilNano` has passed or the signal fires. `matchesEvent` in src/engine/filters.ts tells whether one passes.
   */
  events(query: EventQuery, signal: AbortSignal): AsyncIterable<EngineEvent>;
  diskUsage(types: ReadonlySet<DiskUsageType>): Promise<DiskUsage>;
}

export interface EngineEvent {
  /** container, network, image, volume, daemon, … */
  readonly type: string;
  /** create, start, die, connect, `exec_start: sh`, … */
  readonly action: string;
  readonly actor: { readonly id: string; readonly attributes: Readonly<Record<string, string>> };
  readonly scope: "local" | "swarm";
  /** Nanoseconds since 1970. */
  readonly timeNano: bigint;
}

export interface EventQuery {
  readonly sinceNano?: bigint;
  readonly untilNano?: bigint;
  readonly filters: Filters;
}

export interface VersionFacts {
  /** Of tsdocker itself. */
  readonly version: string;
  readonly gitCommit: string;
  readonly buildTime: string;
  readonly kernelVersion: string;
  /** Go's word: amd64, arm64. */
  readonly architecture: string;
  /** Further parts: containerd, runc, node. */
  readonly components: readonly Component[];
}

export interface Component {
  readonly name: string;
  readonly version: string;
  readonly details: Readonly<Record<string, string>>;
}

export interface InfoFacts {
  /** Of this daemon, kept in its data root. */
  readonly id: string;
  readonly name: string;
  readonly labels: readonly string[];
  readonly containers: { readonly running: number; readonly paused: number; readonly stopped: number };
  readonly images: number;
  readonly storageDriver: string;
  readonly storageStatus: readonly (readonly [string, string])[];
  readonly dataRoot: string;
  readonly logDriver: string;
  readonly cgroupDriver: "cgroupfs" | "systemd" | "none";
  readonly cgroupVersion: "1" | "2";
  readonly networkDrivers: readonly string[];
  readonly volumeDrivers: readonly string[];
  readonly logDrivers: readonly string[];
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  /** uname's word: x86_64. */
  readonly machine: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly ipv4Forwarding: boolean;
  readonly bridgeNfIptables: boolean;
  readonly bridgeNfIp6tables: boolean;
  readonly debug: boolean;
  readonly fileDescriptors: number;
  readonly eventListeners: number;
  readonly defaultRuntime: string;
  /** Name to path. */
  readonly runtimes: Readonly<Record<string, string>>;
  readonly initBinary: string;
  readonly containerdVersion: string;
  readonly runcVersion: string;
  readonly containerd: { readonly address: string; readonly namespace: string };
  /** `name=seccomp,profile=builtin`, … */
  readonly securityOptions: readonly string[];
  readonly insecureRegistries: readonly Prefix[];
  readonly registryMirrors: readonly string[];
  readonly defaultAddressPools: readonly { readonly base: Prefix; readonly size: number }[];
  readonly firewall: { readonly driver: string; readonly info: readonly (readonly [string, string])[] };
  readonly liveRestore: boolean;
  /** Absent: this host is in none. */
  readonly cluster?: ClusterView;
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
  readonly serverVersion: string;
  readonly warnings: readonly string[];
}

export type DiskUsageType = "container" | "image" | "volume" | "build-cache";

/** Only the kinds asked for are present. */
export interface DiskUsage {
  readonly layersBytes: number;
  /** ImageSummary documents with SharedSize and Containers. */
  readonly images?: readonly JsonObject[];
  readonly containers?: readonly ContainerView[];
  readonly volumes?: readonly VolumeView[];
}
