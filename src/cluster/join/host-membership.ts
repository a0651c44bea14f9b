// This host's own part in a cluster, kept on disk: which cluster, its keys, whether it is a member. What a host does while
// it is in touch with the others is in `serving.ts`, its etcd in `own-etcd.ts`.

import { conflict, errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { Undo } from "../../util/undo.ts";
import { checkPort } from "../member/etcd.ts";
import { clientUrl, type EtcdStart } from "../member/etcd-arguments.ts";
import type { StoreConnection } from "../member/etcd-members.ts";
import { HostKeys } from "./host-keys.ts";
import { exists, type PlaceOptions, placeOf, possibleWish } from "./host-place.ts";
import { type ClusterIdentity, type Identity, IdentityFile, newShortId } from "./identity.ts";
import { anyOf, ask } from "./join-client.ts";
import { type JoinOptions, joinCluster } from "./joining.ts";
import { Lookout } from "./lookout.ts";
import { OwnEtcd } from "./own-etcd.ts";
import { type LookAnswer, type PromoteAnswer, paths } from "./wire.ts";

export interface HostMembershipOptions {
  /** `<data root>/cluster`: identity, keys and etcd's data. */
  readonly folder: string;
  /** The hostname. */
  readonly name: string;
  readonly log: Log;
  /** The etcd program; `etcd` unless given. */
  readonly etcd?: string;
  readonly now?: () => Date;
}

export type InitOptions = PlaceOptions;

/** What changed on this host: its keys or the members' addresses (`connection`), or that it was removed. */
export type MembershipEvent =
  | { readonly kind: "connection" }
  | { readonly kind: "removed"; readonly message: string };

const startMs = 30_000;

/** Owns the files and the host's etcd. */
export class HostMembership {
  readonly nodeId: string;
  readonly name: string;
  readonly log: Log;
  readonly now: () => Date;
  readonly keys: HostKeys;
  readonly #options: HostMembershipOptions;
  readonly #file: IdentityFile;
  readonly #etcd: OwnEtcd;
  readonly #listeners = new Set<(event: MembershipEvent) => void>();
  #cluster: ClusterIdentity | undefined;
  #trouble: string | undefined;
  #isLeaving = false;
  #isInTouch: () => boolean = () => false;
  #lookout: Lookout | undefined;

  private constructor(options: HostMembershipOptions, file: IdentityFile, identity: Identity) {
    this.#options = options;
    this.#file = file;
    this.nodeId = identity.nodeId;
    this.name = options.name;
    this.log = options.log.child({ part: "cluster" });
    this.now = options.now ?? (() => new Date());
    this.keys = new HostKeys(options.folder, this.now);
    const { folder, etcd } = options;
    const removed = (message: string) => this.removed(message);
    this.#etcd = new OwnEtcd({ folder, log: this.log, removed, ...(etcd && { binary: etcd }) });
    this.#cluster = identity.cluster;
  }

  /**
   * Reads what this host is and goes on with it: a member's etcd is taken over or started. What is wrong with the
   * cluster's part is `trouble`, since local networks do not need it.
   * @throws internal when the identity file is damaged
   */
  static async open(options: HostMembershipOptions): Promise<HostMembership> {
    const file = new IdentityFile(options.folder);
    const membership = new HostMembership(options, file, await file.read());
    await membership.#resume();
    return membership;
  }

  /** The cluster this host belongs to. */
  get cluster(): ClusterIdentity | undefined {
    return this.#cluster;
  }

  /** Why this host's part does not work, in words. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** etcd's process id; 0 when none runs here. */
  get etcdPid(): number {
    return this.#etcd.pid;
  }

  /** For whoever talks to the store; undefined without a cluster. */
  get connection(): StoreConnection | undefined {
    const { credentials } = this.keys;
    if (!this.#cluster || !credentials) return undefined;
    const endpoints = this.#cluster.members.map(clientUrl);
    return { clusterId: this.#cluster.id, nodeId: this.nodeId, endpoints, credentials };
  }

  /** Tells of changes. Returns how to stop listening. */
  follow(listener: (event: MembershipEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Makes a cluster with this host as its first member, and waits until its store serves.
   * @throws conflict when the host is in a cluster or has an earlier one's data; invalid for the address; unavailable
   * when etcd is missing or a port is taken
   */
  async init(options: InitOptions = {}): Promise<ClusterIdentity> {
    await this.#checkFree("init the cluster");
    const { address, ports, listen } = placeOf(options);
    const heard = listen ?? { address, port: ports.join };
    await checkPort(heard.address, heard.port);
    const id = newShortId();
    await using undo = new Undo(this.log);
    undo.defer("forget the cluster", () => this.forget());
    await this.keys.found({ nodeId: this.nodeId, clusterId: id, role: "member", address });
    const cluster: ClusterIdentity = {
      ...{ id, role: "member", wish: "member", address, ports, ...(listen && { listen }) },
      members: [{ nodeId: this.nodeId, address, ports }],
      isFounding: true,
    };
    await this.#startEtcd(cluster, { kind: "new" });
    await this.untilHealthy(startMs);
    await this.remember(cluster);
    undo.forget();
    this.log.info({ cluster: id, address }, "a cluster was made");
    return cluster;
  }

  /**
   * Joins a cluster as a plain node; a seat as a member is offered later (`Serving`).
   * @throws conflict when the host is in a cluster; invalid for token or address; what the cluster says to it
   */
  async join(options: JoinOptions): Promise<ClusterIdentity> {
    await this.#checkFree("join the cluster");
    const { listen, ...place } = placeOf(options);
    const newcomer = { ...place, nodeId: this.nodeId, name: this.name, now: this.now() };
    const wish = await possibleWish(options.wish ?? "auto", this.#options.etcd ?? "etcd");
    const { cluster, credentials } = await joinCluster({ ...options, wish }, newcomer);
    await using undo = new Undo(this.log);
    undo.defer("forget the cluster", () => this.forget());
    await this.keys.adopt(credentials);
    await this.remember({ ...cluster, ...(listen && { listen }) });
    undo.forget();
    this.log.info({ cluster: cluster.id, address: cluster.address }, "joined a cluster");
    return cluster;
  }

  /** Ends this host's part and forgets the cluster; its node id stays. May be called twice. */
  async forget(): Promise<void> {
    await this.#endLookout();
    // what it would put in order before its end is removed next
    await this.#etcd.stop({ patienceMs: 0 });
    this.#cluster = undefined;
    this.#trouble = undefined;
    await this.#file.write({ nodeId: this.nodeId });
    await this.keys.remove();
    await this.#etcd.removeAll();
  }

  /** What a host was given to become a member: starts its etcd, which the cluster expects. */
  async becomeMember({ certificate, authorityKey, members }: PromoteAnswer, key: string): Promise<void> {
    const cluster = this.#joined();
    await this.keys.replace(certificate, key);
    await this.keys.keepAuthority(authorityKey);
    await this.#etcd.removeData();
    await this.remember({ ...cluster, role: "member", starting: members });
    await this.#startEtcd(cluster, { kind: "existing", members });
  }

  /** Who the members are has changed before this one's etcd started for the first time: it starts with these. */
  async startWith(members: NonNullable<ClusterIdentity["starting"]>): Promise<void> {
    const cluster = this.#joined();
    await this.#etcd.stop();
    await this.#etcd.removeData();
    await this.remember({ ...cluster, starting: members });
    await this.#startEtcd(cluster, { kind: "existing", members });
  }

  /** A member that has its vote has nothing more to be told at its start. */
  async settleMember(): Promise<void> {
    const { starting: _, ...cluster } = this.#joined();
    await this.remember(cluster);
  }

  /** A member that is one no longer, or never became one. */
  async stepDown(): Promise<void> {
    const { starting: _, ...cluster } = this.#joined();
    await this.#etcd.stop();
    await this.keys.dropAuthority();
    await this.#etcd.removeData();
    await this.remember({ ...cluster, role: "node" });
  }

  /** A new certificate for this host. */
  async renewed(certificate: string, key: string): Promise<void> {
    await this.keys.replace(certificate, key);
    this.#tell({ kind: "connection" });
  }

  /** Puts down what is known of the cluster, and tells if the members are others. */
  async remember(cluster: ClusterIdentity): Promise<void> {
    const before = this.#cluster;
    if (JSON.stringify(before) === JSON.stringify(cluster)) return;
    await this.#file.write({ nodeId: this.nodeId, cluster });
    this.#cluster = cluster;
    if (JSON.stringify(before?.members) !== JSON.stringify(cluster.members))
      this.#tell({ kind: "connection" });
  }

  /** Waits until this member's etcd serves. @throws unavailable */
  async untilHealthy(timeoutMs: number): Promise<void> {
    await this.#etcd.untilHealthy(() => this.keys.get(), { timeoutMs, trouble: this.#trouble });
  }

  /** Asks another member at its join port, whichever answers. @throws what it says; unavailable */
  async ask(path: string, body: object): Promise<unknown> {
    const places = this.#joined()
      .members.filter((member) => member.nodeId !== this.nodeId)
      .map(({ address, ports }) => ({ host: address, port: ports.join }));
    return await anyOf(places, (where) => ask(where, path, body, this.keys.get()));
  }

  /** Who knows whether the store answers this host. While it does not, the members are asked whether it still belongs. */
  lookOut(isInTouch: () => boolean): void {
    this.#isInTouch = isInTouch;
    if (!this.#cluster) return;
    this.#lookout ??= new Lookout({
      ask: async () => (await this.ask(paths.look, {})) as LookAnswer,
      isInTouch: () => this.#isInTouch(),
      onMembers: async (members) => await this.remember({ ...this.#joined(), members }),
      onRemoved: (message) => this.removed(message),
      log: this.log,
    });
  }

  /** While the host leaves, it is no news that it was removed. */
  leaving(isLeaving: boolean): void {
    this.#isLeaving = isLeaving;
    this.#etcd.expectEnd(isLeaving);
  }

  /** The others say that this host is no longer one of them. */
  removed(message: string): void {
    if (this.#isLeaving || this.#trouble === message) return;
    this.#trouble = message;
    this.log.warn({ reason: message }, "this host is out of the cluster");
    this.#tell({ kind: "removed", message });
  }

  /** Ends etcd, unless it is to run on for the next daemon. The cluster is remembered. */
  async close({ keepEtcd = false }: { readonly keepEtcd?: boolean } = {}): Promise<void> {
    await this.#endLookout();
    if (keepEtcd) this.#etcd.release();
    else await this.#etcd.stop();
  }

  async #resume(): Promise<void> {
    const cluster = this.#cluster;
    if (!cluster) return;
    const { id, role, address, starting } = cluster;
    try {
      await this.keys.load({ nodeId: this.nodeId, clusterId: id, role, address });
      const start = starting ? { kind: "existing" as const, members: starting } : { kind: "again" as const };
      this.lookOut(() => false);
      if (role === "member") await this.#startEtcd(cluster, start);
    } catch (error) {
      this.#trouble = errorMessage(error);
      this.log.error({ reason: this.#trouble }, "this host's part in its cluster does not work");
    }
  }

  async #startEtcd({ id, address, ports }: ClusterIdentity, start: EtcdStart): Promise<void> {
    const spec = { nodeId: this.nodeId, clusterId: id, address, ports, trust: this.keys.files.paths };
    await this.#etcd.start(spec, start);
  }

  async #endLookout(): Promise<void> {
    await this.#lookout?.close();
    this.#lookout = undefined;
  }

  async #checkFree(doing: string): Promise<void> {
    if (this.#cluster)
      throw conflict(`${doing}: this host belongs to cluster ${this.#cluster.id}: leave it first`);
    for (const folder of [this.#etcd.dataFolder, this.keys.files.folder])
      if (await exists(folder))
        throw conflict(
          `${doing}: ${folder} is left of an earlier cluster: remove it if nothing there is needed`,
        );
  }

  #joined(): ClusterIdentity {
    if (!this.#cluster) throw conflict("this host belongs to no cluster: tsdocker cluster init, or join");
    return this.#cluster;
  }

  #tell(event: MembershipEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
