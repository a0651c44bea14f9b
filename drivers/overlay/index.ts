// The overlay driver: one network over many hosts. A VXLAN tunnel per subnet between the hosts that need it; who is where
// the cluster's store says, and the kernel is told: nothing is learnt and nothing is flooded.

import type {
  ClusterAccess,
  CreateEndpointRequest,
  CreateNetworkRequest,
  DeleteEndpointRequest,
  EndpointInterface,
  EndpointOptions,
  EndpointRef,
  Host,
  JoinRequest,
  JoinResponse,
  NetworkDescription,
  NetworkDriver,
  NetworkDriverFactory,
} from "../../src/driverapi/index.ts";
import { chosenName } from "../../src/driverkit/index.ts";
import { errorMessage, forbidden, invalid, notImplemented } from "../../src/util/errors.ts";
import { shortId } from "../../src/util/ids.ts";
import { Undo } from "../../src/util/undo.ts";
import { CarriedNetwork } from "./carried.ts";
import { describeOverlay, effectiveOptions } from "./describe.ts";
import { joinResponse } from "./join-response.ts";
import { guardOwner, markedId, netnsName, portName } from "./mark.ts";
import { networkMtu, underlayMtu } from "./mtu.ts";
import { guardRule, newEndpoint, publishedEndpoint } from "./new-endpoint.ts";
import {
  checkOverlayEndpoint,
  type OverlayConfig,
  optionNames,
  readOverlayConfig,
  segmentPools,
} from "./options.ts";
import { inTurn, type OverlayEndpoint, type OverlayNetwork, OverlayNetworks } from "./overlay-networks.ts";
import { Peers } from "./peers.ts";
import { deletePort, makePort, repairPort } from "./port.ts";
import { Share } from "./share.ts";
import { endpointKey } from "./shared.ts";
import { claimVnis, releaseVnis } from "./vnis.ts";

/** How often the kernel is compared with what is wanted although nothing was heard. */
const sweepMs = 30_000;

/** Builds the driver `overlay`. */
const createOverlayDriver: NetworkDriverFactory = (host) => new OverlayDriver(host, { sweepMs });

export default createOverlayDriver;

/** The same with other intervals, for tests. */
export function createOverlayDriverWith(host: Host, intervals: { readonly sweepMs: number }): NetworkDriver {
  return new OverlayDriver(host, intervals);
}

class OverlayDriver implements NetworkDriver {
  readonly name = "overlay";
  readonly capabilities = { scope: "global", connectivityScope: "global", replay: true } as const;
  readonly networkOptions: ReadonlySet<string> = new Set([optionNames.antispoof, optionNames.multicast]);
  readonly #host: Host;
  readonly #intervals: { readonly sweepMs: number };
  readonly #networks = new OverlayNetworks();
  readonly #peers: Peers;
  readonly #background = new Set<Promise<unknown>>();
  #shared: Share | undefined;
  /** Everything on record has been replayed. */
  #isSwept = false;
  #hasVxlan: boolean | undefined;

  constructor(host: Host, intervals: { readonly sweepMs: number }) {
    this.#host = host;
    this.#intervals = intervals;
    this.#peers = new Peers(host);
  }

  async createNetwork(request: CreateNetworkRequest): Promise<void> {
    const { networkId } = request;
    if (this.#networks.get(networkId)) return;
    const config = readOverlayConfig(request);
    const { records } = this.#host;
    const noted = records.get(networkId) as readonly number[] | undefined;
    if (!noted) this.#need();
    await this.#needKernel(config);
    // what a restart finds on record needs no store
    if (noted) return void this.#networks.add(config, noted);
    const { cluster, tables } = await this.#reach();
    const count = segmentPools(config).length;
    const { vnis, isNew } = await claimVnis(cluster, tables, {
      networkId,
      count,
      presets: config.presetVnis,
    });
    await using undo = new Undo(this.#host.log);
    if (isNew) undo.defer("release VNIs", () => releaseVnis(cluster, tables, networkId));
    if (vnis.length !== count)
      throw invalid(`network ${config.networkName} has ${vnis.length} VNIs and ${count} subnets`);
    await records.put(networkId, vnis);
    this.#networks.add(config, vnis);
    undo.forget();
  }

  async deleteNetwork({ networkId }: { networkId: string }): Promise<void> {
    const network = this.#networks.get(networkId);
    if (network) await this.#drop(network);
    if (this.#host.cluster && this.#host.records.has(networkId)) {
      const { cluster, tables } = await this.#reach();
      await releaseVnis(cluster, tables, networkId);
    }
    // last: what failed may be tried again
    await this.#host.records.delete(networkId);
    this.#networks.forget(networkId);
  }

  checkEndpoint({ driverOpts }: Pick<EndpointOptions, "driverOpts">): void {
    checkOverlayEndpoint(driverOpts);
  }

  async createEndpoint(request: CreateEndpointRequest): Promise<EndpointInterface> {
    const { endpoints } = this.#networks.find(request.networkId);
    const endpoint = endpoints.get(request.endpointId) ?? newEndpoint(request);
    endpoints.set(request.endpointId, endpoint);
    return endpoint.interface;
  }

  async deleteEndpoint({ networkId, endpointId, ...link }: DeleteEndpointRequest): Promise<void> {
    const network = this.#networks.get(networkId);
    const endpoint = network?.endpoints.get(endpointId);
    network?.endpoints.delete(endpointId);
    this.#shared?.publisher.delete(endpointKey(networkId, endpointId));
    if (!network || !endpoint?.hasPort) return;
    const gone = this.#removePort(network, endpointId, { isLinkGone: link.sandboxIsGone === true });
    if (link.sandboxIsGone || link.linkIsAside) this.#behind("delete port", gone);
    else await gone;
  }

  async join(request: JoinRequest): Promise<JoinResponse> {
    const { network, endpoint } = this.#networks.findEndpoint(request);
    if (endpoint.joined?.sandboxKey === request.sandboxKey) return endpoint.joined.response;
    if (endpoint.joined)
      throw forbidden(`endpoint ${shortId(request.endpointId)} has joined another sandbox already`);
    const { config } = network;
    const name = chosenName(endpoint.driverOpts);
    const isSuggested = name === undefined && config.interfacePrefix === "eth";
    // under a prefix of its own the controller picks the number: only it knows which are free
    const srcName = name ?? (isSuggested ? request.suggestedName : portName(request.endpointId));
    const indexInSandbox = await this.#addPort(network, endpoint, { request, name: srcName });
    const response = joinResponse({
      config,
      interface: endpoint.interface,
      driverOpts: endpoint.driverOpts,
      srcName,
      dstName: name ?? (isSuggested ? srcName : undefined),
      indexInSandbox,
    });
    endpoint.joined = { sandboxKey: request.sandboxKey, response };
    this.#publish(network, endpoint, request);
    return response;
  }

  async leave({ networkId, endpointId }: EndpointRef): Promise<void> {
    const endpoint = this.#networks.get(networkId)?.endpoints.get(endpointId);
    if (endpoint) delete endpoint.joined;
    this.#shared?.publisher.delete(endpointKey(networkId, endpointId));
  }

  async rejoin(request: JoinRequest): Promise<void> {
    const { network, endpoint } = this.#networks.findEndpoint(request);
    const { endpointId } = request;
    endpoint.hasPort = true;
    await inTurn(network, async () => {
      const carried = await this.#carry(network);
      await this.#guard(network, carried, { endpointId, endpoint });
      const link = await carried.netns.netlink.link(portName(endpointId));
      if (!link) throw invalid(`the link of endpoint ${shortId(endpointId)} is gone`);
      const port = { index: link.index, indexInSandbox: link.peerIndex ?? 0 };
      await carried.addPort(endpointId, { port, mac: endpoint.interface.macAddress });
      await repairPort(this.#host, carried.netns, { endpointId, bridge: carried.bridge });
    });
    this.#publish(network, endpoint, request);
  }

  async sweep({
    networkIds,
    endpointIds,
  }: Parameters<NonNullable<NetworkDriver["sweep"]>>[0]): Promise<void> {
    this.#isSwept = true;
    const { netns, log, records } = this.#host;
    const carried = [...this.#networks.all()].flatMap((network) => network.carried ?? []);
    await Promise.all(carried.map((each) => this.#sweepPorts(each, endpointIds)));
    await Promise.all(carried.map((each) => each.netns.startGuards()));
    const inUse = new Set(carried.map((each) => each.netns.name));
    for (const name of await netns.list()) {
      if (inUse.has(name)) continue;
      log.info({ netns: name }, "removing a namespace that was left behind");
      await netns.remove(name);
    }
    for (const id of [...records.entries()].map(([key]) => key))
      if (!networkIds.has(id)) await records.delete(id);
    if (this.#host.cluster) this.#share(this.#host.cluster).publisher.sweep();
    await this.#peers.sweep();
  }

  async followUplink() {
    const changed: { networkId: string; mtu: number }[] = [];
    for (const network of this.#networks.all()) {
      const before = network.carried?.mtu;
      if (before === undefined) continue;
      const mtu = await this.#mtu(network.config);
      if (mtu === before) continue;
      await inTurn(network, async () => network.carried?.setMtu(mtu));
      changed.push({ networkId: network.config.networkId, mtu });
    }
    return changed;
  }

  async settle(): Promise<void> {
    while (this.#background.size > 0) await Promise.allSettled(this.#background);
    await Promise.allSettled([...this.#networks.all()].map(({ carried }) => carried?.settle()));
    await this.#shared?.publisher.settle();
  }

  async effectiveOptions({ networkId }: { networkId: string }) {
    const { config, vnis, carried } = this.#networks.find(networkId);
    return effectiveOptions(config, { vnis, mtu: carried?.mtu ?? config.underlayMtu });
  }

  describeNetwork({ networkId }: { networkId: string }): Promise<NetworkDescription> {
    const { vnis, endpoints, carried } = this.#networks.find(networkId);
    return describeOverlay(carried?.netns, { vnis, endpointIds: endpoints.keys() });
  }

  /** Guarded from its first frame. Answers its index in the sandbox. */
  #addPort(
    network: OverlayNetwork,
    endpoint: OverlayEndpoint,
    { request, name }: { readonly request: JoinRequest; readonly name: string },
  ): Promise<number> {
    const { endpointId } = request;
    const mac = endpoint.interface.macAddress;
    return inTurn(network, async () => {
      await using undo = new Undo(this.#host.log);
      undo.defer("leave network", () => this.#dropIfUnused(network));
      const carried = await this.#carry(network);
      endpoint.hasPort = true;
      undo.defer("unguard port", () => carried.netns.guards.set(guardOwner(endpointId), []));
      await this.#guard(network, carried, { endpointId, endpoint });
      const spec = { bridge: carried.bridge, mtu: carried.mtu, mac, name };
      undo.defer("delete port", () => deletePort(this.#host, carried.netns, endpointId));
      const port = await makePort(this.#host, carried.netns, { request, spec });
      undo.defer("forget port", () => carried.removePort(endpointId));
      await carried.addPort(endpointId, { port, mac });
      undo.forget();
      return port.indexInSandbox;
    });
  }

  /** With the last one goes the netns. `isLinkGone`: its other end went with the sandbox, and takes it along. */
  #removePort(
    network: OverlayNetwork,
    endpointId: string,
    { isLinkGone }: { readonly isLinkGone: boolean },
  ): Promise<void> {
    return inTurn(network, async () => {
      const { carried } = network;
      if (!carried) return;
      await carried.removePort(endpointId);
      if (carried.size > 0 || !isLinkGone) await deletePort(this.#host, carried.netns, endpointId);
      if (carried.size === 0) return await this.#release(network);
      // who is still there to send must not be able to before the port is gone
      await carried.netns.guards.set(guardOwner(endpointId), []);
    });
  }

  async #guard(
    { config }: OverlayNetwork,
    { netns }: CarriedNetwork,
    { endpointId, endpoint }: { readonly endpointId: string; readonly endpoint: OverlayEndpoint },
  ): Promise<void> {
    if (config.isGuarded) await netns.guards.set(guardOwner(endpointId), [guardRule(endpointId, endpoint)]);
  }

  /** In turn. */
  async #carry(network: OverlayNetwork): Promise<CarriedNetwork> {
    if (network.carried) return network.carried;
    const { config, vnis } = network;
    const { networkId } = config;
    const cluster = this.#need();
    const share = this.#share(cluster);
    await using undo = new Undo(this.#host.log);
    undo.defer("release peers", () => this.#peers.release(networkId));
    const name = netnsName(networkId);
    const opening = this.#host.netns.open(name);
    const [mtu] = await Promise.all([
      this.#mtu(config),
      this.#peers.hold(networkId, cluster),
      opening.catch(() => undefined),
    ]);
    const netns = await opening;
    undo.defer("close netns", () => (netns.isOld ? netns.close() : this.#host.netns.remove(name)));
    // those of live containers that follow are in force still
    if (!netns.isOld || this.#isSwept) await netns.startGuards();
    const spec = { config, vnis, self: cluster.self, mtu };
    const options = { host: this.#host, cluster, spec, sweepMs: this.#intervals.sweepMs };
    const carried = await CarriedNetwork.open(netns, options);
    share.tables.then(
      (tables) => carried.connect(tables),
      () => undefined,
    );
    network.carried = carried;
    undo.forget();
    return carried;
  }

  /** In turn: takes a network that has no ports away. */
  async #release(network: OverlayNetwork): Promise<void> {
    const { carried } = network;
    if (!carried) return;
    delete network.carried;
    await carried.remove();
    await this.#peers.release(network.config.networkId);
  }

  async #dropIfUnused(network: OverlayNetwork): Promise<void> {
    if (network.carried?.size === 0) await this.#release(network);
  }

  #drop(network: OverlayNetwork): Promise<void> {
    return inTurn(network, () => this.#release(network));
  }

  async #mtu(config: OverlayConfig): Promise<number> {
    const { address } = this.#need().self;
    return networkMtu(this.#host, config, { mtu: await underlayMtu(this.#host, address), address });
  }

  #publish(network: OverlayNetwork, endpoint: OverlayEndpoint, { networkId, endpointId }: EndpointRef): void {
    const cluster = this.#need();
    const record = publishedEndpoint(network, endpoint, cluster.self.id);
    this.#share(cluster).publisher.set(endpointKey(networkId, endpointId), record);
  }

  /** Deletes ports of endpoints that nobody knows. */
  async #sweepPorts({ netns }: CarriedNetwork, endpointIds: ReadonlySet<string>): Promise<void> {
    const { deleteLink, unless } = this.#host.link;
    const strays = (await netns.netlink.links()).filter(({ alias }) => {
      const id = markedId(alias);
      return id !== undefined && !endpointIds.has(id);
    });
    for (const { name, alias } of strays)
      this.#host.log.info({ link: name, alias }, "removing a link that was left behind");
    if (strays.length === 0) return;
    await unless(["ENODEV"], netns.netlink.send(...strays.map(({ index }) => deleteLink(index))));
  }

  /** @throws forbidden without a cluster */
  #need(): ClusterAccess {
    const { cluster } = this.#host;
    if (!cluster)
      throw forbidden(
        "overlay networks need a cluster, and this host is in none: see tsdocker cluster init and --cluster-store",
      );
    return cluster;
  }

  #share(cluster: ClusterAccess): Share {
    if (this.#shared?.cluster === cluster) return this.#shared;
    this.#shared?.close();
    this.#shared = new Share(cluster, this.#host);
    return this.#shared;
  }

  async #reach() {
    const cluster = this.#need();
    return { cluster, tables: await this.#share(cluster).known() };
  }

  /** Asked once: what the kernel lacks it will lack until the next start. */
  async #needKernel({ encrypted, ipv6 }: OverlayConfig): Promise<void> {
    const { link, netlink, settings } = this.#host;
    this.#hasVxlan ??= await link.hasLinkKind(netlink, "vxlan");
    if (!this.#hasVxlan)
      throw notImplemented("overlay networks need VXLAN (CONFIG_VXLAN): this kernel has none");
    if (ipv6.length > 0 && !settings.ipv6)
      throw invalid("IPv6 networks need IPv6 in the host's kernel, which has none");
    if (!encrypted) return;
    const lack = await link.lackOfEsp(this.#need().self.address.family);
    if (lack) throw notImplemented(`overlay encryption needs ${lack}: this kernel has none`);
    // never in clear where it was asked for
    throw notImplemented("overlay networks cannot be encrypted yet");
  }

  #behind(doing: string, work: Promise<unknown>): void {
    const quiet = work.catch((error) => {
      this.#host.log.warn({ doing, reason: errorMessage(error) }, "a step behind an answer failed");
    });
    this.#background.add(quiet);
    void quiet.finally(() => this.#background.delete(quiet));
  }
}
