// What a container's specification is made from: the engine's wishes, resolved. Names, paths and devices were looked up
// before; making the document needs nothing but this.

import type { OciDevice, OciIdMapping, OciMount, OciSeccomp, OciUser } from "./schema.ts";

export interface SpecInput {
  readonly id: string;
  readonly process: ProcessInput;
  readonly hostname: string;
  readonly domainname?: string;
  readonly rootfs: {
    /** Absent: the shim mounts it in its bundle (`rootfs`). */
    readonly path?: string;
    readonly readonly: boolean;
  };
  readonly privileged: boolean;
  /** With or without `CAP_`, any case; `ALL`. */
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly namespaces: NamespaceChoices;
  /** Volumes, binds and tmpfs mounts that the user asked for: they replace the defaults of the same destination. */
  readonly mounts: readonly OciMount[];
  /** Files that the engine puts into the container (resolv.conf, hosts, hostname): read-only where the root is. */
  readonly files: readonly { readonly source: string; readonly target: string }[];
  readonly shm: SharedMemory;
  /** The host's path of an init program to run as process 1; only with a pid namespace of its own. */
  readonly initPath?: string;
  readonly devices: readonly GrantedDevice[];
  /** As `docker --device-cgroup-rule` has them: `c 13:* rwm`. */
  readonly deviceCgroupRules: readonly string[];
  readonly resources: ResourceLimits;
  readonly ulimits: readonly UlimitInput[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** Absent: unconfined. */
  readonly seccomp?: OciSeccomp;
  readonly apparmorProfile?: string;
  /** Absent: Docker's defaults; none for a privileged container. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly cgroup: {
    readonly driver: "cgroupfs" | "systemd";
    /** A path (cgroupfs) or a slice (systemd); absent: `/docker`, `system.slice`. */
    readonly parent?: string;
  };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly host: HostFacts;
}

export interface ProcessInput {
  readonly args: readonly string[];
  /** The container's own variables, `NAME=value`; they replace the defaults. A `NAME` alone takes one away. */
  readonly env: readonly string[];
  /** Absent: `/`. */
  readonly cwd?: string;
  readonly terminal: boolean;
  readonly consoleSize?: { readonly width: number; readonly height: number };
  readonly user: OciUser;
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdjust?: number;
}

/** Its own, the host's, or the one that a path names. */
export type NamespaceChoice =
  | { readonly kind: "private" }
  | { readonly kind: "host" }
  | { readonly kind: "path"; readonly path: string };

export interface NamespaceChoices {
  readonly network: NamespaceChoice;
  readonly pid: NamespaceChoice;
  readonly ipc: NamespaceChoice;
  readonly uts: NamespaceChoice;
  readonly cgroup: NamespaceChoice;
  /** Present: a user namespace with these mappings. */
  readonly user?: { readonly uids: readonly OciIdMapping[]; readonly gids: readonly OciIdMapping[] };
}

/** What /dev/shm is: memory of its own, a folder of the host's (shared or another container's), or nothing. */
export type SharedMemory =
  | { readonly kind: "private"; readonly sizeBytes: number }
  | { readonly kind: "bind"; readonly source: string }
  | { readonly kind: "none" };

export interface GrantedDevice {
  readonly device: OciDevice;
  /** Of `rwm`. */
  readonly access: string;
}

export interface UlimitInput {
  /** `nofile`, `nproc`, … */
  readonly name: string;
  /** −1: unlimited. */
  readonly soft: number;
  readonly hard: number;
}

/** Limits; what is absent or 0 is not limited. */
export interface ResourceLimits {
  readonly memoryBytes?: number;
  /** Memory plus swap; −1: unlimited swap; absent: twice the memory. */
  readonly memorySwapBytes?: number;
  readonly memoryReservationBytes?: number;
  /** −1: the kernel's default. */
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  readonly cpuShares?: number;
  readonly nanoCpus?: number;
  readonly cpuPeriodUs?: number;
  readonly cpuQuotaUs?: number;
  readonly cpuRealtimePeriodUs?: number;
  readonly cpuRealtimeRuntimeUs?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly blkioWeight?: number;
  /** −1 and 0: unlimited. */
  readonly pidsLimit?: number;
}

/** What the machine and the daemon's own standing allow. */
export interface HostFacts {
  readonly cgroupVersion: 1 | 2;
  /** Whether memory plus swap can be limited. */
  readonly hasSwapLimit: boolean;
  /** The capabilities that the daemon itself may give away (its bounding set). */
  readonly capabilities: readonly string[];
  /** The daemon's own hard limits by name (`nofile`); Infinity: none. */
  readonly hardLimits: Readonly<Record<string, number>>;
  readonly oomScoreAdjust: number;
  /** Every device node of the host, for privileged containers. */
  readonly devices: readonly OciDevice[];
  /** Folders of CPU temperature counters, which tell of the neighbours' work. */
  readonly thermalPaths: readonly string[];
  /** Major and minor number: 6.18 is [6, 18]. */
  readonly kernel: readonly [number, number];
  /** Whether the kernel runs x32 programs (a third ABI of x86-64 that few kernels have on). */
  readonly hasX32: boolean;
}
