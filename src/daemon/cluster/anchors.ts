// What this host's part in a cluster begins with: who it is there, where the store is, and with what it is asked.

import { parseEndpoints } from "../../cluster/etcd/index.ts";
import type { Cluster, ClusterNode } from "../../cluster/index.ts";
import { type Advertised, resolveAdvertise } from "../../cluster/join/advertise.ts";
import type { HostMembership } from "../../cluster/join/host-membership.ts";
import type { ClusterIdentity } from "../../cluster/join/identity.ts";
import type { ClusterPlace } from "../../engine/types.ts";
import { parseAddress } from "../../netip/index.ts";
import type { Collection, Store } from "../../store/index.ts";
import { errorMessage, internal, wrapError } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { ClusterConfig, StoreConfig } from "../cluster-config.ts";
import { onlyUplink, storeAccess } from "./host.ts";
import type { PartOptions } from "./part.ts";
import { defaultGraceMs, openSettings, settle } from "./settings.ts";

export interface ClusterSurroundings {
  readonly dataRoot: string;
  readonly store: Store;
  readonly version: string;
  readonly log: Log;
}

/** What a part is in. */
export type Anchor = Pick<PartOptions, "connect" | "access" | "kind" | "address" | "host" | "prepare">;

/** How this host takes part in a cluster, by the cluster's id. */
export interface KeptPlace {
  readonly dataPort: number;
}

const firstConnectMs = 5_000;
const defaultDataPort = 4789;

export interface AnchorsParts {
  readonly config: ClusterConfig;
  readonly around: ClusterSurroundings;
  readonly host: HostMembership;
  readonly places: Collection<KeptPlace>;
}

/** Reads them off configuration and records. */
export class Anchors {
  readonly #config: ClusterConfig;
  readonly #around: ClusterSurroundings;
  readonly #host: HostMembership;
  readonly #places: Collection<KeptPlace>;

  constructor({ config, around, host, places }: AnchorsParts) {
    this.#config = config;
    this.#around = around;
    this.#host = host;
    this.#places = places;
  }

  /** Where nothing else was said when the host joined. */
  get dataPort(): number {
    return this.#config.dataPort ?? defaultDataPort;
  }

  /** In a cluster whose store the daemons run. @throws internal */
  own(identity: ClusterIdentity): Anchor {
    const address = parseAddress(identity.address);
    if (!address) throw internal(`this host is on record with ${identity.address}, which is no address`);
    const dataPort = this.#places.get(identity.id)?.dataPort ?? this.dataPort;
    const self = this.#self({ address, dataPort });
    return {
      connect: this.#connectOptions(identity.id, self),
      access: storeAccess(this.#host),
      kind: "own",
      address: () => this.#host.connection?.endpoints.join(",") ?? "",
      host: this.#host,
    };
  }

  /** In the cluster of `--cluster-store`. @throws invalid, by the flag */
  async external({ url, clusterId, ...store }: StoreConfig): Promise<Anchor> {
    const { address } = await this.#flagged();
    const self = this.#self({ address, dataPort: this.dataPort });
    return {
      prepare: (cluster) => this.#settleLate(cluster),
      connect: this.#connectOptions(clusterId, self),
      access: {
        endpoints: parseEndpoints(store.endpoints),
        ...(store.tls && { tls: store.tls }),
        ...(store.auth && { auth: store.auth }),
      },
      kind: "external",
      address: () => url,
      host: undefined,
    };
  }

  /** What this host settles when it forms a cluster. */
  get graceMs(): number {
    return this.#config.graceMs ?? defaultGraceMs;
  }

  /** In a cluster that nobody formed the first host settles what holds; a store that is away is asked next time. */
  async #settleLate(cluster: Cluster): Promise<void> {
    const { log } = this.#around;
    if (cluster.state === "connected")
      await settle(cluster, { subnetPools: [], graceMs: this.graceMs }).catch((error: unknown) =>
        log.debug({ reason: errorMessage(error) }, "cannot settle what holds for all hosts yet"),
      );
    const settings = await openSettings(cluster);
    const { graceMs } = settings();
    if (this.#config.graceMs !== undefined && this.#config.graceMs !== graceMs)
      log.warn(
        { seconds: graceMs / 1_000 },
        "--cluster-grace is not what the cluster was formed with, which holds",
      );
  }

  /** How the others reach this host, as its operator says. */
  async place({ advertise, listen }: ClusterPlace) {
    const own = await this.#advertise(advertise);
    return { ...(own !== undefined && { advertise: own }), ...(listen !== undefined && { listen }) };
  }

  /** @throws invalid, by the flag */
  async #flagged(): Promise<Advertised> {
    try {
      return resolveAdvertise(await this.#advertise());
    } catch (error) {
      throw wrapError(error, "--cluster-advertise");
    }
  }

  /** As given, else as the flag says, else the host's only address that is no network's of ours. */
  async #advertise(given = this.#config.advertise): Promise<string | undefined> {
    return given ?? (await onlyUplink());
  }

  #connectOptions(id: string, self: ClusterNode): PartOptions["connect"] {
    const { store, log } = this.#around;
    return { id, self, store, log: log.child({ part: "cluster" }), firstConnectMs };
  }

  #self(place: Pick<ClusterNode, "address" | "dataPort">): ClusterNode {
    return { id: this.#host.nodeId, name: this.#host.name, version: this.#around.version, ...place };
  }
}
