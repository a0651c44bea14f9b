// How a service comes to be and goes. The host of its first endpoint makes it, the host of its last one removes it; what a
// host cannot finish another does. Its addresses are leased for all hosts together, and are on record before they are
// leased and until they are given back: no crash leaves one behind.

import type { ClusterAccess, Entry } from "../../cluster/index.ts";
import { type Address, type Family, prefixContains } from "../../netip/index.ts";
import { errorKind, errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { Undo } from "../../util/undo.ts";
import { leaseAddress } from "../leases.ts";
import type { Network } from "../network.ts";
import type { Networks } from "../networks.ts";
import { type EndpointNames, type GlobalTables, partsOf, type ServiceRecord } from "./records.ts";
import { ServiceMembers, serviceKey } from "./service-members.ts";

const retryMs = 1_000;

export interface ServiceSurroundings {
  readonly cluster: ClusterAccess;
  readonly tables: GlobalTables;
  readonly networks: Networks;
  readonly log: Log;
  /** Endpoints of these services came, changed or went. */
  readonly membersChanged: (services: ReadonlySet<string>) => void;
}

/** This host's part in them, for as long as it is in the cluster. */
export class ServiceRecords {
  readonly members: ServiceMembers;
  readonly #around: ServiceSurroundings;
  /** By service: what is done about it, one thing after the other. */
  readonly #turns = new Map<string, Promise<void>>();
  /** Services that are looked at once more after the present turn. */
  readonly #again = new Set<string>();
  readonly #stops: (() => void)[];
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;
  #isClosed = false;

  constructor(around: ServiceSurroundings) {
    this.#around = around;
    const { cluster, tables } = around;
    this.members = new ServiceMembers(tables.endpoints, (services, gone) => {
      around.membersChanged(services);
      this.#membersChanged(services, gone);
    });
    this.#stops = [
      () => this.members.close(),
      tables.services.follow((changes) => {
        for (const change of changes) this.look(change.kind === "put" ? change.entry.key : change.before.key);
      }),
      cluster.followLife(() => this.#lookAtAll()),
    ];
  }

  /** From now on services are made and removed: this host's endpoints have been said. */
  open(): void {
    this.#isOpen = true;
    this.#lookAtAll();
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    while (this.#turns.size > 0) await Promise.all(this.#turns.values());
  }

  async end(): Promise<void> {
    await this.settle();
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** Compares a service with its endpoints, and does what is this host's to do. */
  look(service: string): void {
    if (!this.#isOpen || this.#isClosed || this.#around.cluster.state === "frozen") return;
    if (this.#turns.has(service)) return void this.#again.add(service);
    const turn = this.#turn(service).finally(() => {
      this.#turns.delete(service);
      if (this.#again.delete(service)) this.look(service);
    });
    this.#turns.set(service, turn);
  }

  #membersChanged(services: ReadonlySet<string>, gone: readonly Entry<EndpointNames>[]): void {
    const { self } = this.#around.cluster;
    const isOurs = (entry: Entry<EndpointNames>) =>
      entry.value.node === self.id || !this.#around.cluster.isAlive(entry.value.node);
    const ours = new Set(gone.filter(isOurs).map(serviceKey));
    for (const service of services) if (ours.has(service) || !this.#isMade(service)) this.look(service);
  }

  #lookAtAll(): void {
    if (this.#around.cluster.state === "frozen") return;
    const known = [...this.#around.tables.services.entries()].map(({ key }) => key);
    for (const service of new Set([...this.members.services(), ...known])) this.look(service);
  }

  async #turn(service: string): Promise<void> {
    try {
      await this.#compare(service);
    } catch (error) {
      // another host was first, and that will be heard of
      if (errorKind(error) === "conflict") return;
      const [, name] = partsOf(service);
      const fields = { service: name, reason: errorMessage(error) };
      this.#around.log.debug(fields, "cannot bring a service in line with its endpoints yet");
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#lookAtAll(), retryMs).unref();
    }
  }

  async #compare(service: string): Promise<void> {
    const { tables } = this.#around;
    const entry = tables.services.get(service);
    const change = entry?.value.change;
    if (!entry) return this.#isWanted(service) ? await this.#make(service) : undefined;
    if (!tables.networks.get(partsOf(service)[0])) return await tables.services.delete(service);
    if (change && !this.#isStale(change)) return;
    if (change?.kind === "removing" || this.#isUnused(entry)) return await this.#remove(entry);
    if (change && this.#isWanted(service)) await this.#finish(await this.#mark(entry, "making"));
  }

  #isMade(service: string): boolean {
    const record = this.#around.tables.services.get(service)?.value;
    return record !== undefined && !record.change;
  }

  /** An endpoint of this host is in it. */
  #isWanted(service: string): boolean {
    const { self } = this.#around.cluster;
    return this.members.of(service).some(({ value }) => value.node === self.id);
  }

  #isUnused({ key, value }: Entry<ServiceRecord>): boolean {
    return value.published.length === 0 && !this.members.hasAny(key);
  }

  /** Whoever was at it is gone; of this host's own, as turns are taken, none is under way. */
  #isStale({ by }: NonNullable<ServiceRecord["change"]>): boolean {
    const { cluster } = this.#around;
    return by === cluster.self.id || !cluster.isAlive(by);
  }

  async #make(service: string): Promise<void> {
    const network = this.#around.networks.get(partsOf(service)[0]);
    if (!network) return;
    await using undo = new Undo(this.#around.log);
    const vips: Address[] = [];
    for (const family of familiesOf(network))
      vips.push(await this.#lease(network, { service, family }, undo));
    const change = { kind: "making", by: this.#around.cluster.self.id } as const;
    const entry = await this.#around.tables.services.create(service, { vips, published: [], change });
    undo.forget();
    await this.#finish(entry);
  }

  /** The addresses on record become all hosts'. */
  async #finish(entry: Entry<ServiceRecord>): Promise<void> {
    const { tables, networks } = this.#around;
    const network = networks.get(partsOf(entry.key)[0]);
    if (!network) return;
    for (const vip of entry.value.vips)
      if (!(await this.#share(network, entry.key, vip))) return await this.#replaceVip(network, entry, vip);
    const { change: _, ...made } = entry.value;
    await tables.services.replace(entry, made);
  }

  /** One that a host lost before it was all hosts'. The change of the record has it finished in another turn. */
  async #replaceVip(network: Network, entry: Entry<ServiceRecord>, lost: Address): Promise<void> {
    await using undo = new Undo(this.#around.log);
    const other = await this.#lease(network, { service: entry.key, family: lost.family }, undo);
    const vips = entry.value.vips.map((vip) => (vip === lost ? other : vip));
    await this.#around.tables.services.replace(entry, { ...entry.value, vips });
    undo.forget();
  }

  async #remove(entry: Entry<ServiceRecord>): Promise<void> {
    const { cluster, tables, networks } = this.#around;
    const marked = await this.#mark(entry, "removing");
    // an endpoint that came meanwhile was on record before the mark: it is seen here
    if (!this.#isUnused(marked)) {
      const { change: _, ...made } = marked.value;
      return void (await tables.services.replace(marked, made));
    }
    const network = networks.get(partsOf(marked.key)[0]);
    if (network) for (const vip of marked.value.vips) await giveBack(network, vip);
    await cluster.commit((transaction) => transaction.remove(tables.services, marked));
  }

  #mark(entry: Entry<ServiceRecord>, kind: "making" | "removing"): Promise<Entry<ServiceRecord>> {
    const change = { kind, by: this.#around.cluster.self.id };
    return this.#around.tables.services.replace(entry, { ...entry.value, change });
  }

  /** Held by this host alone, as for an endpoint. */
  async #lease(
    network: Network,
    { service, family }: { readonly service: string; readonly family: Family },
    undo: Undo,
  ): Promise<Address> {
    const containerName = holderOf(service);
    const lease = await leaseAddress(network.ipam, network.record.pools, { family, containerName, network });
    const { address } = lease.prefix;
    undo.defer("release address", () => network.ipam.releaseAddress(lease.poolId, address));
    return address;
  }

  /** False: it is somebody else's. */
  async #share(network: Network, service: string, vip: Address): Promise<boolean> {
    try {
      await network.ipam.shareAddress?.(poolOf(network, vip), vip, holderOf(service));
      return true;
    } catch (error) {
      if (errorKind(error) !== "forbidden") throw error;
      return false;
    }
  }
}

/** For messages; no container has such a name. */
function holderOf(service: string): string {
  return `service ${partsOf(service)[1]}`;
}

/** A driver that knows of no other hosts leases to all what it leases to one. */
async function giveBack({ ipam, record }: Network, vip: Address): Promise<void> {
  const poolId = poolOf({ record }, vip);
  if (ipam.unshareAddress) await ipam.unshareAddress(poolId, vip);
  else await ipam.releaseAddress(poolId, vip);
}

function familiesOf({ record }: Pick<Network, "record">): Family[] {
  const has = (family: Family) => record.pools.some((pool) => pool.family === family);
  return ([4, 6] as const).filter(has);
}

function poolOf({ record }: Pick<Network, "record">, address: Address): string {
  return record.pools.find(({ subnet }) => prefixContains(subnet, address))?.poolId ?? "";
}
