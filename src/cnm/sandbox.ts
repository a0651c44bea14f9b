// A sandbox: the netns of one container, its endpoints, its way out, its resolver. The caller holds the container's
// lock: no two changes of one sandbox run at once.

import type { ResolverPorts } from "../proxy/index.ts";
import { allDone } from "../util/all-done.ts";
import { internal, invalid } from "../util/errors.ts";
import { changeMtu } from "./attach-link.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import { Members } from "./members.ts";
import { renamed, serviceOf } from "./names.ts";
import type { Netns } from "./netns.ts";
import type { Network } from "./network.ts";
import type { SandboxRecord } from "./records.ts";
import { deleteLinks, removeAll, removeEndpoint, type Scene, tolerate } from "./removal.ts";
import { deleteSandboxRecords, type Keep, type KeptChange, SandboxRecords } from "./sandbox-records.ts";
import { Settlement } from "./settlement.ts";
import type {
  EndpointSpec,
  EndpointView,
  InterfaceStatistics,
  PortsSpec,
  PublishedPort,
  SandboxSpec,
} from "./types.ts";

/** Who keeps a controller's sandboxes, as one of them sees it. */
export interface SandboxKeeper {
  /** Endpoints came or went on these networks: links of other sandboxes may name them. */
  changed(sandbox: Sandbox, networks: ReadonlySet<Network>): void;
  /** The sandbox is no more. */
  ended(sandbox: Sandbox): void;
}

interface Settling {
  readonly leaving?: readonly Endpoint[];
  readonly keep?: Keep | undefined;
}

/** Made by `Sandboxes.open`. */
export class Sandbox {
  readonly id: string;
  /** Path of the netns for runtimes and drivers (Docker's SandboxKey). */
  readonly netnsPath: string;
  readonly #parts: ControllerParts;
  readonly #keeper: SandboxKeeper;
  readonly #netns: Netns | undefined;
  readonly #members: Members;
  readonly #settlement: Settlement;
  readonly #records: SandboxRecords;
  #spec: SandboxSpec;
  #deleted: Promise<void> | undefined;

  constructor(
    parts: ControllerParts,
    { keeper, record, netns }: { keeper: SandboxKeeper; record: SandboxRecord; netns: Netns | undefined },
  ) {
    this.#parts = parts;
    this.#keeper = keeper;
    this.id = record.id;
    this.netnsPath = record.netnsPath;
    this.#spec = record.spec;
    this.#netns = netns;
    const hasIpv6 = parts.hostHasIpv6 && record.spec.sysctls["net.ipv6.conf.all.disable_ipv6"] !== "1";
    const place = { sandboxId: record.id, netns, hasIpv6 };
    const { netnsPath } = record;
    this.#settlement = new Settlement(parts, { ...place, spec: record.spec });
    this.#records = new SandboxRecords(parts);
    this.#members = new Members(parts, {
      ...place,
      netnsPath,
      spec: () => this.#spec,
      welcome: (endpoint) => this.#settlement.welcome(endpoint),
    });
  }

  get containerId(): string {
    return this.#spec.containerId;
  }

  get spec(): SandboxSpec {
    return this.#spec;
  }

  /** In the order in which they were connected. */
  endpoints(): readonly EndpointView[] {
    return this.#members.visible.map((endpoint) => endpoint.view());
  }

  /** By whichever endpoints they are, also one that nobody sees. */
  publishedPorts(): readonly PublishedPort[] {
    return this.#endpoints.flatMap(({ record }) => record.published);
  }

  /** Writes hosts and resolv.conf as they are now; they change in place with its endpoints. */
  async writeFiles(): Promise<void> {
    await this.#settlement.writeFiles(this.#endpoints);
  }

  /** Connects several at once, then settles; for a sandbox that nobody uses yet. On failure delete it. */
  async connectAll(specs: readonly EndpointSpec[]): Promise<void> {
    await this.#members.joinAll(specs);
    const surplus = listOf(await this.#members.alignGateway());
    await this.#settle({ leaving: surplus });
    await this.#remove(surplus);
  }

  /**
   * Connects the container to another network while it runs. `kept` is what the caller has to store of it.
   * @throws invalid, forbidden, not-found or unavailable; then nothing has changed
   */
  async connect(spec: EndpointSpec, kept?: KeptChange): Promise<EndpointView> {
    let endpoint: Endpoint | undefined;
    await this.#change(kept, async () => {
      endpoint = await this.#members.join(spec);
      return listOf(await this.#members.alignGateway());
    });
    if (!endpoint) throw internal(`container ${this.containerId} has not joined ${spec.network}`);
    return endpoint.view();
  }

  /**
   * Takes the container off a network. Its other networks have taken over when the link goes. `kept` is what the caller
   * has to store of it.
   * @throws internal when it is not on it; or what keeps the others from taking over, and then it stays
   */
  async disconnect(networkRef: string, kept?: KeptChange): Promise<void> {
    const { visible } = this.#members;
    // by id also off one that is on no list any more: another host of the cluster has removed it
    const known = visible.find((own) => own.network.id === networkRef);
    const network = known?.network ?? this.#parts.networks.find(networkRef);
    if (this.#spec.netns === "host")
      throw invalid("container cannot be disconnected from host network or connected to host network");
    const endpoint = visible.find((own) => own.network === network);
    if (!endpoint)
      throw internal(`container ${this.containerId} is not connected to network ${network.name}`);
    await this.#change(kept, async () => {
      this.#members.all = this.#endpoints.filter((own) => own !== endpoint);
      return [endpoint, ...listOf(await this.#members.alignGateway())];
    });
  }

  /**
   * Publishes these ports from now on and no others; those that stay are left alone. `keep` is what the caller has to
   * store of it.
   * @throws conflict when a host port is taken; then all is as before
   */
  async setPorts(ports: PortsSpec, keep?: Keep): Promise<void> {
    const before = this.#spec;
    this.#spec = { ...before, ...ports };
    try {
      await this.#settlement.republish({ endpoints: this.#endpoints, spec: this.#spec });
      await this.#store({ keep });
    } catch (error) {
      this.#spec = before;
      const again = { endpoints: this.#endpoints, spec: before };
      await this.#tolerate("publish again", () => this.#settlement.republish(again));
      throw error;
    }
  }

  /** Gives the container another name, under which it is found from now on. */
  async rename(containerName: string): Promise<void> {
    const before = this.#spec.containerName;
    this.#spec = { ...this.#spec, containerName };
    for (const endpoint of this.#members.visible) {
      const service = serviceOf(endpoint.record.spec);
      const names = renamed(endpoint.record.names, { before, after: containerName, service });
      endpoint.record = { ...endpoint.record, containerName, names };
    }
    await this.#settlement.announceAgain(this.#endpoints);
    await this.#store();
  }

  /** Others are told again how it is: whether it is ready has changed. */
  async announceAgain(): Promise<void> {
    if (!this.#deleted) await this.#settlement.announceAgain(this.#endpoints);
  }

  /** Services of its networks have changed. */
  async followServices(): Promise<void> {
    if (!this.#deleted) await this.#settlement.balance(this.#endpoints);
  }

  /** Nobody finds the container by name any more: it has ended, and is about to be deleted. Never rejects. */
  async withdrawNames(): Promise<void> {
    await Promise.all(
      this.#endpoints.map((endpoint) =>
        this.#tolerate("withdraw names", () => this.#settlement.withdrawNames(endpoint)),
      ),
    );
  }

  /** Counters by interface name, as the container sees them; empty in the host's netns. */
  async statistics(): Promise<ReadonlyMap<string, InterfaceStatistics>> {
    const links = (await this.#netns?.netlink.links()) ?? [];
    const own = links.filter(({ loopback, index }) => !loopback && !this.#members.interfaces.isHidden(index));
    return new Map(own.map(({ name, stats }) => [name, stats]));
  }

  /**
   * Ends the sandbox and all its endpoints. Ports close and names vanish before it resolves; links follow. Never
   * fails half-way: what cannot be taken back is logged. May be called twice.
   */
  delete(): Promise<void> {
    this.#deleted ??= this.#teardown();
    return this.#deleted;
  }

  /** Lets go of it and leaves all as it is, for a daemon that ends while the container lives. */
  async release(): Promise<void> {
    await this.#netns?.close();
  }

  /**
   * Takes over endpoints that are there already, after a start, and brings what serves them up to date. What a user
   * changed inside meanwhile stays.
   */
  async adopt(endpoints: readonly Endpoint[]): Promise<void> {
    this.#members.adopt(endpoints);
    await this.#settlement.adopt(this.#endpoints);
    let surplus: Endpoint[] = [];
    await this.#tolerate("find a way out", async () => {
      surplus = listOf(await this.#members.alignGateway());
    });
    await this.#settle({ leaving: surplus });
    await this.#remove(surplus);
  }

  /** Its resolver listens on other ports now: queries are led there. */
  async redirectDns(ports: ResolverPorts): Promise<void> {
    if (!this.#deleted) await this.#netns?.setDnsRedirect(ports);
  }

  /** Networks have other MTUs than before, by id: so have its links on them. */
  async followMtus(mtus: ReadonlyMap<string, number>): Promise<void> {
    const netns = this.#netns;
    if (!netns || this.#deleted) return;
    for (const { network, record } of this.#endpoints) {
      const mtu = mtus.get(network.id);
      if (mtu !== undefined) await this.#tolerate("set MTU", () => changeMtu(netns, record, mtu));
    }
  }

  /** Whether it has an endpoint on one of these networks. */
  isOn(networks: ReadonlySet<Network>): boolean {
    return this.#endpoints.some(({ network }) => networks.has(network));
  }

  /** Its links to other containers may name one that came or went. */
  async refreshLinks(): Promise<void> {
    if (!this.#deleted) await this.#settlement.refreshLinks(this.#endpoints);
  }

  /**
   * Goes over to other endpoints: `prepare` has those join and takes those off the list that are to leave, which it
   * answers. They go when the others have taken over. On failure all is as before.
   */
  async #change(kept: KeptChange | undefined, prepare: () => Promise<readonly Endpoint[]>): Promise<void> {
    const before = this.#endpoints;
    let leaving: readonly Endpoint[] | undefined;
    try {
      leaving = await prepare();
      // nothing leads to their links when those go
      await this.#withdraw(leaving);
      await this.#settleOnRecord({ leaving, keep: kept?.keep });
    } catch (error) {
      const fresh = this.#endpoints.filter((own) => !before.includes(own));
      this.#members.all = before;
      if (leaving) {
        await this.#withdraw(fresh);
        await this.#tolerate("go back", () => this.#store({ leaving: fresh, keep: kept?.takeBack }));
        await this.#tolerate("go back", () => this.#settle({ leaving: fresh }));
      }
      await this.#tolerate("disconnect", () => this.#remove(fresh));
      throw error;
    }
    await this.#remove(leaving);
  }

  /** Brings everything that depends on the whole set of endpoints in line with it. */
  async #settle({ leaving = [], keep }: Settling = {}): Promise<void> {
    await this.#settlement.settle({ endpoints: this.#endpoints, spec: this.#spec, leaving });
    // last: what failed is not on record
    await this.#store({ leaving, keep });
    this.#keeper.changed(this, new Set([...leaving, ...this.#endpoints].map(({ network }) => network)));
  }

  /**
   * The same while it is being written down, so that nobody waits for the disk when all else is done. What a crash in
   * between leaves on record, the next start completes; what fails the caller takes back. Not when the way out moves: the
   * next start leaves default routes alone, for the container may have changed them.
   */
  async #settleOnRecord({ leaving = [], keep }: Settling): Promise<void> {
    const endpoints = this.#endpoints;
    if (!this.#settlement.keepsWayOut(endpoints)) return await this.#settle({ leaving, keep });
    const written = endpoints.map(({ record }) => record);
    await allDone([
      // first: the kernel and the proxy do their part by themselves
      this.#settlement.settle({ endpoints, spec: this.#spec, leaving }),
      this.#store({ leaving, keep }),
    ]);
    // one that is reached directly publishes too
    if (endpoints.some(({ record }, at) => record !== written[at])) await this.#store();
    this.#keeper.changed(this, new Set([...leaving, ...endpoints].map(({ network }) => network)));
  }

  async #withdraw(endpoints: readonly Endpoint[]): Promise<void> {
    for (const endpoint of endpoints)
      await this.#tolerate("withdraw names", () => this.#settlement.withdrawNames(endpoint));
  }

  async #remove(endpoints: readonly Endpoint[]): Promise<void> {
    for (const endpoint of endpoints) await removeEndpoint(this.#scene, endpoint, this.#members.interfaces);
  }

  async #teardown(): Promise<void> {
    const endpoints = this.#endpoints;
    await removeAll(this.#scene, endpoints, this.#settlement);
    this.#members.all = [];
    this.#keeper.ended(this);
    this.#keeper.changed(this, new Set(endpoints.map(({ network }) => network)));
    deleteLinks(this.#scene, endpoints);
    await deleteSandboxRecords(this.#parts, this.id, endpoints);
  }

  #store({ leaving = [], keep }: Settling = {}): Promise<void> {
    const record: SandboxRecord = { id: this.id, netnsPath: this.netnsPath, spec: this.#spec };
    return this.#records.store({ record, endpoints: this.#endpoints, leaving, keep });
  }

  async #tolerate(step: string, work: () => Promise<unknown>): Promise<void> {
    await tolerate(this.#scene, step, work);
  }

  get #endpoints(): readonly Endpoint[] {
    return this.#members.all;
  }

  get #scene(): Scene {
    return { parts: this.#parts, sandboxId: this.id, netns: this.#netns };
  }
}

function listOf(endpoint: Endpoint | undefined): Endpoint[] {
  return endpoint ? [endpoint] : [];
}
