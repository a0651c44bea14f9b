// This host's part in one cluster, while it lasts: the line to the store, its duties, and what stands on them.

import {
  type CloseOptions,
  type Cluster,
  type ConnectOptions,
  connectCluster,
  type StoreCluster,
} from "../../cluster/index.ts";
import type { HostMembership } from "../../cluster/join/host-membership.ts";
import { type Heard, leaveCluster } from "../../cluster/join/leaving.ts";
import { Serving } from "../../cluster/join/serving.ts";
import type { ClusterView } from "../../engine/types.ts";
import { errorMessage, unavailable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { Undo } from "../../util/undo.ts";
import type { ClusterUser, EndOfUse } from "./users.ts";
import { viewCluster } from "./view.ts";

export interface PartOptions {
  readonly connect: Omit<ConnectOptions, keyof StoreAccess>;
  /** Undefined: this host has lost what it needs to ask the store. */
  readonly access: StoreAccess | undefined;
  readonly kind: ClusterView["store"]["kind"];
  /** Where the store is, for people. */
  readonly address: () => string;
  /** Undefined where the operator runs the store. */
  readonly host: HostMembership | undefined;
  /** Asked once, before anything stands on the cluster. */
  readonly prepare?: (cluster: Cluster) => Promise<void>;
  /** What stands on a cluster, once it is built. */
  readonly user: () => ClusterUser | undefined;
  /** The view may be another one now. */
  readonly changed: () => void;
  readonly log: Log;
}

/** Where the store is, and with what it is asked. */
export type StoreAccess = Pick<ConnectOptions, "endpoints" | "tls" | "auth">;

const retryMs = 2_000;

/** Owns the connection. */
export class ClusterPart {
  readonly #options: PartOptions;
  readonly #closing = new AbortController();
  readonly #ends: Undo;
  #cluster: StoreCluster | undefined;
  #serving: Serving | undefined;
  #trouble: string | undefined;
  #access: StoreAccess | undefined;
  #isUsed = false;
  #end: EndOfUse | undefined;
  #connecting: Promise<void> = Promise.resolve();

  constructor(options: PartOptions) {
    this.#options = options;
    this.#access = options.access;
    this.#ends = new Undo(options.log);
  }

  get cluster(): Cluster | undefined {
    return this.#cluster;
  }

  get serving(): Serving | undefined {
    return this.#serving;
  }

  get kind(): ClusterView["store"]["kind"] {
    return this.#options.kind;
  }

  view(): ClusterView {
    const { connect, kind, address, host } = this.#options;
    const user = this.#options.user();
    const admissions = this.#serving?.tables.admissions;
    return viewCluster({
      id: connect.id,
      self: connect.self,
      store: { kind, address: address() },
      cluster: this.#cluster,
      admissions: admissions && new Map([...admissions.entries()].map(({ key, value }) => [key, value])),
      trouble: host?.trouble ?? (this.#cluster ? undefined : this.#trouble),
      peers: user?.peers() ?? [],
      warnings: user?.warnings() ?? [],
    });
  }

  /** @throws unavailable, conflict, …: nothing is left of the attempt then */
  async connect(): Promise<void> {
    try {
      if (!this.#access) throw unavailable("this host has lost its certificate of the cluster");
      const cluster = await connectCluster({ ...this.#options.connect, ...this.#access });
      await this.#begin(cluster).catch(async (error) => {
        await this.#endUse({ leave: false });
        this.#isUsed = false;
        await this.#ends.dispose();
        await cluster.close();
        throw error;
      });
      this.#trouble = undefined;
    } catch (error) {
      this.#trouble = errorMessage(error);
      throw error;
    } finally {
      this.#options.changed();
    }
  }

  /** Begins what stands on the cluster, if both are there. */
  async use(): Promise<void> {
    const [user, cluster] = [this.#options.user(), this.#cluster];
    if (!user || !cluster || this.#isUsed) return;
    this.#isUsed = true;
    this.#end = await user.begin(cluster);
  }

  /** Tries for as long as the part lasts. Resolves with the first success, or after `patienceMs`. */
  async keepConnecting(patienceMs: number): Promise<void> {
    this.#connecting = this.#tryAndTry();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([this.#connecting, late]);
    clearTimeout(timer);
  }

  /** Other members, or another certificate of this host. */
  reconnect(access: StoreAccess): void {
    this.#access = access;
    this.#cluster?.use(access);
  }

  /** Goes for good. @throws as `leaveCluster`; the part goes on then */
  async leave(options: { readonly force: boolean }): Promise<void> {
    const { host } = this.#options;
    const cluster = this.#cluster;
    const disconnect = ({ isHeard }: Heard) => this.#close({ leave: true, isSilent: !isHeard });
    if (!host) return await disconnect({ isHeard: true });
    const farewell: Cluster["leave"] = async (change) => await cluster?.leave(change);
    const serving = this.#serving;
    const endUse = ({ isHeard }: Heard) => this.#endUse({ leave: true, isSilent: !isHeard });
    await leaveCluster({ membership: host, serving, farewell, endUse, disconnect }, options);
  }

  /** The daemon ends; the host stays what it is. `keepLease`: it is not to be taken for dead meanwhile. */
  async close({ keepLease = false }: { readonly keepLease?: boolean } = {}): Promise<void> {
    await this.#close({ leave: false, keepLease });
  }

  async #close(options: CloseOptions): Promise<void> {
    this.#closing.abort();
    await this.#connecting;
    const cluster = this.#cluster;
    await this.#endUse(options);
    await this.#ends.dispose();
    await cluster?.close(options);
  }

  async #endUse(options: Parameters<EndOfUse>[0]): Promise<void> {
    const end = this.#end;
    this.#end = undefined;
    await end?.(options);
  }

  async #begin(cluster: StoreCluster): Promise<void> {
    const { host, changed } = this.#options;
    this.#cluster = cluster;
    this.#ends.defer("forget the cluster", () => {
      this.#cluster = undefined;
    });
    this.#ends.defer("follow hosts no longer", cluster.followLife(changed));
    this.#ends.defer("follow hosts no longer", cluster.nodes.follow(changed));
    if (host) await this.#serve(host, cluster);
    await this.#options.prepare?.(cluster);
    await this.use();
  }

  async #serve(host: HostMembership, cluster: StoreCluster): Promise<void> {
    const serving = await Serving.start({ membership: host, access: cluster });
    this.#serving = serving;
    this.#ends.defer("end the host's duties", async () => {
      this.#serving = undefined;
      await serving.close();
    });
    this.#ends.defer("follow admissions no longer", serving.tables.admissions.follow(this.#options.changed));
  }

  async #tryAndTry(): Promise<void> {
    const { log, connect } = this.#options;
    while (!this.#closing.signal.aborted && !this.#cluster) {
      const before = this.#trouble;
      try {
        await this.connect();
      } catch (error) {
        const reason = errorMessage(error);
        if (reason !== before) log.warn({ cluster: connect.id, reason }, "the cluster's store is away");
        await this.#pause();
      }
    }
  }

  async #pause(): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, retryMs);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
