// The connection to containerd: one channel, one namespace, typed clients. Everything else in this room gets it handed.

import { wrapError } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import { type Content, contentClient } from "./content.ts";
import { type Diff, diffClient } from "./diff.ts";
import { Containers as ContainersService } from "./gen/containers_pb.ts";
import { Events as EventsService } from "./gen/events_pb.ts";
import { Introspection } from "./gen/introspection_pb.ts";
import { Namespaces } from "./gen/namespaces_pb.ts";
import { Tasks as TasksService } from "./gen/tasks_pb.ts";
import { Version } from "./gen/version_pb.ts";
import { Channel, type ServiceClient } from "./grpc.ts";
import { isAlreadyExists } from "./grpc-error.ts";
import { type Images, imagesClient } from "./images.ts";
import { type Leases, leasesClient } from "./leases.ts";
import { type Snapshots, snapshotsClient } from "./snapshots.ts";

export interface ContainerdOptions {
  /** Path of containerd's socket. */
  readonly address: string;
  /** containerd's namespace: what one daemon sees of it. */
  readonly namespace: string;
  readonly snapshotter?: string;
  readonly log?: Log;
  /** How long the first answer may take, in milliseconds. */
  readonly timeoutMs?: number;
}

/** A plugin of containerd; `error` says why it does not work. */
export interface Plugin {
  readonly type: string;
  readonly id: string;
  readonly error?: string;
}

export interface Containerd {
  readonly address: string;
  readonly namespace: string;
  readonly log: Log;
  readonly content: Content;
  readonly snapshots: Snapshots;
  readonly diff: Diff;
  readonly images: Images;
  readonly leases: Leases;
  /** The raw services that this room builds containers, tasks and events on. */
  readonly services: {
    readonly containers: ServiceClient<typeof ContainersService>;
    readonly tasks: ServiceClient<typeof TasksService>;
    readonly events: ServiceClient<typeof EventsService>;
  };
  version(timeoutMs?: number): Promise<{ readonly version: string; readonly revision: string }>;
  plugins(): Promise<readonly Plugin[]>;
  /** The same connection, with everything that is made through it held by a lease. */
  withLease(leaseId: string): Containerd;
  /** Closes the connection; calls under way fail. */
  close(): void;
}

/** Connects and makes the namespace if need be. Throws unavailable when nobody answers in time. */
export async function connectContainerd(options: ContainerdOptions): Promise<Containerd> {
  const channel = new Channel(`unix://${options.address}`);
  const containerd = clientsOn(channel, options, {});
  try {
    await containerd.version(options.timeoutMs ?? 5000);
    await ensureNamespace(channel, options.namespace);
    return containerd;
  } catch (error) {
    channel.close();
    throw wrapError(error, `connect to containerd at ${options.address}`);
  }
}

/** Asks a containerd for its version over a connection of its own. Throws unavailable when nobody answers in time. */
export async function probeContainerd(address: string, timeoutMs: number): Promise<string> {
  const channel = new Channel(`unix://${address}`);
  try {
    return (await channel.service(Version, {}).version({}, { timeoutMs })).version;
  } finally {
    channel.close();
  }
}

function clientsOn(
  channel: Channel,
  options: ContainerdOptions,
  lease: Readonly<Record<string, string>>,
): Containerd {
  const headers = { "containerd-namespace": options.namespace, ...lease };
  const version = channel.service(Version, headers);
  const introspection = channel.service(Introspection, headers);
  return {
    address: options.address,
    namespace: options.namespace,
    log: options.log ?? silentLog,
    content: contentClient(channel, headers),
    snapshots: snapshotsClient(channel, headers, options.snapshotter ?? "overlayfs"),
    diff: diffClient(channel, headers),
    images: imagesClient(channel, headers),
    leases: leasesClient(channel, headers),
    services: {
      containers: channel.service(ContainersService, headers),
      tasks: channel.service(TasksService, headers),
      events: channel.service(EventsService, headers),
    },
    version: (timeoutMs) => version.version({}, timeoutMs === undefined ? {} : { timeoutMs }),
    async plugins() {
      const { plugins } = await introspection.plugins({});
      return plugins.map(({ type, id, initErr }) => ({
        type,
        id,
        ...(initErr && { error: initErr.message }),
      }));
    },
    withLease: (leaseId) => clientsOn(channel, options, { "containerd-lease": leaseId }),
    close: () => channel.close(),
  };
}

async function ensureNamespace(channel: Channel, name: string): Promise<void> {
  // The call publishes an event, which needs a namespace of its own in the metadata (containerd 1.6).
  const namespaces = channel.service(Namespaces, { "containerd-namespace": name });
  try {
    await namespaces.create({ namespace: { name } });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
