// This driver's part in a cluster: the tables, and this host's endpoints in them.

import type { ClusterAccess, Host, OwnRecords } from "../../src/driverapi/index.ts";
import { errorMessage, unavailable } from "../../src/util/errors.ts";
import { openShared, type PublishedEndpoint, publishEndpoints, type SharedTables } from "./shared.ts";
import { Underlays } from "./underlays.ts";

/** Belongs to one membership: a host that joins another cluster has another one. */
export class Share {
  readonly cluster: ClusterAccess;
  /** Endpoints of this host, as the others are told of them. */
  readonly published: OwnRecords<PublishedEndpoint>;
  /** What hosts' links carry. */
  readonly underlays: Underlays;
  /** Resolves when the store has been reached once; not before, while it is away. */
  readonly tables: Promise<SharedTables>;

  #opened: SharedTables | undefined;

  constructor(cluster: ClusterAccess, { log }: Pick<Host, "log">) {
    this.cluster = cluster;
    this.published = publishEndpoints(cluster);
    this.underlays = new Underlays(cluster, log);
    this.tables = openShared(cluster);
    this.tables.then(
      (tables) => {
        this.#opened = tables;
      },
      (error) => log.error({ reason: errorMessage(error) }, "cannot open the tables of overlay networks"),
    );
  }

  /** Undefined before the store has been reached once. */
  get opened(): SharedTables | undefined {
    return this.#opened;
  }

  /** @throws unavailable while the store is away and nothing of it is known */
  async known(): Promise<SharedTables> {
    const aMoment = new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)));
    if (this.cluster.state === "connected") return await this.tables;
    const tables = await Promise.race([this.tables, aMoment]);
    if (!tables) throw unavailable("overlay networks: the cluster's store is away");
    return tables;
  }

  close(): void {
    this.published.close();
    this.underlays.close();
  }
}
