// A container as asked for.

import type { Address, PortRange, Protocol } from "../../netip/index.ts";
import type { ResourceLimits } from "../../runtime/index.ts";
import type { MountSpec, VolumesFrom } from "./mount.ts";
import type { EndpointSpec, Link } from "./network.ts";
import type { JsonObject, Labels } from "./stream.ts";

/** What `docker create` asks for. Empty strings of the wire are absent here. */
export interface ContainerSpec extends ProcessSpec, NetworkingSpec, StorageSpec, IsolationSpec {
  /** Without the leading slash. Absent: the engine finds one. */
  readonly name?: string;
  /** As typed: `nginx`, `nginx:1.25`, `sha256:…`. */
  readonly image: string;
  /** `linux/amd64`. */
  readonly platform?: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly resources: Resources;
  readonly restartPolicy: RestartPolicy;
  readonly autoRemove: boolean;
  readonly log: LogConfig;
  readonly healthcheck?: Healthcheck;
  /** The documents as the client sent them, known fields only: what inspect shows where the spec has nothing newer. Keep them as they are. */
  readonly given: GivenDocuments;
}

export interface GivenDocuments {
  readonly config: JsonObject;
  readonly hostConfig: JsonObject;
}

/** The process and its standard streams. */
export interface ProcessSpec {
  /** Absent: the image's. An empty list: none, whatever the image says. */
  readonly entrypoint?: readonly string[];
  /** Absent: the image's, unless an entrypoint is given here. */
  readonly command?: readonly string[];
  /** `NAME=value`; a `NAME` alone takes the name away from the image's. */
  readonly env: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly stopSignal?: string;
  /** Seconds; −1: for ever. */
  readonly stopTimeoutSeconds?: number;
  /** Run an init as process 1. Absent: the daemon's default. */
  readonly init?: boolean;
  /** First size of the terminal. */
  readonly consoleSize?: { readonly width: number; readonly height: number };
}

/** Which network stack a container lives in. */
export type NetworkMode =
  | { readonly kind: "default" }
  | { readonly kind: "none" }
  | { readonly kind: "host" }
  | { readonly kind: "container"; readonly container: string }
  | { readonly kind: "network"; readonly network: string };

export interface NetworkingSpec {
  readonly hostname?: string;
  readonly domainname?: string;
  readonly networkDisabled: boolean;
  readonly networkMode: NetworkMode;
  /**
   * In the order given. Holds the network of `networkMode` too (first, when the client did not list it); for mode "default"
   * that entry is called `bridge`. Entries may name one network by id and by name: the engine resolves and refuses doubles.
   * Empty for none, host and container modes unless the client listed something.
   */
  readonly endpoints: readonly EndpointSpec[];
  readonly exposedPorts: readonly ExposedPorts[];
  readonly portBindings: readonly PortBinding[];
  readonly publishAllPorts: boolean;
  readonly dns: readonly Address[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly extraHosts: readonly ExtraHost[];
  /** Legacy links on the default bridge; on a user network the API has made them links of that endpoint. */
  readonly links: readonly Link[];
  readonly sysctls: Readonly<Record<string, string>>;
}

export interface ExposedPorts {
  readonly protocol: Protocol;
  readonly range: PortRange;
}

/** A published port, or several in a row. */
export interface PortBinding {
  readonly protocol: Protocol;
  /** The first one. */
  readonly containerPort: number;
  /** How many; absent: one. More than one are published on as many `hostPorts`, one to one. */
  readonly count?: number;
  /** Absent: the network's default bind address, on both families. */
  readonly hostAddress?: Address;
  /** Absent: any free port. A range: the first free one in it. */
  readonly hostPorts?: PortRange;
}

export interface ExtraHost {
  readonly name: string;
  readonly address: Address | "host-gateway";
}

export interface StorageSpec {
  /** Binds, mounts, tmpfs and anonymous volumes (`Config.Volumes`), one per target in the order binds, mounts, tmpfs, volumes. */
  readonly mounts: readonly MountSpec[];
  readonly volumesFrom: readonly VolumesFrom[];
  readonly volumeDriver?: string;
  readonly storageOptions: Readonly<Record<string, string>>;
  /** Size of /dev/shm in bytes. */
  readonly shmSizeBytes?: number;
  readonly readonlyRootfs: boolean;
}

export interface IsolationSpec {
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  /** `seccomp=…`, `no-new-privileges`, `apparmor=…`, `label=…`, as given. */
  readonly securityOptions: readonly string[];
  readonly groupAdd: readonly string[];
  /** "", "private", "shareable", "host", "none", "container:<id>". */
  readonly ipcMode?: string;
  /** "", "host", "container:<id>". */
  readonly pidMode?: string;
  /** "", "host". */
  readonly utsMode?: string;
  readonly usernsMode?: string;
  /** "", "private", "host". */
  readonly cgroupnsMode?: string;
  readonly cgroupParent?: string;
  readonly runtime?: string;
  readonly oomScoreAdjust?: number;
  /** Absent: the defaults. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
}

/** Limits of the cgroup, and what else is given out piece by piece. */
export interface Resources extends ResourceLimits {
  readonly ulimits?: readonly Ulimit[];
  readonly devices?: readonly Device[];
  readonly deviceCgroupRules?: readonly string[];
}

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface Device {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Of `rwm`. */
  readonly permissions: string;
}

export interface RestartPolicy {
  readonly name: "no" | "always" | "unless-stopped" | "on-failure";
  /** For on-failure; 0: no end. */
  readonly maximumRetryCount: number;
}

export interface LogConfig {
  /** Absent: the daemon's default driver. */
  readonly driver?: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface Healthcheck {
  /** `["NONE"]`, `["CMD", …]`, `["CMD-SHELL", …]`; empty: the image's. */
  readonly test: readonly string[];
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
  readonly startPeriodMs?: number;
  readonly startIntervalMs?: number;
  readonly retries?: number;
}
