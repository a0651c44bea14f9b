// The room's door: builds the engine from its parts.

import type { EndpointLoss } from "../cnm/index.ts";
import type { ImageUser } from "../image/index.ts";
import { readHostFacts } from "../runtime/index.ts";
import { KeyedLock } from "../util/keyed-lock.ts";
import { clusterOperations } from "./cluster.ts";
import { tellOfCluster } from "./cluster-events.ts";
import type { ContainerRecord } from "./container.ts";
import { containerOperations } from "./containers.ts";
import type { Events } from "./events.ts";
import { execOperations } from "./execs.ts";
import type { ExecRecord } from "./execution.ts";
import { globalNetworkUsers } from "./global-users.ts";
import { imageOperations } from "./images.ts";
import { letGoOfAll } from "./let-go.ts";
import { replaceEndpoint } from "./lost-endpoint.ts";
import { networkOperations } from "./networks.ts";
import type { EngineContext, EngineParts } from "./parts.ts";
import { pluginOperations } from "./plugins.ts";
import { Registry } from "./registry.ts";
import { restoreContainers, startRestored, stopAll } from "./restore.ts";
import { closedPortWarnings, serviceOperations, tellOfIngress } from "./services.ts";
import { stopIfRunning } from "./stop.ts";
import { systemOperations } from "./system.ts";
import type { Engine } from "./types.ts";
import { VolumeHolds } from "./volume-holds.ts";
import { volumeOperations } from "./volumes.ts";

export { Events } from "./events.ts";
export type { Membership } from "./membership.ts";
export type { EngineParts, EngineSettings, RootfsAccess } from "./parts.ts";
export type { Engine } from "./types.ts";

export interface LiveEngine extends Engine {
  readonly events: Events;
  /** The containers made from an image, by its full id. */
  imageUsers(imageId: string): ImageUser[];
  /** A container cannot stay on a network with the address it has. Never rejects. */
  endpointLost(loss: EndpointLoss): Promise<void>;
  /** Starts what restart policies ask for. */
  startRestored(): Promise<void>;
  /** Whether a container runs now. */
  isAnyRunning(): boolean;
  /** Stops all containers; nothing is started afterwards. */
  shutdown(): Promise<void>;
  /** Leaves the containers that run to the next daemon; nothing is started or seen afterwards. */
  letGo(): Promise<void>;
}

/** Reads the records and settles what the last daemon left. */
export async function createEngine(
  parts: EngineParts & {
    readonly runcVersion: string;
    readonly events: Events;
    /** Ids of containers that went on while there was no daemon. */
    readonly live: Pick<ReadonlySet<string>, "has">;
  },
): Promise<LiveEngine> {
  const { events } = parts;
  let isShuttingDown = false;
  let hasLetGo = false;
  const context: EngineContext = {
    ...parts,
    registry: new Registry(parts.store.collection<ContainerRecord>("containers")),
    events,
    volumeHolds: new VolumeHolds(),
    locks: new KeyedLock(),
    hostFacts: await readHostFacts(),
    leftExits: new Map(),
    seccomp: new Map(),
    execRecords: parts.store.collection<ExecRecord>("execs"),
    isShuttingDown: () => isShuttingDown,
    hasLetGo: () => hasLetGo,
  };
  const toStart = await restoreContainers(context, parts.live);
  tellOfCluster(events, parts.membership);
  tellOfIngress(context);
  return {
    system: systemOperations(context),
    containers: containerOperations(context),
    execs: execOperations(context),
    networks: networkOperations(context),
    services: serviceOperations(context),
    images: imageOperations(context),
    volumes: volumeOperations(context),
    cluster: clusterOperations({
      membership: context.membership,
      locks: context.locks,
      users: () => globalNetworkUsers(context),
      warnings: () => closedPortWarnings(context),
      stop: (container) => stopIfRunning(context, container),
    }),
    plugins: pluginOperations(context),
    events,
    imageUsers: (imageId) =>
      context.registry
        .all()
        .filter(({ record }) => record.imageId === imageId)
        .map((container) => ({ containerId: container.id, isRunning: container.isRunning })),
    endpointLost: (loss) => replaceEndpoint(context, loss),
    startRestored: () => startRestored(context, toStart),
    async shutdown() {
      isShuttingDown = true;
      await stopAll(context);
    },
    isAnyRunning: () => context.registry.all().some(({ isRunning }) => isRunning),
    async letGo() {
      isShuttingDown = true;
      await letGoOfAll(context, () => {
        hasLetGo = true;
      });
    },
  };
}
