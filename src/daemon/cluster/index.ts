// The daemon's hand on clusters: goes on with the one that this host was in, forms, joins and leaves them while it runs.
// A store that is away never keeps a daemon from starting, nor its local networks from working.

import { join } from "node:path";
import type { Cluster } from "../../cluster/index.ts";
import { HostMembership } from "../../cluster/join/host-membership.ts";
import type { ClusterIdentity } from "../../cluster/join/identity.ts";
import { removeHost } from "../../cluster/join/leaving.ts";
import type { Serving } from "../../cluster/join/serving.ts";
import { clusterStatus } from "../../cluster/join/status.ts";
import type { Membership, NetworkChange } from "../../engine/membership.ts";
import type {
  ClusterFounding,
  ClusterHealth,
  ClusterInvitation,
  ClusterJoining,
  ClusterRole,
  ClusterToken,
  ClusterTokenRequest,
  ClusterView,
} from "../../engine/types.ts";
import type { Collection } from "../../store/index.ts";
import { conflict, errorMessage, unavailable } from "../../util/errors.ts";
import { Undo } from "../../util/undo.ts";
import type { ClusterConfig } from "../cluster-config.ts";
import { type Anchor, Anchors, type ClusterSurroundings, type KeptPlace } from "./anchors.ts";
import { nodeName, storeAccess } from "./host.ts";
import { ClusterPart } from "./part.ts";
import { settle } from "./settings.ts";
import { invite, listTokens } from "./tokens.ts";
import type { ClusterUser } from "./users.ts";

/** How long a start waits for the store at most: a daemon without it serves its local networks. */
const patienceMs = 500;
interface Entering {
  readonly dataPort: number | undefined;
  /** Before anything stands on the cluster. */
  readonly prepare?: (cluster: Cluster) => Promise<void>;
  readonly undo: Undo;
}

/** Owns this host's membership. */
export class ClusterSide implements Membership {
  readonly #config: ClusterConfig;
  readonly #around: ClusterSurroundings;
  readonly #host: HostMembership;
  readonly #places: Collection<KeptPlace>;
  readonly #anchors: Anchors;
  readonly #listeners = new Set<() => void>();
  readonly #networkListeners = new Set<(change: NetworkChange) => void>();
  #part: ClusterPart | undefined;
  #user: ClusterUser | undefined;

  private constructor(config: ClusterConfig, around: ClusterSurroundings, host: HostMembership) {
    this.#config = config;
    this.#around = around;
    this.#host = host;
    this.#places = around.store.collection("cluster-place");
    this.#anchors = new Anchors({ config, around, host, places: this.#places });
    host.follow(({ kind }) => {
      const access = kind === "connection" ? storeAccess(host) : undefined;
      if (access) this.#part?.reconnect(access);
      this.#changed();
    });
  }

  /**
   * Reads who this host is and goes on with its cluster; waits for the store only a moment.
   * @throws invalid for an advertised address that is not this host's; conflict between a cluster joined and
   * `--cluster-store`
   */
  static async open(config: ClusterConfig, around: ClusterSurroundings): Promise<ClusterSide> {
    const { dataRoot, log } = around;
    const host = await HostMembership.open({ folder: join(dataRoot, "cluster"), name: nodeName(), log });
    const side = new ClusterSide(config, around, host);
    try {
      await side.#resume();
      return side;
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  /** What hosts share, while this one is in a cluster that has answered. */
  get access(): Cluster | undefined {
    return this.#part?.cluster;
  }

  /** What stands on clusters from now on, this one and others. */
  async use(user: ClusterUser): Promise<void> {
    this.#user = user;
    user.followPeers(() => this.#changed());
    user.followNetworks((change) => {
      for (const listener of [...this.#networkListeners]) listener(change);
    });
    await this.#part?.use();
  }

  view(): ClusterView | undefined {
    return this.#part?.view();
  }

  follow(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  followNetworks(listener: (change: NetworkChange) => void): () => void {
    const own = (change: NetworkChange) => listener(change);
    this.#networkListeners.add(own);
    return () => void this.#networkListeners.delete(own);
  }

  async health(): Promise<ClusterHealth | undefined> {
    const serving = this.#part?.serving;
    const [status] = await Promise.all([serving && clusterStatus(serving), this.#user?.tryPaths()]);
    return status;
  }

  async found(founding: ClusterFounding): Promise<void> {
    await using undo = new Undo(this.#around.log);
    const identity = await this.#host.init(await this.#anchors.place(founding));
    undo.defer("forget the cluster", () => this.#host.forget());
    const { subnetPools } = founding;
    const prepare = (cluster: Cluster) => settle(cluster, { subnetPools, graceMs: this.#anchors.graceMs });
    await this.#enter(identity, { dataPort: founding.dataPort, prepare, undo });
    undo.forget();
  }

  async join(joining: ClusterJoining): Promise<ClusterRole> {
    const { token, remotes, wish } = joining;
    await using undo = new Undo(this.#around.log);
    const identity = await this.#host.join({ ...(await this.#anchors.place(joining)), token, remotes, wish });
    undo.defer("forget the cluster", () => this.#host.forget());
    await this.#enter(identity, { dataPort: joining.dataPort, undo });
    undo.forget();
    return identity.role;
  }

  async leave(options: { readonly force: boolean }): Promise<void> {
    const part = this.#part;
    if (!part) return;
    const { id = "" } = this.#host.cluster ?? {};
    await part.leave(options);
    this.#part = undefined;
    await this.#places.delete(id);
    this.#changed();
  }

  async removeNode(id: string): Promise<void> {
    const { part, cluster } = this.#inCluster();
    if (part.serving) await removeHost(part.serving, id, { force: true });
    else await cluster.nodes.delete(id);
  }

  tokens(): readonly ClusterToken[] {
    return listTokens(this.#serving());
  }

  async createToken(request: Omit<ClusterTokenRequest, "rotate">): Promise<ClusterInvitation> {
    return await invite(this.#serving(), this.#host, request);
  }

  async removeToken(id: string): Promise<void> {
    await this.#serving().tokens.remove(id);
  }

  /** The daemon ends. `keeps`: containers go on, and with them the store and this host's sign of life. */
  async close({ keeps }: { readonly keeps: boolean }): Promise<void> {
    await this.#part?.close({ keepLease: keeps });
    await this.#host.close({ keepEtcd: keeps });
  }

  async #resume(): Promise<void> {
    const { store } = this.#config;
    const { cluster } = this.#host;
    if (store && cluster)
      throw conflict(
        `--cluster-store: this host belongs to the cluster ${cluster.id}; start the daemon without the flag, and ` +
          'leave that one first ("tsdocker cluster leave")',
      );
    const options = store ? await this.#anchors.external(store) : cluster && this.#anchors.own(cluster);
    if (!options) return;
    const part = this.#newPart(options);
    this.#part = part;
    await part.keepConnecting(patienceMs);
  }

  /** That the store has answered once: the next start waits for what is known of it. */
  #remember({ connect: { id, self } }: Anchor): void {
    if (!this.#part?.cluster || this.#places.get(id)) return;
    this.#places.put(id, { dataPort: self.dataPort }).catch((error) => {
      this.#around.log.warn({ reason: errorMessage(error) }, "cannot keep how this host takes part");
    });
  }

  async #enter(identity: ClusterIdentity, { dataPort, prepare, undo }: Entering): Promise<void> {
    await this.#places.put(identity.id, { dataPort: dataPort ?? this.#anchors.dataPort });
    undo.defer("forget the data port", () => this.#places.delete(identity.id));
    const part = this.#newPart({ ...this.#anchors.own(identity), ...(prepare && { prepare }) });
    // drivers ask for it while what stands on the cluster begins
    this.#part = part;
    undo.defer("forget the part", () => {
      this.#part = undefined;
      this.#changed();
    });
    await part.connect();
    undo.defer("leave the store", () => part.close());
    this.#changed();
  }

  #newPart(options: Anchor): ClusterPart {
    const { log } = this.#around;
    return new ClusterPart({
      ...options,
      user: () => this.#user,
      log,
      changed: () => {
        this.#remember(options);
        this.#changed();
      },
    });
  }

  #inCluster(): { readonly part: ClusterPart; readonly cluster: Cluster } {
    const part = this.#part;
    const cluster = part?.cluster;
    if (!part || !cluster) throw unavailable("the cluster's store has not answered yet");
    return { part, cluster };
  }

  #serving(): Serving {
    const { part } = this.#inCluster();
    if (part.serving) return part.serving;
    throw conflict(
      "a cluster of --cluster-store has no tokens: hosts join it by starting their daemon with the same flag",
    );
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
