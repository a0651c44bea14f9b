// Builds the engine side of the daemon: images, the runtime and the engine on them.

import { hostname } from "node:os";
import { join } from "node:path";
import { addon } from "../../native/index.ts";
import {
  createEngine,
  type EngineSettings,
  Events,
  type LiveEngine,
  type Membership,
} from "../engine/index.ts";
import { type Images, openImages } from "../image/index.ts";
import type { ManagedPlugins } from "../managed-plugins/index.ts";
import { parsePrefix } from "../netip/index.ts";
import { type Containerd, createRuntime, type Runtime, type StreamHolder } from "../runtime/index.ts";
import type { Store } from "../store/index.ts";
import type { Log } from "../util/log.ts";
import { Volumes } from "../volume/index.ts";
import type { Config } from "./config.ts";
import type { NetworkSide } from "./network.ts";
import { rootfsAccess } from "./rootfs.ts";
import { readRuncVersion } from "./runc.ts";
import { version } from "./version.ts";

// MNT_DETACH of umount2(2)
const detach = 2;

export interface EngineSurroundings {
  readonly store: Store;
  readonly network: NetworkSide;
  readonly membership: Membership;
  readonly containerd: Containerd;
  readonly runtime: Runtime;
  readonly managed: ManagedPlugins;
  /** Ids of containers that run already, with their PIDs. */
  readonly live: ReadonlyMap<string, number>;
  readonly daemonId: string;
  readonly log: Log;
}

/** Reads images and containers; nothing is started before `startRestored`. */
export async function buildEngine(
  config: Config,
  { store, network, membership, containerd, runtime, managed, live, daemonId, log }: EngineSurroundings,
): Promise<LiveEngine> {
  const events = new Events();
  // images tell of their users, whom only the engine knows: it is filled in below
  const late: { engine?: LiveEngine } = {};
  const usersOf = (imageId: string) => late.engine?.imageUsers(imageId) ?? [];
  const [images, runcVersion] = await Promise.all([
    openImageStore(config, { containerd, events, usersOf, log }),
    readRuncVersion(),
  ]);
  late.engine = await createEngine({
    settings: engineSettings(config, { network, daemonId }),
    store,
    controller: network.controller,
    ingress: network.ingress,
    membership,
    containerd,
    runtime,
    live,
    images,
    plugins: { managed, registry: { ...registryOptions(config), log: log.child({ part: "plugins" }) } },
    volumes: new Volumes(store, config.dataRoot),
    rootfs: rootfsAccess(config.execRoot),
    log: log.child({ part: "engine" }),
    runcVersion,
    events,
  });
  const { backend } = network.firewall;
  network.onFirewallRepaired(() => events.publish("network", "repair", "", { backend }));
  network.onEndpointLost((loss) => void late.engine?.endpointLost(loss));
  return late.engine;
}

function openImageStore(
  config: Config,
  parts: {
    readonly containerd: Containerd;
    readonly events: Events;
    readonly usersOf: LiveEngine["imageUsers"];
    readonly log: Log;
  },
): Promise<Images> {
  return openImages({
    containerd: parts.containerd,
    log: parts.log.child({ part: "image" }),
    ...registryOptions(config),
    maxConcurrentDownloads: config.images.maxConcurrentDownloads,
    usersOf: parts.usersOf,
    onEvent: ({ action, id, name }) => parts.events.publish("image", action, id, { name }),
  });
}

function registryOptions({ images: { insecureRegistries, registryMirrors } }: Config) {
  return { insecureRegistries, registryMirrors, userAgent: `tsdocker/${version}` };
}

/** The runtime on a containerd; with a `holder` streams of containers outlive the daemon. */
export function runtimeOn(
  containerd: Containerd,
  { execRoot }: Config,
  { holder, folder = "streams" }: { readonly holder?: StreamHolder | undefined; readonly folder?: string },
): Runtime {
  return createRuntime(containerd, {
    runcRoot: join(execRoot, "runtime-runc"),
    streamsRoot: join(execRoot, folder),
    makeFifo: (path, mode) => addon().makeFifo(path, mode),
    unmount: (path) => addon().unmount(path, detach),
    ...(holder && { holder }),
  });
}

function engineSettings(
  config: Config,
  { network, daemonId }: { network: NetworkSide; daemonId: string },
): EngineSettings {
  const { containers, images, network: net } = config;
  return {
    version,
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    hostname: hostname(),
    labels: config.labels,
    debug: config.debug,
    shutdownTimeoutS: config.shutdownTimeoutS,
    liveRestore: config.liveRestore,
    shmSizeBytes: containers.shmSize,
    log: { driver: containers.logDriver, options: containers.logOptions },
    seccompProfile: containers.seccompProfile,
    dns: { servers: net.dns, search: net.dnsSearch, options: net.dnsOptions },
    hostGateways: net.hostGateways,
    insecureRegistries: images.insecureRegistries,
    insecureNetworks: images.insecureRegistries.flatMap((text) => parsePrefix(text) ?? []),
    registryMirrors: images.registryMirrors,
    addressPools: net.addressPools,
    firewallDriver: network.firewall.backend,
    daemonId,
  };
}
