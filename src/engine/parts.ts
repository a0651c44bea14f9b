// What the engine is built from. The daemon makes these and hands them in; nobody below knows the engine.

import type { Controller, Ingress, Sandbox } from "../cnm/index.ts";
import type { Images, RegistryOptions } from "../image/index.ts";
import type { ManagedPlugins } from "../managed-plugins/index.ts";
import type { Address, Prefix } from "../netip/index.ts";
import type {
  Containerd,
  HostFacts,
  Mount,
  OciSeccomp,
  Runtime,
  Supervised,
  Task,
} from "../runtime/index.ts";
import type { Collection, Store } from "../store/index.ts";
import type { KeyedLock } from "../util/keyed-lock.ts";
import type { Log } from "../util/log.ts";
import type { Volumes } from "../volume/index.ts";
import type { Events } from "./events.ts";
import type { ExecRecord } from "./execution.ts";
import type { Membership } from "./membership.ts";
import type { Registry } from "./registry.ts";
import type { VolumeHolds } from "./volume-holds.ts";

export type LiveTask = Task;
export type LiveSandbox = Sandbox;

export interface EngineSettings {
  readonly version: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  /** The host's name. */
  readonly hostname: string;
  readonly labels: readonly string[];
  readonly debug: boolean;
  readonly shutdownTimeoutS: number;
  /** Containers go on while there is no daemon. */
  readonly liveRestore: boolean;
  readonly shmSizeBytes: number;
  readonly log: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
  /** `unconfined`, a file, or undefined for the packaged profile. */
  readonly seccompProfile: string | undefined;
  readonly dns: {
    readonly servers: readonly Address[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  /** What `host-gateway` stands for in `--add-host`; none: the default bridge's gateways. */
  readonly hostGateways: readonly Address[];
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly addressPools: readonly {
    readonly base: Prefix;
    readonly size: number;
  }[];
  readonly firewallDriver: string;
  /** The networks among `insecureRegistries`. */
  readonly insecureNetworks: readonly Prefix[];
  /** Of this daemon, kept in its data root. */
  readonly daemonId: string;
}

/** Lends a root file system for reading or filling it while the container does not run. */
export interface RootfsAccess {
  /** Mounts, runs `work` with the mount point, unmounts. */
  with<T>(mounts: readonly Mount[], work: (path: string) => Promise<T>): Promise<T>;
}

export interface EngineParts {
  readonly settings: EngineSettings;
  readonly store: Store;
  readonly controller: Controller;
  readonly containerd: Containerd;
  readonly runtime: Runtime;
  readonly images: Images;
  readonly volumes: Volumes;
  readonly rootfs: RootfsAccess;
  readonly membership: Membership;
  /** Plugins that the daemon runs itself, and how registries are spoken to that have them. */
  readonly plugins: { readonly managed: ManagedPlugins; readonly registry: RegistryOptions };
  readonly ingress: Pick<Ingress, "closedPorts" | "follow" | "serve" | "settle">;
  readonly log: Log;
  /** The containerd that we run ourselves; absent when it is the system's. */
  readonly supervised?: Supervised;
}

/** The parts with what the engine itself adds; every use case is a function of these. */
export interface EngineContext extends EngineParts {
  readonly registry: Registry;
  /** Execs that run; kept only where another daemon may have to take them over. */
  readonly execRecords: Collection<ExecRecord>;
  readonly events: Events;
  readonly volumeHolds: VolumeHolds;
  /** Held by container id, then by network or volume name: always in that order. */
  readonly locks: KeyedLock;
  readonly hostFacts: HostFacts;
  /** How containers ended that the last daemon left running, by id. */
  readonly leftExits: Map<string, { readonly code: number; readonly at: Date }>;
  readonly runcVersion: string;
  /** Seccomp filters that were made before, by profile and capabilities. */
  readonly seccomp: Map<string, Promise<OciSeccomp>>;
  isShuttingDown(): boolean;
  /** Containers have been let go of: what becomes of them is another daemon's business. */
  hasLetGo(): boolean;
}
