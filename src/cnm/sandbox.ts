// A sandbox: the netns of one container, its endpoints, its way out, its resolver. The caller holds the container's
// lock: no two changes of one sandbox run at once.

import type { ResolverPorts } from "../proxy/index.ts";
import { allDone } from "../util/all-done.ts";
import { internal, invalid } from "../util/errors.ts";
import { shortId } from "../util/ids.ts";
import { advertise } from "./advertise.ts";
import { changeMtu, setLinkAside } from "./attach-link.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import { checkEndpoint, checkInterfaceFree, checkMixture } from "./endpoint-check.ts";
import { chosenInterfaceName, freeInterfaceName } from "./endpoint-options.ts";
import { EtcFiles } from "./etc-files.ts";
import { revokeExternalConnectivity } from "./external.ts";
import { deleteInDriver, forgetEndpoint, joinNetwork, leaveNetwork, reasonOf } from "./join.ts";
import { Links } from "./links.ts";
import { renamed } from "./names.ts";
import type { Netns } from "./netns.ts";
import type { Network } from "./network.ts";
import type { SandboxRecord } from "./records.ts";
import { SandboxDiscovery } from "./sandbox-discovery.ts";
import { deleteSandboxRecords, type Keep, storeSandbox } from "./sandbox-records.ts";
import type { EndpointSpec, EndpointView, InterfaceStatistics, PortsSpec, SandboxSpec } from "./types.ts";
import { WayOut } from "./way-out.ts";

/** Who keeps a controller's sandboxes, as one of them sees it. */
export interface SandboxKeeper {
  /** Endpoints came or went on these networks: links of other sandboxes may name them. */
  changed(sandbox: Sandbox, networks: ReadonlySet<Network>): void;
  /** The sandbox is no more. */
  ended(sandbox: Sandbox): void;
}

interface Settling {
  readonly leaving?: Endpoint | undefined;
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
  readonly #discovery: SandboxDiscovery;
  readonly #wayOut: WayOut;
  readonly #links: Links;
  readonly #hasIpv6: boolean;
  #spec: SandboxSpec;
  #endpoints: Endpoint[] = [];
  #nextIndex = 2; // 1 is lo
  /** Networks that are joined next: their interfaces keep their names. */
  #awaited: readonly EndpointSpec[] = [];
  /** Indexes of links that are on their way out. */
  readonly #leaving = new Set<number>();
  /** Of whose addresses no neighbour has been told. */
  #untold: Endpoint[] = [];
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
    this.#wayOut = new WayOut(netns);
    this.#links = new Links(parts);
    this.#hasIpv6 = parts.hostHasIpv6 && record.spec.sysctls["net.ipv6.conf.all.disable_ipv6"] !== "1";
    const files = new EtcFiles(record.spec, parts.hostFiles, this.#hasIpv6);
    this.#discovery = new SandboxDiscovery(parts.resolvers, { sandboxId: record.id, netns, files });
  }

  get containerId(): string {
    return this.#spec.containerId;
  }

  get spec(): SandboxSpec {
    return this.#spec;
  }

  /** In the order in which they were connected. */
  endpoints(): readonly EndpointView[] {
    return this.#endpoints.map((endpoint) => endpoint.view());
  }

  /** Writes hosts and resolv.conf as they are now; they change in place with its endpoints. */
  async writeFiles(): Promise<void> {
    await this.#discovery.settle(this.#endpoints);
  }

  /** Connects several at once, then settles; for a sandbox that nobody uses yet. On failure delete it. */
  async connectAll(specs: readonly EndpointSpec[]): Promise<void> {
    this.#awaited = specs.map((spec) => ({ ...spec, network: this.#parts.networks.find(spec.network).id }));
    for (const spec of specs) await this.#join(spec);
    this.#awaited = [];
    await this.#settle();
  }

  /**
   * Connects the container to another network while it runs. `keep` is what the caller has to store of it.
   * @throws invalid, forbidden, not-found or unavailable; then nothing has changed
   */
  async connect(spec: EndpointSpec, keep?: Keep): Promise<EndpointView> {
    const endpoint = await this.#join(spec);
    try {
      await this.#settle({ keep });
    } catch (error) {
      const others = this.#endpoints.filter((own) => own !== endpoint);
      await this.#tolerate("disconnect", () => this.#settleWithout(endpoint, others));
      await this.#tolerate("disconnect", () => this.#remove(endpoint));
      throw error;
    }
    return endpoint.view();
  }

  /**
   * Takes the container off a network. Its other networks have taken over when the link goes. `keep` is what the caller
   * has to store of it.
   * @throws internal when it is not on it; or what keeps the others from taking over, and then it stays
   */
  async disconnect(networkRef: string, keep?: Keep): Promise<void> {
    const network = this.#parts.networks.find(networkRef);
    if (this.#spec.netns === "host")
      throw invalid("container cannot be disconnected from host network or connected to host network");
    const endpoint = this.#endpoints.find((own) => own.network === network);
    if (!endpoint)
      throw internal(`container ${this.containerId} is not connected to network ${network.name}`);
    const before = this.#endpoints;
    try {
      const others = before.filter((own) => own !== endpoint);
      await this.#settleWithout(endpoint, others, keep);
    } catch (error) {
      this.#endpoints = before;
      await this.#tolerate("connect again", () => this.#settle());
      throw error;
    }
    await this.#remove(endpoint);
  }

  /**
   * Publishes these ports from now on and no others; those that stay are left alone.
   * @throws conflict when a host port is taken; then all is as before
   */
  async setPorts(ports: PortsSpec): Promise<void> {
    const before = this.#spec;
    this.#spec = { ...before, ...ports };
    try {
      await this.#wayOut.republish(this.#endpoints, this.#spec);
      await this.#store();
    } catch (error) {
      this.#spec = before;
      await this.#tolerate("publish again", () => this.#wayOut.republish(this.#endpoints, before));
      throw error;
    }
  }

  /** Gives the container another name, under which it is found from now on. */
  async rename(containerName: string): Promise<void> {
    const before = this.#spec.containerName;
    this.#spec = { ...this.#spec, containerName };
    for (const endpoint of this.#endpoints) {
      const names = renamed(endpoint.record.names, { before, after: containerName });
      endpoint.record = { ...endpoint.record, containerName, names };
    }
    await this.#discovery.announceAgain(this.#endpoints);
    await this.#store();
  }

  /** Nobody finds the container by name any more: it has ended, and is about to be deleted. Never rejects. */
  async withdrawNames(): Promise<void> {
    await Promise.all(
      this.#endpoints.map((endpoint) =>
        this.#tolerate("withdraw names", () => this.#discovery.withdraw(endpoint)),
      ),
    );
  }

  /** Counters by interface name, as the container sees them; empty in the host's netns. */
  async statistics(): Promise<ReadonlyMap<string, InterfaceStatistics>> {
    const links = (await this.#netns?.netlink.links()) ?? [];
    const own = links.filter(({ loopback, index }) => !loopback && !this.#leaving.has(index));
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
    this.#endpoints = [...endpoints];
    const indexes = endpoints.map(({ record }) => record.link?.index ?? 0);
    this.#nextIndex = Math.max(2, ...indexes.map((index) => index + 1));
    this.#discovery.adopt();
    await this.#wayOut.adopt(this.#endpoints);
    await this.#settle();
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
    const hasLinks = this.#endpoints.some(({ record }) => record.spec.links.length > 0);
    if (!hasLinks || this.#deleted) return;
    await allDone([this.#discovery.settle(this.#endpoints), this.#links.settle(this.#endpoints)]);
  }

  async #join(spec: EndpointSpec): Promise<Endpoint> {
    const network = this.#parts.networks.find(spec.network);
    const others = this.#endpoints.map((own) => own.network);
    checkMixture(network, { sandbox: this.#spec, others });
    checkEndpoint(network, spec);
    checkInterfaceFree(spec, this.#interfaceNames());
    const remembered = this.#parts.memory.of(this.containerId, network.id);
    const endpoint = await joinNetwork(this.#parts, network, {
      spec,
      place: {
        sandboxId: this.id,
        spec: this.#spec,
        path: this.netnsPath,
        netns: this.#netns,
        hasIpv6: this.#hasIpv6,
        freeIndex: this.#nextIndex,
        freeName: (prefix) => this.#freeName(prefix, remembered?.interfaceName),
        remembered,
      },
    });
    this.#nextIndex = Math.max(this.#nextIndex, (endpoint.record.link?.index ?? 1) + 1);
    this.#endpoints.push(endpoint);
    this.#untold.push(endpoint);
    return endpoint;
  }

  #interfaceNames(): Set<string | undefined> {
    return new Set(this.#endpoints.map(({ record }) => record.link?.name));
  }

  #freeName(prefix: string, before: string | undefined): string {
    const chosen = this.#awaited.map(chosenInterfaceName);
    const had = this.#awaited.map(
      ({ network }) => this.#parts.memory.of(this.containerId, network)?.interfaceName,
    );
    return freeInterfaceName(prefix, {
      before,
      taken: [...this.#interfaceNames(), ...chosen],
      promised: had,
    });
  }

  /** Brings everything that depends on the whole set of endpoints in line with it. */
  async #settle({ leaving, keep }: Settling = {}): Promise<void> {
    const gone = leaving ? [leaving] : [];
    await allDone([
      this.#wayOut.settle(this.#endpoints, this.#spec, gone),
      this.#discovery.settle(this.#endpoints),
      this.#links.settle(this.#endpoints),
    ]);
    // last: what failed is not on record
    await this.#store({ leaving, keep });
    for (const endpoint of this.#untold.splice(0)) this.#advertise(endpoint);
    this.#keeper.changed(this, new Set([...gone, ...this.#endpoints].map(({ network }) => network)));
  }

  /** Nobody waits for it: what knows another's MAC for an address asks again by itself, only later. */
  #advertise(endpoint: Endpoint): void {
    const { background, log } = this.#parts;
    const netns = this.#netns;
    if (netns) background.run("announce addresses", () => advertise(log, endpoint, netns));
  }

  /** Has the others take over while an endpoint is still there: nothing leads to its link when that goes. */
  async #settleWithout(leaving: Endpoint, others: Endpoint[], keep?: Keep): Promise<void> {
    this.#endpoints = others;
    await this.#tolerate("withdraw names", () => this.#discovery.withdraw(leaving));
    await this.#settle({ leaving, keep });
  }

  /** Takes an endpoint away on which nothing depends any more. */
  async #remove(endpoint: Endpoint): Promise<void> {
    await this.#tolerate("close ports", () => revokeExternalConnectivity(endpoint));
    await this.#tolerate("leave", () =>
      leaveNetwork(this.#parts, endpoint, { netns: this.#netns, sandboxEnds: false }),
    );
    await forgetEndpoint(this.#parts, endpoint);
    const { link } = endpoint.record;
    if (link) this.#leaving.add(link.index);
    const isAside = await setLinkAside(endpoint, this.#netns).catch(() => false);
    // the kernel takes tens of milliseconds for a link, and nobody sees it any more
    this.#parts.background.run("delete endpoint", async () => {
      await deleteInDriver(endpoint, { linkIsAside: isAside });
      if (link) this.#leaving.delete(link.index);
    });
  }

  async #teardown(): Promise<void> {
    const endpoints = this.#endpoints;
    const { background } = this.#parts;
    await Promise.all([
      ...endpoints.map((endpoint) =>
        this.#tolerate("close ports", () => revokeExternalConnectivity(endpoint)),
      ),
      ...endpoints.map((endpoint) =>
        this.#tolerate("withdraw names", () => this.#discovery.withdraw(endpoint)),
      ),
      this.#tolerate("end resolver", () => this.#discovery.end()),
    ]);
    for (const endpoint of endpoints)
      await this.#tolerate("leave", () =>
        leaveNetwork(this.#parts, endpoint, { netns: this.#netns, sandboxEnds: true }),
      );
    await this.#tolerate("remove netns", async () => await this.#netns?.remove());
    await Promise.all(endpoints.map((endpoint) => forgetEndpoint(this.#parts, endpoint)));
    this.#endpoints = [];
    this.#keeper.ended(this);
    this.#keeper.changed(this, new Set(endpoints.map(({ network }) => network)));
    // the kernel takes tens of milliseconds for a link; it has a name of its own, so nobody needs to wait
    for (const endpoint of endpoints)
      background.run("delete endpoint", () => deleteInDriver(endpoint, { sandboxIsGone: true }));
    await deleteSandboxRecords(this.#parts, this.id, endpoints);
  }

  #store({ leaving, keep }: Settling = {}): Promise<void> {
    const record: SandboxRecord = { id: this.id, netnsPath: this.netnsPath, spec: this.#spec };
    return storeSandbox(this.#parts, { record, endpoints: this.#endpoints, leaving, keep });
  }

  async #tolerate(step: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#warn(step, error);
    }
  }

  #warn(step: string, error: unknown): void {
    this.#parts.log.warn({ sandbox: shortId(this.id), step, ...reasonOf(error) }, "sandbox step failed");
  }
}
