// The overlay driver: one network over many hosts. A VXLAN tunnel per subnet between the hosts that need it; who is where
// the cluster's store says, and the kernel is told: nothing is learnt and nothing is flooded.

import type {
  ClusterAccess,
  ClusterStay,
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
  NetworkPeer,
} from "../../src/driverapi/index.ts";
import { nameInside } from "../../src/driverkit/index.ts";
import { errorMessage, forbidden, invalid, notImplemented } from "../../src/util/errors.ts";
import { shortId } from "../../src/util/ids.ts";
import { Undo } from "../../src/util/undo.ts";
import { Carrier } from "./carrier.ts";
import { describeOverlay, effectiveOptions } from "./describe.ts";
import { Encryption } from "./encryption.ts";
import { joinResponse } from "./join-response.ts";
import { portName } from "./mark.ts";
import { Membership } from "./membership.ts";
import { networkPeers } from "./network-peers.ts";
import { newEndpoint, publishedEndpoint } from "./new-endpoint.ts";
import {
  checkOverlayEndpoint,
  type OverlayConfig,
  optionNames,
  readOverlayConfig,
  segmentPools,
} from "./options.ts";
import { type OverlayEndpoint, type OverlayNetwork, OverlayNetworks } from "./overlay-networks.ts";
import { Peers } from "./peers.ts";
import { type ProbeIntervals, probeIntervals } from "./probes.ts";
import { endpointKey } from "./shared.ts";
import { OverlayStay } from "./stay.ts";
import { claimVnis, releaseVnis } from "./vnis.ts";

/** How often the kernel is compared with what is wanted although nothing was heard. */
const sweepMs = 30_000;
/** How long a network's netns waits for the next container when the last one has gone. */
const restMs = 5_000;

/** Builds the driver `overlay`. */
const createOverlayDriver: NetworkDriverFactory = (host) =>
  new OverlayDriver(host, { sweepMs, restMs, probes: probeIntervals });

export default createOverlayDriver;

/** The same with other intervals, for tests; networks go with their last container. */
export function createOverlayDriverWith(host: Host, intervals: Partial<OverlayIntervals>): NetworkDriver {
  return new OverlayDriver(host, { sweepMs, restMs: 0, probes: probeIntervals, ...intervals });
}

export interface OverlayIntervals {
  readonly sweepMs: number;
  readonly restMs: number;
  readonly probes: ProbeIntervals;
}

class OverlayDriver implements NetworkDriver {
  readonly name = "overlay";
  readonly capabilities = { scope: "global", connectivityScope: "global", replay: true } as const;
  readonly networkOptions: ReadonlySet<string> = new Set([
    optionNames.antispoof,
    optionNames.multicast,
    optionNames.fastPath,
  ]);
  readonly #host: Host;
  readonly #networks = new OverlayNetworks();
  readonly #membership: Membership;
  readonly #carrier: Carrier;
  readonly #peers: Peers;
  readonly #probeIntervals: ProbeIntervals;
  readonly #restMs: number;
  readonly #background = new Set<Promise<unknown>>();
  #hasVxlan: boolean | undefined;
  #stay: { readonly cluster: ClusterAccess; readonly begun: Promise<OverlayStay> } | undefined;

  constructor(host: Host, { sweepMs, restMs, probes }: OverlayIntervals) {
    this.#host = host;
    this.#membership = new Membership(host);
    const encryption = new Encryption(host);
    this.#peers = new Peers(host, encryption);
    this.#probeIntervals = probes;
    this.#restMs = restMs;
    const { membership, peers } = { membership: this.#membership, peers: this.#peers };
    this.#carrier = new Carrier(host, { membership, peers, encryption, sweepMs });
  }

  async createNetwork(request: CreateNetworkRequest): Promise<void> {
    const { networkId } = request;
    if (this.#networks.get(networkId)) return;
    const config = readOverlayConfig(request);
    const { records } = this.#host;
    const noted = records.get(networkId) as readonly number[] | undefined;
    if (!noted) this.#membership.need();
    await this.#needKernel(config);
    // what a restart finds on record needs no store
    if (noted) return void this.#networks.add(config, noted);
    const { cluster, tables } = await this.#membership.reach();
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
    if (network) await this.#carrier.drop(network);
    if (this.#host.cluster && this.#host.records.has(networkId)) {
      const { cluster, tables } = await this.#membership.reach();
      await releaseVnis(cluster, tables, networkId);
    }
    // last: what failed may be tried again
    await this.#host.records.delete(networkId);
    this.#networks.forget(networkId);
  }

  async forgetNetwork({ networkId }: { networkId: string }): Promise<void> {
    const network = this.#networks.get(networkId);
    if (network) await this.#carrier.drop(network);
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
    return { ...endpoint.interface };
  }

  async deleteEndpoint({ networkId, endpointId, ...link }: DeleteEndpointRequest): Promise<void> {
    const network = this.#networks.get(networkId);
    const endpoint = network?.endpoints.get(endpointId);
    network?.endpoints.delete(endpointId);
    this.#membership.current?.published.delete(endpointKey(networkId, endpointId));
    if (!network || !endpoint?.hasPort) return;
    const gone = this.#carrier.removePort(network, endpointId, { isLinkGone: link.sandboxIsGone === true });
    if (link.sandboxIsGone || link.linkIsAside) this.#behind("delete port", gone);
    else await gone;
  }

  async join(request: JoinRequest): Promise<JoinResponse> {
    const { network, endpoint } = this.#networks.findEndpoint(request);
    if (endpoint.joined?.sandboxKey === request.sandboxKey) return endpoint.joined.response;
    if (endpoint.joined)
      throw forbidden(`endpoint ${shortId(request.endpointId)} has joined another sandbox already`);
    const { config } = network;
    const naming = { prefix: config.interfacePrefix, suggested: request.suggestedName };
    const name = nameInside(endpoint.driverOpts, naming);
    const srcName = name ?? portName(request.endpointId);
    const indexInSandbox = await this.#carrier.addPort(network, endpoint, { request, name: srcName });
    const response = joinResponse({
      config,
      interface: endpoint.interface,
      driverOpts: endpoint.driverOpts,
      srcName,
      dstName: name,
      indexInSandbox,
    });
    endpoint.joined = { sandboxKey: request.sandboxKey, response };
    this.#publish(network, endpoint, request);
    return response;
  }

  async leave({ networkId, endpointId }: EndpointRef): Promise<void> {
    const endpoint = this.#networks.get(networkId)?.endpoints.get(endpointId);
    if (endpoint) delete endpoint.joined;
    this.#membership.current?.published.delete(endpointKey(networkId, endpointId));
  }

  async rejoin(request: JoinRequest): Promise<void> {
    const { network, endpoint } = this.#networks.findEndpoint(request);
    await this.#carrier.adoptPort(network, endpoint, request.endpointId);
    this.#publish(network, endpoint, request);
  }

  async sweep({
    networkIds,
    endpointIds,
  }: Parameters<NonNullable<NetworkDriver["sweep"]>>[0]): Promise<void> {
    await this.#carrier.sweep(this.#networks.all(), endpointIds);
    const { records, cluster } = this.#host;
    for (const [id] of [...records.entries()]) if (!networkIds.has(id)) await records.delete(id);
    if (cluster) this.#membership.share(cluster).published.sweep();
  }

  async enterCluster(cluster: ClusterAccess): Promise<ClusterStay> {
    const stay = this.#stay?.cluster === cluster ? await this.#stay.begun : undefined;
    if (stay && !stay.hasEnded) return stay;
    const begun = OverlayStay.begin({
      host: this.#host,
      cluster,
      membership: this.#membership,
      peers: this.#peers,
      intervals: this.#probeIntervals,
      restMs: this.#restMs,
      setRest: (ms) => this.#carrier.setRest(ms),
    });
    this.#stay = { cluster, begun };
    return await begun;
  }

  peers({ networkId }: { networkId: string }): readonly NetworkPeer[] {
    const { cluster } = this.#host;
    const tables = this.#membership.current?.opened;
    return cluster && tables ? networkPeers(cluster, tables, networkId) : [];
  }

  async followUplink() {
    await (await this.#stay?.begun)?.look();
    const changed: { networkId: string; mtu: number }[] = [];
    for (const network of this.#networks.all()) {
      const mtu = await this.#carrier.followUplink(network);
      if (mtu !== undefined) changed.push({ networkId: network.config.networkId, mtu });
    }
    return changed;
  }

  async settle(): Promise<void> {
    while (this.#background.size > 0) await Promise.allSettled(this.#background);
    await Promise.allSettled([...this.#networks.all()].map(({ carried }) => carried?.settle()));
    await this.#membership.current?.published.settle();
  }

  async effectiveOptions({ networkId }: { networkId: string }) {
    const { config, vnis, carried } = this.#networks.find(networkId);
    return effectiveOptions(config, { vnis, mtu: carried?.mtu ?? config.underlayMtu });
  }

  describeNetwork({ networkId }: { networkId: string }): Promise<NetworkDescription> {
    const { vnis, endpoints, carried } = this.#networks.find(networkId);
    return describeOverlay(carried, { vnis, endpointIds: endpoints.keys() });
  }

  #publish(network: OverlayNetwork, endpoint: OverlayEndpoint, { networkId, endpointId }: EndpointRef): void {
    const cluster = this.#membership.need();
    const record = publishedEndpoint(network, endpoint, cluster.self.id);
    this.#membership.share(cluster).published.set(endpointKey(networkId, endpointId), record);
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
    const lack =
      (await link.lackOfEsp(this.#membership.need().self.address.family)) ??
      (await this.#host.tunnels.lackOfSeals?.());
    // never in clear where it was asked for
    if (lack) throw notImplemented(`overlay encryption needs ${lack}: this kernel has none`);
  }

  #behind(doing: string, work: Promise<unknown>): void {
    const quiet = work.catch((error) => {
      this.#host.log.warn({ doing, reason: errorMessage(error) }, "a step behind an answer failed");
    });
    this.#background.add(quiet);
    void quiet.finally(() => this.#background.delete(quiet));
  }
}
