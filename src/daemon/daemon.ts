// The one place that builds things: parts from the bottom up, each with its undo; stopping is the same stack unwound.

import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { addon } from "../../native/index.ts";
import { createApi } from "../api/index.ts";
import { createEngine, Events, type LiveEngine } from "../engine/index.ts";
import { openImages } from "../image/index.ts";
import { parsePrefix } from "../netip/index.ts";
import { createRuntime } from "../runtime/index.ts";
import { openStore } from "../store/index.ts";
import type { Log } from "../util/log.ts";
import { Undo } from "../util/undo.ts";
import { Volumes } from "../volume/index.ts";
import type { Config } from "./config.ts";
import { holdContainerd } from "./containerd.ts";
import { buildNetwork, type NetworkSide } from "./network.ts";
import { claimPidFile } from "./pid-file.ts";
import { rootfsAccess } from "./rootfs.ts";
import { readRuncVersion } from "./runc.ts";
import { version } from "./version.ts";

// MNT_DETACH of umount2(2)
const detach = 2;

export interface Daemon {
  /** Stops containers in order and leaves the kernel as it was found. */
  stop(): Promise<void>;
}

export async function startDaemon(config: Config, log: Log): Promise<Daemon> {
  await using undo = new Undo(log);
  const removePidFile = await claimPidFile(config.pidFile);
  undo.defer("remove PID file", removePidFile);
  await Promise.all(
    [config.dataRoot, config.execRoot].map((path) => mkdir(path, { recursive: true, mode: 0o711 })),
  );
  addon().setOpenFileLimit(addon().openFileLimit().hard);

  const store = openStore(join(config.dataRoot, "state.mdb"));
  undo.defer("close store", () => store.close());
  const hostId = await readDaemonId(config.dataRoot);
  const [hold, network] = await both(
    holdContainerd(config, log).then((made) => {
      undo.defer("let go of containerd", () => made.close());
      return made;
    }),
    buildNetwork(config, { store, hostId, log, undo }),
  );
  const { containerd } = hold;

  const events = new Events();
  const users: { engine?: LiveEngine } = {};
  const images = await openImages({
    containerd,
    log: log.child({ part: "image" }),
    insecureRegistries: config.images.insecureRegistries,
    registryMirrors: config.images.registryMirrors,
    maxConcurrentDownloads: config.images.maxConcurrentDownloads,
    userAgent: `tsdocker/${version}`,
    usersOf: (imageId) => users.engine?.imageUsers(imageId) ?? [],
    onEvent: ({ action, id, name }) => events.publish("image", action, id, { name }),
  });
  const engine = await createEngine({
    settings: engineSettings(config, { network, daemonId: hostId }),
    store,
    controller: network.controller,
    containerd,
    runtime: createRuntime(containerd, {
      runcRoot: join(config.execRoot, "runtime-runc"),
      streamsRoot: join(config.execRoot, "streams"),
      makeFifo: (path, mode) => addon().makeFifo(path, mode),
      unmount: (path) => addon().unmount(path, detach),
    }),
    images,
    volumes: new Volumes(store, config.dataRoot),
    rootfs: rootfsAccess(config.execRoot),
    log: log.child({ part: "engine" }),
    runcVersion: await readRuncVersion(),
    events,
  });
  users.engine = engine;
  undo.defer("stop containers", () => engine.shutdown());

  const api = await createApi({ engine, log: log.child({ part: "api" }), serverVersion: version });
  undo.defer("close API", () => api.close());
  for (const host of config.hosts) {
    await api.listen(host, { group: config.group, tls: config.tls });
    log.info({ address: host.kind === "unix" ? host.path : `${host.host}:${host.port}` }, "API listens");
  }
  await engine.startRestored();
  log.info({ version }, "daemon has completed initialization");
  const owned = undo.move();
  return { stop: () => owned.dispose() };
}

/** Waits for both even when one fails, so that all that was made is on the undo stack. */
async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}

/** An identity that survives restarts and is not the host's name. */
async function readDaemonId(dataRoot: string): Promise<string> {
  const path = join(dataRoot, "engine-id");
  const known = (await readFile(path, "utf8").catch(() => "")).trim();
  if (known !== "") return known;
  const id = randomUUID();
  await writeFile(path, `${id}\n`);
  return id;
}

function engineSettings(config: Config, { network, daemonId }: { network: NetworkSide; daemonId: string }) {
  const { containers, images, network: net } = config;
  return {
    version,
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    hostname: hostname(),
    labels: config.labels,
    debug: config.debug,
    shutdownTimeoutS: config.shutdownTimeoutS,
    shmSizeBytes: containers.shmSize,
    log: { driver: containers.logDriver, options: containers.logOptions },
    seccompProfile: containers.seccompProfile,
    dns: { servers: net.dns, search: net.dnsSearch, options: net.dnsOptions },
    insecureRegistries: images.insecureRegistries,
    insecureNetworks: images.insecureRegistries.flatMap((text) => parsePrefix(text) ?? []),
    registryMirrors: images.registryMirrors,
    addressPools: net.addressPools,
    firewallDriver: network.firewall.backend,
    daemonId,
  };
}
