// What this host carries: a network comes with the first container that joins it here and goes a moment after the last:
// a container that is started again finds it as it was.

import type { ClusterAccess, Host, JoinRequest } from "../../src/driverapi/index.ts";
import { errorMessage, invalid } from "../../src/util/errors.ts";
import { shortId } from "../../src/util/ids.ts";
import { Undo } from "../../src/util/undo.ts";
import { CarriedNetwork } from "./carried.ts";
import type { Encryption } from "./encryption.ts";
import { FastPaths } from "./fast-path.ts";
import { guardOwner, netnsName, portName } from "./mark.ts";
import type { Membership } from "./membership.ts";
import { networkMtu, underlayMtu } from "./mtu.ts";
import { addressesOf, guardRule } from "./new-endpoint.ts";
import type { OverlayConfig } from "./options.ts";
import { inTurn, type OverlayEndpoint, type OverlayNetwork } from "./overlay-networks.ts";
import type { Peers } from "./peers.ts";
import { deletePort, makePort, repairPort, sweepPorts } from "./port.ts";
import { probeNetns } from "./probe-tunnel.ts";

export interface CarrierOptions {
  readonly membership: Membership;
  readonly peers: Peers;
  readonly encryption: Encryption;
  /** See `CarriedOptions`. */
  readonly sweepMs: number;
}

/** Owns the namespaces of networks. Calls about one network follow each other. */
export class Carrier {
  readonly #host: Host;
  readonly #membership: Membership;
  readonly #sweepMs: number;
  readonly #peers: Peers;
  readonly #encryption: Encryption;
  readonly #fastPaths: FastPaths;
  /** Everything on record has been replayed. */
  #isSwept = false;
  /** Networks without containers, until they go. */
  readonly #resting = new Map<OverlayNetwork, NodeJS.Timeout>();
  #restMs = 0;

  constructor(host: Host, { membership, peers, encryption, sweepMs }: CarrierOptions) {
    this.#host = host;
    this.#membership = membership;
    this.#sweepMs = sweepMs;
    this.#peers = peers;
    this.#encryption = encryption;
    this.#fastPaths = new FastPaths(host);
  }

  /** Guarded from its first frame. Answers its index in the sandbox. */
  addPort(
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
      const also = (index: number) => carried.fastPath.portRequests(index);
      const spec = { bridge: carried.bridge, mtu: carried.mtu, mac, name, also };
      undo.defer("delete port", () => deletePort(this.#host, carried.netns, endpointId));
      const port = await makePort(this.#host, carried.netns, { request, spec });
      undo.defer("forget port", () => carried.removePort(endpointId));
      await carried.addPort(endpointId, { port, mac, addresses: addressesOf(endpoint) });
      undo.forget();
      return port.indexInSandbox;
    });
  }

  /** After a start, for a container that has its link still. @throws invalid when it has none */
  adoptPort(network: OverlayNetwork, endpoint: OverlayEndpoint, endpointId: string): Promise<void> {
    return inTurn(network, async () => {
      const carried = await this.#carry(network);
      await this.#guard(network, carried, { endpointId, endpoint });
      const link = await carried.netns.netlink.link(portName(endpointId));
      if (!link) throw invalid(`the link of endpoint ${shortId(endpointId)} is gone`);
      endpoint.hasPort = true;
      const port = { index: link.index, indexInSandbox: link.peerIndex ?? 0 };
      const mac = endpoint.interface.macAddress;
      await carried.addPort(endpointId, { port, mac, addresses: addressesOf(endpoint) });
      await repairPort(this.#host, carried.netns, { endpointId, bridge: carried.bridge });
    });
  }

  /** `isLinkGone`: its other end went with the sandbox, and takes it along. */
  removePort(
    network: OverlayNetwork,
    endpointId: string,
    { isLinkGone }: { readonly isLinkGone: boolean },
  ): Promise<void> {
    return inTurn(network, async () => {
      const { carried } = network;
      if (!carried) return;
      await carried.removePort(endpointId);
      const goes = carried.size === 0 && this.#restMs === 0;
      if (!goes || !isLinkGone) await deletePort(this.#host, carried.netns, endpointId);
      if (goes) return await this.#release(network);
      if (carried.size === 0) this.#rest(network);
      // who is still there to send must not be able to before the port is gone
      await carried.netns.guards.set(guardOwner(endpointId), []);
    });
  }

  /** How long networks stay after their last container. 0: no longer, and those that have none by now go. */
  async setRest(restMs: number): Promise<void> {
    this.#restMs = restMs;
    if (restMs > 0) return;
    const resting = [...this.#resting.keys()];
    await Promise.all(resting.map((network) => inTurn(network, () => this.#dropIfUnused(network))));
  }

  /** What containers of a network have on this host now. */
  async mtu(config: OverlayConfig): Promise<number> {
    const cluster = this.#membership.need();
    const { address } = cluster.self;
    const { underlays } = this.#membership.share(cluster);
    await underlays.ready();
    const mtu = underlays.least(await underlayMtu(this.#host, address));
    return networkMtu(this.#host, config, { mtu, address });
  }

  /** Gives what is carried of a network the MTU that it should have; answers it, if it is another one. */
  async followUplink(network: OverlayNetwork): Promise<number | undefined> {
    const before = network.carried?.mtu;
    if (before === undefined) return undefined;
    const mtu = await this.mtu(network.config);
    if (mtu === before) return undefined;
    await inTurn(network, async () => network.carried?.setMtu(mtu));
    return mtu;
  }

  /** Takes a network away, whatever is on it. */
  drop(network: OverlayNetwork): Promise<void> {
    return inTurn(network, () => this.#release(network));
  }

  /** Removes what a crash left: ports of endpoints that nobody knows, namespaces of networks that nobody carries. */
  async sweep(networks: Iterable<OverlayNetwork>, endpointIds: ReadonlySet<string>): Promise<void> {
    this.#isSwept = true;
    const { netns, log } = this.#host;
    const carried = [...networks].flatMap((network) => network.carried ?? []);
    await Promise.all(carried.map((each) => sweepPorts(this.#host, each.netns, endpointIds)));
    await Promise.all(carried.map((each) => each.netns.startGuards()));
    const inUse = new Set(carried.map((each) => each.netns.name));
    if (this.#host.cluster) inUse.add(probeNetns);
    for (const name of await netns.list()) {
      if (inUse.has(name)) continue;
      log.info({ netns: name }, "removing a namespace that was left behind");
      await netns.remove(name);
    }
    this.#encryption.sweep();
    await this.#peers.sweep();
  }

  /** In turn. */
  async #carry(network: OverlayNetwork): Promise<CarriedNetwork> {
    this.#wake(network);
    if (network.carried) return network.carried;
    const { config, vnis } = network;
    const { networkId } = config;
    const cluster = this.#membership.need();
    const share = this.#membership.share(cluster);
    await using undo = new Undo(this.#host.log);
    undo.defer("release peers", () => this.#releasePeers(networkId));
    const name = netnsName(networkId);
    const opening = this.#host.netns.open(name);
    undo.defer("close netns", async () => {
      const netns = await opening.catch(() => undefined);
      if (netns) await (netns.isOld ? netns.close() : this.#host.netns.remove(name));
    });
    const holding = this.#holdPeers(network, cluster);
    const [netns, mtu] = await Promise.all([opening, this.mtu(config), holding]);
    // those of live containers that follow are in force still
    if (!netns.isOld || this.#isSwept) await netns.startGuards();
    const spec = { config, vnis, self: cluster.self, mtu };
    const options = { host: this.#host, cluster, spec, sweepMs: this.#sweepMs, fastPaths: this.#fastPaths };
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
    this.#wake(network);
    if (!carried) return;
    delete network.carried;
    await carried.remove();
    await this.#releasePeers(network.config.networkId);
  }

  /** Sealed, where that is asked for, before there is a tunnel. */
  async #holdPeers({ config, vnis }: OverlayNetwork, cluster: ClusterAccess): Promise<void> {
    const { networkId, encrypted } = config;
    if (encrypted) await this.#encryption.hold(networkId, vnis, cluster);
    await this.#peers.hold(networkId, cluster);
  }

  async #releasePeers(networkId: string): Promise<void> {
    this.#encryption.release(networkId);
    await this.#peers.release(networkId);
  }

  #rest(network: OverlayNetwork): void {
    const end = () => {
      inTurn(network, () => this.#dropIfUnused(network)).catch((error) => {
        const fields = { network: network.config.networkName, reason: errorMessage(error) };
        this.#host.log.warn(fields, "cannot take away what an overlay had on this host");
      });
    };
    this.#resting.set(network, setTimeout(end, this.#restMs).unref());
  }

  #wake(network: OverlayNetwork): void {
    clearTimeout(this.#resting.get(network));
    this.#resting.delete(network);
  }

  async #dropIfUnused(network: OverlayNetwork): Promise<void> {
    if (network.carried?.size === 0) await this.#release(network);
  }

  async #guard(
    { config }: OverlayNetwork,
    { netns }: CarriedNetwork,
    { endpointId, endpoint }: { readonly endpointId: string; readonly endpoint: OverlayEndpoint },
  ): Promise<void> {
    if (config.isGuarded) await netns.guards.set(guardOwner(endpointId), [guardRule(endpointId, endpoint)]);
  }
}
