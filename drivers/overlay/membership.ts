// This host's membership in a cluster, which may begin, end and be another while the daemon runs.

import type { ClusterAccess, Host } from "../../src/driverapi/index.ts";
import { forbidden } from "../../src/util/errors.ts";
import { Share } from "./share.ts";
import type { SharedTables } from "./shared.ts";

/** Owns the driver's share of it. */
export class Membership {
  readonly #host: Pick<Host, "cluster" | "log">;
  #shared: Share | undefined;

  constructor(host: Pick<Host, "cluster" | "log">) {
    this.#host = host;
  }

  /** Undefined before anything was asked of the cluster. */
  get current(): Share | undefined {
    return this.#shared;
  }

  /** @throws forbidden without a cluster */
  need(): ClusterAccess {
    const { cluster } = this.#host;
    if (cluster) return cluster;
    throw forbidden(
      "overlay networks need a cluster, and this host is in none: see tsdocker cluster init and --cluster-store",
    );
  }

  share(cluster: ClusterAccess): Share {
    if (this.#shared?.cluster === cluster) return this.#shared;
    this.#shared?.close();
    this.#shared = new Share(cluster, this.#host);
    return this.#shared;
  }

  /** @throws forbidden without a cluster; unavailable while its store is away and nothing of it is known */
  async reach(): Promise<{ readonly cluster: ClusterAccess; readonly tables: SharedTables }> {
    const cluster = this.need();
    return { cluster, tables: await this.share(cluster).known() };
  }
}
