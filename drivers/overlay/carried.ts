// A network that this host carries: its netns with the links in it, and the rows that lead to endpoints on other hosts.
// Rows follow the shared table as it changes; the kernel is compared with them when it tells of a change that is not ours,
// and now and then anyway.

import type { ClusterAccess, DriverNetns, Entry, Host, NetworkEvent } from "../../src/driverapi/index.ts";
import type { Address, Mac } from "../../src/netip/index.ts";
import { errorMessage } from "../../src/util/errors.ts";
import type { Log } from "../../src/util/log.ts";
import { isStrange } from "./drift.ts";
import { deleteTunnels, type FabricSpec, makeFabric, netnsSysctls } from "./fabric.ts";
import type { FastPath, FastPaths } from "./fast-path.ts";
import type { FabricLinks } from "./kernel-rows.ts";
import { portName } from "./mark.ts";
import { type Port, repairPort } from "./port.ts";
import { RowTable } from "./row-table.ts";
import { type Row, remoteRows } from "./rows.ts";
import { type PublishedEndpoint, prefixOf, type SharedTables } from "./shared.ts";

/** When somebody else's change is looked into: a moment later, so that many are one; later when it was only just done. */
const soonMs = 20;
const againMs = 250;

export interface CarriedOptions {
  readonly host: Host;
  readonly cluster: ClusterAccess;
  readonly spec: FabricSpec;
  readonly fastPaths: FastPaths;
  /** How often the kernel is compared with what is wanted although nothing was heard. */
  readonly sweepMs: number;
}

/** Of a container of this host. */
interface OwnPort {
  readonly port: Port;
  readonly mac: Mac;
  readonly addresses: readonly Address[];
}

/** Owns the netns. */
export class CarriedNetwork {
  readonly netns: DriverNetns;
  readonly fastPath: FastPath;
  readonly #host: Host;
  readonly #cluster: ClusterAccess;
  readonly #log: Log;
  readonly #rows: RowTable;
  readonly #ports = new Map<string, OwnPort>();
  readonly #portIndexes = new Set<number>();
  readonly #unfollow: (() => void)[] = [];
  #spec: FabricSpec;
  #links: FabricLinks = { bridge: 0, tunnels: new Map() };
  #tables: SharedTables | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sweep: NodeJS.Timeout | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;
  /** The end of the work under way; the kernel's tables are changed by one at a time. */
  #work: Promise<unknown> = Promise.resolve();

  private constructor(netns: DriverNetns, { host, cluster, spec, fastPaths }: CarriedOptions) {
    this.netns = netns;
    this.fastPath = fastPaths.make(netns, spec.config);
    this.#host = host;
    this.#cluster = cluster;
    this.#spec = spec;
    this.#rows = new RowTable(host, netns, this.fastPath);
    this.#log = host.log.child({ network: spec.config.networkName });
  }

  /** Makes what is missing in the netns, and takes over what is there. */
  static async open(netns: DriverNetns, options: CarriedOptions): Promise<CarriedNetwork> {
    const carried = new CarriedNetwork(netns, options);
    try {
      await carried.#open(options.sweepMs);
      return carried;
    } catch (error) {
      await carried.fastPath.close();
      throw error;
    }
  }

  get mtu(): number {
    return this.#spec.mtu;
  }

  get bridge(): number {
    return this.#links.bridge;
  }

  /** How many containers of this host are on it. */
  get size(): number {
    return this.#ports.size;
  }

  /** From now on the shared table says what is elsewhere; until then the kernel keeps what it has. */
  connect(tables: SharedTables): void {
    if (this.#isClosed || this.#tables) return;
    this.#tables = tables;
    const { networkId } = this.#spec.config;
    this.#unfollow.push(
      tables.endpoints.follow((changes) => {
        for (const change of changes)
          if (change.kind === "put") this.#claim(change.entry);
          else this.#rows.claim(change.before.key, [], 0);
        this.#flushSoon();
      }, prefixOf(networkId)),
      this.#cluster.nodes.follow((changes) => {
        const ids = new Set(
          changes.map((change) => (change.kind === "put" ? change.entry : change.before).key),
        );
        this.#followNodes(ids);
      }),
    );
    this.#claimAll();
    // what an earlier process left and nobody wants goes now
    if (this.netns.isOld) this.#doubt();
    this.#flushSoon();
  }

  /** A container of this host; resolves when its port is on the bridge. */
  async addPort(endpointId: string, own: OwnPort): Promise<void> {
    this.#ports.set(endpointId, own);
    this.fastPath.admit(own.port.index, own);
    this.#portIndexes.add(own.port.index);
    this.#claimPort(endpointId);
    await this.#flush();
  }

  /** Others forget it by the shared table; its link is the caller's to delete. */
  async removePort(endpointId: string): Promise<void> {
    const index = this.#ports.get(endpointId)?.port.index ?? 0;
    this.fastPath.dismiss(index);
    this.#portIndexes.delete(index);
    this.#ports.delete(endpointId);
    this.#rows.claim(`port ${endpointId}`, [], 0);
    await this.#flush();
  }

  /** Gives the links in the netns another MTU. */
  async setMtu(mtu: number): Promise<void> {
    this.#spec = { ...this.#spec, mtu };
    const { setLink, unless } = this.#host.link;
    await this.#queue(async () => {
      await makeFabric(this.#host, this.netns, this.#spec);
      const requests = [...this.#ports.keys()].map((id) => setLink(portName(id), { mtu }));
      if (requests.length > 0) await unless(["ENODEV"], this.netns.netlink.send(...requests));
    });
  }

  /** Compares everything with the kernel now, and repairs. */
  check(): Promise<void> {
    return this.#queue(() => this.#check());
  }

  /** Resolves when what is known by now is in the kernel. */
  async settle(): Promise<void> {
    await this.#flush();
  }

  /** Lets go; what is in the kernel stays. */
  async close(): Promise<void> {
    await this.#end();
    await this.netns.close();
  }

  /** Takes all of it away. */
  async remove(): Promise<void> {
    await this.#end();
    await deleteTunnels(this.#host, this.netns);
    await this.#host.netns.remove(this.netns.name);
  }

  async #end(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#sweep);
    for (const unfollow of this.#unfollow.splice(0)) unfollow();
    await this.#work;
    await this.fastPath.close();
  }

  async #open(sweepMs: number): Promise<void> {
    const { netns } = this;
    if (!netns.isOld) await netns.sysctl.writeAll(await netnsSysctls(this.#host, this.#spec.config));
    const { links } = await makeFabric(this.#host, netns, this.#spec);
    this.#links = links;
    await this.fastPath.begin(links);
    if (netns.isOld) await this.#rows.takeOver(links);
    await netns.watch(["link", "address", "route", "neighbour", "fdb"], (event) => this.#hear(event));
    this.#sweep = setInterval(() => this.#checkBehind(), sweepMs).unref();
  }

  #claimAll(): void {
    for (const endpointId of this.#ports.keys()) this.#claimPort(endpointId);
    for (const entry of this.#tables?.endpoints.entries(prefixOf(this.#spec.config.networkId)) ?? [])
      this.#claim(entry);
  }

  #claim({ key, value, revision }: Entry<PublishedEndpoint>): void {
    const { self, config, vnis } = this.#spec;
    const { tunnels } = this.#links;
    const floods = config.multicast ? tunnels.get(vnis[0] ?? 0) : undefined;
    const node = this.#cluster.nodes.get(value.node)?.value;
    const isOurs = value.node === self.id;
    const rows = isOurs ? [] : remoteRows(value, node, { self, tunnels, floods });
    this.#rows.claim(key, rows, revision);
  }

  #claimPort(endpointId: string): void {
    const own = this.#ports.get(endpointId);
    if (!own) return;
    const row: Row = { kind: "port", mac: own.mac, link: own.port.index };
    this.#rows.claim(`port ${endpointId}`, [row], Number.POSITIVE_INFINITY);
  }

  /** Hosts that came, went, or have another address now. */
  #followNodes(ids: ReadonlySet<string>): void {
    const { self } = this.#cluster;
    if (ids.has(self.id)) {
      this.#spec = { ...this.#spec, self };
      this.#doubt();
    }
    for (const entry of this.#tables?.endpoints.entries(prefixOf(this.#spec.config.networkId)) ?? [])
      if (ids.has(entry.value.node)) this.#claim(entry);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (!this.#rows.isDirty) return;
    this.#flush().catch(() => undefined);
  }

  /** What changed while one runs goes with the next. */
  #flush(): Promise<void> {
    return this.#queue(async () => {
      try {
        await this.#rows.flush();
      } catch (error) {
        const fields = { reason: errorMessage(error) };
        this.#log.warn(fields, "cannot write rows of an overlay: looking at all of them");
        this.#doubt();
        throw error;
      }
    });
  }

  async #check(): Promise<void> {
    const { netns } = this;
    const { links, hasChanged } = await makeFabric(this.#host, netns, this.#spec);
    if (!sameLinks(links, this.#links)) {
      this.#links = links;
      this.#claimAll();
    }
    let repairs = hasChanged ? 1 : 0;
    for (const endpointId of this.#ports.keys())
      if (await repairPort(this.#host, netns, { endpointId, bridge: links.bridge })) repairs++;
    repairs += await this.fastPath.repair(links, this.#portIndexes);
    // before the shared table is known, what is there is the best that we have
    repairs += await this.#rows.compare(links, { keeps: this.#tables === undefined });
    if (repairs > 0) this.#log.warn({ repairs }, "an overlay was not as it should be: repaired it");
  }

  #hear(event: NetworkEvent): void {
    const { mtu } = this.#spec;
    const ports = this.#portIndexes;
    if (isStrange(event, { links: this.#links, ports, mtu, wanted: (key) => this.#rows.wanted(key) }))
      this.#doubt();
  }

  #doubt(): void {
    if (this.#timer || this.#isClosed) return;
    const wasJustDone = performance.now() - this.#checkedAt < againMs;
    this.#timer = setTimeout(() => this.#checkBehind(), wasJustDone ? againMs : soonMs).unref();
  }

  #checkBehind(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isClosed) return;
    this.check()
      .catch((error) => {
        if (this.#isClosed) return;
        this.#log.error({ reason: errorMessage(error) }, "an overlay could not be repaired");
      })
      .finally(() => {
        this.#checkedAt = performance.now();
      });
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#work.then(work);
    this.#work = mine.catch(() => undefined);
    return mine;
  }
}

function sameLinks(a: FabricLinks, b: FabricLinks): boolean {
  const text = ({ bridge, tunnels }: FabricLinks) => JSON.stringify([bridge, ...tunnels]);
  return text(a) === text(b);
}
