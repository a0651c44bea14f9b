// The one place that builds things: parts from the bottom up, each with its undo; stopping is the same stack unwound.

import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addon } from "../../native/index.ts";
import { createApi } from "../api/index.ts";
import type { LiveEngine } from "../engine/index.ts";
import { ManagedPlugins } from "../managed-plugins/index.ts";
import type { Containerd, Runtime, StreamHolder } from "../runtime/index.ts";
import { openStore } from "../store/index.ts";
import type { Log } from "../util/log.ts";
import { Undo } from "../util/undo.ts";
import { buildEngine, runtimeOn } from "./build-engine.ts";
import { claimNetns } from "./claim-netns.ts";
import { ClusterSide } from "./cluster/index.ts";
import type { Config } from "./config.ts";
import { holdContainerd } from "./containerd.ts";
import { type Failpoints, openFailpoints } from "./failpoints.ts";
import { guardContainerd, guardStore } from "./guarded.ts";
import { createLeaving, endContainers, findLive, type Leaving } from "./leaving.ts";
import { beginPlugins } from "./managed-plugins.ts";
import { buildNetwork, type NetworkSide, type NetworkSurroundings } from "./network.ts";
import { claimPidFile } from "./pid-file.ts";
import { onHangup } from "./signals.ts";
import { version } from "./version.ts";

export interface Daemon {
  /**
   * Stops containers in order and leaves the kernel as it was found. With `live-restore`, while a container runs, both
   * stay as they are.
   */
  stop(): Promise<void>;
}

/** Builds everything and serves the API. What fails on the way is undone, or left as it was where containers live. */
export async function startDaemon(config: Config, log: Log): Promise<Daemon> {
  await using undo = new Undo(log);
  const removePidFile = await claimPidFile(config.pidFile);
  undo.defer("remove PID file", removePidFile);
  undo.defer("let go of the network namespace", await claimNetns());
  await Promise.all(
    [config.dataRoot, config.execRoot].map((path) => mkdir(path, { recursive: true, mode: 0o711 })),
  );
  addon().setOpenFileLimit(addon().openFileLimit().hard);

  const failpoints = openFailpoints(process.env.TSDOCKER_FAILPOINTS);
  const store = guardStore(failpoints, openStore(join(config.dataRoot, "state.mdb")));
  undo.defer("close store", () => store.close());
  const hostId = await readDaemonId(config.dataRoot);
  const { liveRestore } = config;
  const leaving = createLeaving(liveRestore);
  const proxy = Promise.withResolvers<StreamHolder>();
  const holding = holdRuntime(config, { failpoints, leaving, holder: proxy.promise, log, undo });
  const live = holding.then(({ live }) => live);
  live.catch(() => undefined); // whoever waits for both hears of it
  const { dataRoot, execRoot } = config;
  const managed = new ManagedPlugins({ store, dataRoot, execRoot, log: log.child({ part: "plugins" }) });
  const [{ containerd, runtime }, { network, cluster }] = await both(
    holding.then((held) => beginPlugins(managed, config, { ...held, leaving, log, undo }).then(() => held)),
    buildConnected(config, { store, hostId, failpoints, live, managed, leaving, log, undo }),
  );
  proxy.resolve(network.proxy);
  const engine = await buildEngine(config, {
    store,
    network,
    membership: cluster,
    containerd,
    runtime,
    managed,
    live: await live,
    daemonId: hostId,
    log,
  });
  undo.defer("end containers", () => endContainers(engine, { liveRestore, leaving }));

  // iptables-legacy tells nobody of a flush
  undo.defer(
    "hear SIGHUP no more",
    onHangup(log, "the firewall", () => network.firewall.resync()),
  );
  await serveApi(config, { engine, log, undo });
  await engine.startRestored();
  log.info({ version }, "daemon has completed initialization");
  const owned = undo.move();
  return { stop: () => owned.dispose() };
}

/** The network with the cluster that it is part of, if it is. */
async function buildConnected(
  config: Config,
  surroundings: Omit<NetworkSurroundings, "cluster">,
): Promise<{ network: NetworkSide; cluster: ClusterSide }> {
  const { store, leaving, log, undo } = surroundings;
  const cluster = await ClusterSide.open(config.cluster, { dataRoot: config.dataRoot, store, version, log });
  undo.defer("let go of the cluster", () => cluster.close({ keeps: leaving.keeps }));
  const network = await buildNetwork(config, { ...surroundings, cluster: () => cluster.access });
  await cluster.use(network.clusterUser);
  return { network, cluster };
}

/** containerd with what runs in it already; without `live-restore` nothing counts as running. */
async function holdRuntime(
  config: Config,
  { failpoints, leaving, holder, log, undo }: Holding,
): Promise<{ containerd: Containerd; runtime: Runtime; live: ReadonlyMap<string, number> }> {
  const hold = await holdContainerd(config, log);
  undo.defer("let go of containerd", () => hold.close({ stays: leaving.keeps }));
  const containerd = guardContainerd(failpoints, hold.containerd);
  const runtime = runtimeOn(containerd, config, { holder: config.liveRestore ? later(holder) : undefined });
  await runtime.wakeShims();
  const live = config.liveRestore ? await findLive(runtime) : new Map<string, number>();
  leaving.keeps = live.size > 0;
  return { containerd, runtime, live };
}

interface Holding {
  readonly failpoints: Failpoints;
  readonly leaving: Leaving;
  /** Is there before a container is. */
  readonly holder: Promise<StreamHolder>;
  readonly log: Log;
  readonly undo: Undo;
}

function later(holder: Promise<StreamHolder>): StreamHolder {
  return {
    holdStreams: async (id, paths) => await (await holder).holdStreams(id, paths),
    retainStreams: async (ids) => await (await holder).retainStreams(ids),
  };
}

async function serveApi(
  config: Config,
  { engine, log, undo }: { readonly engine: LiveEngine; readonly log: Log; readonly undo: Undo },
): Promise<void> {
  const api = await createApi({ engine, log: log.child({ part: "api" }), serverVersion: version });
  undo.defer("close API", () => api.close());
  for (const host of config.hosts) {
    await api.listen(host, { group: config.group, tls: config.tls });
    log.info({ address: host.kind === "unix" ? host.path : `${host.host}:${host.port}` }, "API listens");
  }
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
