// What the cluster's hosts do for those that do not come back, and for what was begun and never finished: after the grace
// time it goes off the record, by whichever host comes first.

import { hostsOnRecord, recordsOfHost } from "../../../drivers/ipam-cluster/index.ts";
import { openShared } from "../../../drivers/overlay/shared.ts";
import {
  type Cluster,
  type ClusterAccess,
  GoneNodes,
  type NodeRecord,
  removeRecords,
} from "../../cluster/index.ts";
import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { Undo } from "../../util/undo.ts";

export interface UpkeepOptions {
  readonly graceMs: () => number;
  /** Address pools that belong to no network and whose makers are gone. */
  readonly sweepPools: () => Promise<void>;
  readonly log: Log;
}

/** Records that name hosts. Those of endpoints, names and services are seen to by who writes them, when a host goes. */
export interface HostRecords {
  readonly of: (nodeId: string) => Iterable<NodeRecord>;
  readonly hosts: () => Iterable<string>;
}

const longestPauseMs = 60_000;

/** Begins; what is answered ends it. */
export async function keepUp(cluster: Cluster, options: UpkeepOptions): Promise<() => Promise<void>> {
  const { graceMs, log } = options;
  await using undo = new Undo(log);
  const records = await hostRecords(cluster);
  const gone = await GoneNodes.watch(cluster, {
    graceMs,
    recordsOf: records.of,
    hostsOnRecord: records.hosts,
    log,
  });
  undo.defer("watch hosts no longer", () => gone.close());
  const unfinished = await Unfinished.watch(cluster, options);
  undo.defer("watch what was begun no longer", () => unfinished.close());
  const owned = undo.move();
  return () => owned.dispose();
}

/** The host leaves: what the others have on record of it goes with it. @throws unavailable */
export async function forgetOwn(cluster: Cluster): Promise<void> {
  const records = await hostRecords(cluster);
  await removeRecords(cluster, [...records.of(cluster.self.id)]);
}

/** What is on record of hosts now, whenever it is asked. */
export async function hostRecords(cluster: ClusterAccess): Promise<HostRecords> {
  const tables = [
    await cluster.table<unknown>("network-users"),
    await cluster.table<unknown>("closed-ports"),
  ];
  const addressesOf = await recordsOfHost(cluster);
  const addressHosts = await hostsOnRecord(cluster);
  // after the network's id
  const hostOf = (key: string) => key.split("/")[1] ?? "";
  return {
    *of(nodeId) {
      for (const table of tables)
        for (const entry of table.entries()) if (hostOf(entry.key) === nodeId) yield { table, entry };
      yield* addressesOf(nodeId);
    },
    *hosts() {
      for (const table of tables) for (const { key } of table.entries()) yield hostOf(key);
      yield* addressHosts();
    },
  };
}

interface UnfinishedParts {
  readonly isNetwork: (networkId: string) => boolean;
  readonly claims: Awaited<ReturnType<typeof openShared>>;
}

type UnfinishedOptions = UpkeepOptions & {
  /** Milliseconds of a clock that never jumps. */
  readonly now?: () => number;
};

/** VNIs and address pools that were claimed for networks which never came to be. Owns a timer. */
export class Unfinished {
  readonly #cluster: Cluster;
  readonly #options: UpkeepOptions;
  readonly #now: () => number;
  readonly #isNetwork: (networkId: string) => boolean;
  readonly #claims: UnfinishedParts["claims"];
  /** By network: since when its VNIs are seen without it. */
  readonly #since = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #lookedMs: number;
  #isLooking = false;

  private constructor(cluster: Cluster, options: UnfinishedOptions, parts: UnfinishedParts) {
    this.#cluster = cluster;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#isNetwork = parts.isNetwork;
    this.#claims = parts.claims;
    this.#lookedMs = this.#now();
  }

  static async watch(cluster: Cluster, options: UnfinishedOptions): Promise<Unfinished> {
    const networks = await cluster.table<unknown>("networks");
    const isNetwork = (id: string) => networks.get(id) !== undefined;
    const unfinished = new Unfinished(cluster, options, { isNetwork, claims: await openShared(cluster) });
    unfinished.#timer = setInterval(() => void unfinished.#lookAlone(), unfinished.#pauseMs).unref();
    return unfinished;
  }

  /** Takes away what has been without its network for the whole grace time. @throws unavailable */
  async look(): Promise<void> {
    const isJudge = this.#cluster.state === "connected";
    // a process that stood still does not know what happened meanwhile
    const stoodStill = this.#now() - this.#lookedMs > this.#options.graceMs();
    this.#lookedMs = this.#now();
    if (!isJudge || stoodStill) this.#since.clear();
    if (!isJudge) return;
    const { networks } = this.#claims;
    for (const id of this.#since.keys()) if (this.#isNetwork(id) || !networks.get(id)) this.#since.delete(id);
    for (const { key } of networks.entries())
      if (!this.#isNetwork(key) && !this.#since.has(key)) this.#since.set(key, this.#now());
    const due = this.#now() - this.#options.graceMs();
    for (const [id, since] of [...this.#since]) if (since <= due) await this.#release(id);
    await this.#options.sweepPools();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  get #pauseMs(): number {
    return Math.min(Math.max(this.#options.graceMs() / 10, 100), longestPauseMs);
  }

  async #lookAlone(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.look();
    } catch (error) {
      this.#options.log.debug({ reason: errorMessage(error) }, "cannot sweep what was begun");
    } finally {
      this.#isLooking = false;
    }
  }

  async #release(networkId: string): Promise<void> {
    const { networks, vnis } = this.#claims;
    const claim = networks.get(networkId);
    if (!claim) return;
    const owned = claim.value.vnis.flatMap((vni) => vnis.get(String(vni)) ?? []);
    await this.#cluster.commit((transaction) => {
      transaction.remove(networks, claim);
      for (const entry of owned) if (entry.value.networkId === networkId) transaction.remove(vnis, entry);
    });
    this.#options.log.info(
      { network: networkId, vnis: claim.value.vnis },
      "released VNIs of a network that never came to be",
    );
  }
}
