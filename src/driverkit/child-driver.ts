// The life of networks whose endpoints are links on a parent: what macvlan and ipvlan have in common. Their own words
// (modes, gateways, the message that makes a link) come in as a `ChildKind`.

import type {
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
  NetworkOptions,
  Parent,
  PoolData,
} from "../driverapi/index.ts";
import { type Prefix, prefixContains } from "../netip/index.ts";
import { forbidden, invalid, notFound, notImplemented } from "../util/errors.ts";
import { shortId } from "../util/ids.ts";
import { Undo } from "../util/undo.ts";
import type { ChildEndpoint, ChildKind } from "./child-kind.ts";
import { deleteMovedLink, makeChildLink, repairChildLink } from "./child-link.ts";
import { type ChildNetworkConfig, childOptionNames, isInternal } from "./child-options.ts";
import { checkEndpointOptions, chosenSysctls } from "./endpoint-options.ts";

interface ChildNetwork<C> {
  readonly config: C;
  readonly endpoints: Map<string, JoiningEndpoint>;
}

interface JoiningEndpoint extends ChildEndpoint {
  joined?: { readonly sandboxKey: string; readonly response: JoinResponse };
}

/** Builds a driver of such a kind. */
export function createChildDriver<C extends ChildNetworkConfig>(
  host: Host,
  kind: ChildKind<C>,
): NetworkDriver {
  return new ChildDriver(host, kind);
}

/** Gateway of the subnet that an address is in, if the user gave one. */
export function gatewayFor(pools: readonly PoolData[], own: Prefix | undefined): Prefix | undefined {
  return own && pools.find(({ pool }) => prefixContains(pool, own.address))?.gateway;
}

class ChildDriver<C extends ChildNetworkConfig> implements NetworkDriver {
  readonly name: string;
  readonly capabilities = { scope: "local", connectivityScope: "global", replay: true } as const;
  readonly networkOptions: ReadonlySet<string> = new Set();
  readonly #host: Host;
  readonly #kind: ChildKind<C>;
  readonly #networks = new Map<string, ChildNetwork<C>>();
  #isInKernel: boolean | undefined;

  constructor(host: Host, kind: ChildKind<C>) {
    this.#host = host;
    this.#kind = kind;
    this.name = kind.name;
  }

  /** A gateway is on the parent's wire: only the user knows its address. */
  async checkGateway(options: NetworkOptions) {
    this.#kind.checkOptions(options);
    return { skipIpv4: true, skipIpv6: true, internal: isInternal(options) };
  }

  async createNetwork(request: CreateNetworkRequest): Promise<void> {
    const { networkId } = request;
    if (this.#networks.has(networkId)) return;
    const config = this.#kind.readConfig(request);
    if (config.ipv6.length > 0 && !this.#host.settings.ipv6)
      throw invalid("IPv6 networks need IPv6 in the host's kernel, which has none");
    this.#checkBeside(config);
    this.#networks.set(networkId, { config, endpoints: new Map() });
    await using undo = new Undo(this.#host.log);
    undo.defer("forget network", () => this.#networks.delete(networkId));
    undo.defer("release parent", () => this.#host.parents.release(networkId));
    await this.#needKernel();
    const parent = await this.#holdParent(config);
    if (config.mtu !== undefined && config.mtu > parent.mtu)
      throw invalid(`an MTU of ${config.mtu} is more than parent ${parent.name} has (${parent.mtu})`);
    undo.forget();
  }

  async deleteNetwork({ networkId }: { networkId: string }): Promise<void> {
    await this.#host.parents.release(networkId);
    // last: what failed may be tried again
    this.#networks.delete(networkId);
  }

  checkEndpoint({ driverOpts }: Pick<EndpointOptions, "driverOpts">): void {
    checkEndpointOptions(driverOpts, { driver: this.name });
  }

  async createEndpoint(request: CreateEndpointRequest): Promise<EndpointInterface> {
    const { config, endpoints } = this.#network(request.networkId);
    const known = endpoints.get(request.endpointId);
    if (known) return { ...known.interface };
    const { options, interface: asked } = request;
    this.checkEndpoint(options);
    this.#kind.checkEndpoint(config, request);
    const mac =
      asked.macAddress ??
      options.macAddress ??
      (await this.#kind.chooseMac(config, request, () => this.#holdParent(config)));
    const own = { ...asked, ...(mac && { macAddress: mac }) };
    endpoints.set(request.endpointId, { interface: own, options });
    return { ...own };
  }

  /** The link goes with its sandbox or by the controller; one that was moved in came back to the host. */
  async deleteEndpoint({ networkId, endpointId }: DeleteEndpointRequest): Promise<void> {
    const network = this.#networks.get(networkId);
    const endpoint = network?.endpoints.get(endpointId);
    network?.endpoints.delete(endpointId);
    if (!network || !endpoint || !this.#kind.isMoved(network.config, endpoint)) return;
    await deleteMovedLink(this.#host, endpointId);
  }

  async join(request: JoinRequest): Promise<JoinResponse> {
    const { network, endpoint } = this.#endpoint(request);
    if (endpoint.joined?.sandboxKey === request.sandboxKey) return endpoint.joined.response;
    if (endpoint.joined)
      throw forbidden(`endpoint ${shortId(request.endpointId)} has joined another sandbox already`);
    const link = await this.#makeLink(request, network.config, endpoint);
    const response = { ...this.#answer(network.config, endpoint), link };
    endpoint.joined = { sandboxKey: request.sandboxKey, response };
    return response;
  }

  /** The parent is made again, or put up, where somebody took it away; what the link says of itself is compared. */
  async rejoin(request: JoinRequest): Promise<void> {
    const { network, endpoint } = this.#endpoint(request);
    await this.#holdParent(network.config);
    if (!this.#kind.isMoved(network.config, endpoint))
      await repairChildLink(this.#host, this.#kind, { request, config: network.config });
  }

  async leave({ networkId, endpointId }: EndpointRef): Promise<void> {
    const endpoint = this.#networks.get(networkId)?.endpoints.get(endpointId);
    if (endpoint) delete endpoint.joined;
  }

  async sweep(): Promise<void> {
    await this.#host.parents.sweep();
  }

  async effectiveOptions({ networkId }: { networkId: string }): Promise<Readonly<Record<string, string>>> {
    const { config } = this.#network(networkId);
    const parent = config.parent ?? dummyName(networkId);
    const mtu = config.mtu ?? (await this.#host.netlink.link(parent))?.mtu;
    return {
      [childOptionNames.parent]: parent,
      ...(mtu !== undefined && { [childOptionNames.mtu]: String(mtu) }),
      [childOptionNames.interfacePrefix]: config.interfacePrefix,
      ...this.#kind.describe(config),
    };
  }

  /** Nothing but the parent is on the host; there are no rules for what does not pass it. */
  async describeNetwork({ networkId }: { networkId: string }): Promise<NetworkDescription> {
    const { config, endpoints } = this.#network(networkId);
    const { netlink } = this.#host;
    const name = config.parent ?? dummyName(networkId);
    const link = await netlink.link(name);
    const own = link ? await netlink.addresses({ link: link.index }) : [];
    const parent = link && {
      index: link.index,
      ...(link.mac && { mac: link.mac }),
      mtu: link.mtu,
      up: link.up,
      addresses: own.map(({ prefix }) => prefix),
    };
    return {
      links: [{ role: "parent", name, ...parent }],
      rules: [],
      endpoints: new Map([...endpoints.keys()].map((id) => [id, { rules: [] }])),
    };
  }

  #checkBeside(config: C): void {
    for (const { config: other } of this.#networks.values())
      if (config.parent !== undefined && other.parent === config.parent)
        this.#kind.checkBeside(config, other);
  }

  /** Asked once: what the kernel lacks it will lack until the next start. */
  async #needKernel(): Promise<void> {
    const { name, kernelOption } = this.#kind;
    this.#isInKernel ??= await this.#host.link.hasLinkKind(this.#host.netlink, name);
    if (!this.#isInKernel)
      throw notImplemented(`${name} networks need ${kernelOption}: this kernel has none`);
  }

  #holdParent({ networkId, parent }: C): Promise<Parent> {
    return this.#host.parents.hold({
      owner: networkId,
      driver: this.name,
      name: parent ?? dummyName(networkId),
      isDummy: parent === undefined,
    });
  }

  /** Looks for the parent anew: it may have come back with another index, and a sub-interface is made again. */
  async #makeLink(
    request: JoinRequest,
    config: C,
    endpoint: ChildEndpoint,
  ): Promise<NonNullable<JoinResponse["link"]>> {
    const parent = await this.#holdParent(config);
    return await makeChildLink(this.#host, this.#kind, { request, config, endpoint, parent });
  }

  #answer(config: C, endpoint: ChildEndpoint): Omit<JoinResponse, "link"> {
    const { interface: own, options } = endpoint;
    const wayOut = config.internal ? { staticRoutes: [] } : this.#kind.wayOut(config, own);
    // a router that nobody named may still speak for an IPv6 network without a gateway
    const isRouterKnown =
      config.internal || wayOut.gatewayIpv6 !== undefined || wayOut.staticRoutes.length > 0;
    const noAdvertisements =
      own.addressIpv6 && isRouterKnown ? { "net.ipv6.conf.IFNAME.accept_ra": "0" } : {};
    return {
      ...wayOut,
      disableGatewayService: true,
      isExternal: !config.internal,
      sysctls: { ...noAdvertisements, ...chosenSysctls(options.driverOpts) },
    };
  }

  #network(networkId: string): ChildNetwork<C> {
    const network = this.#networks.get(networkId);
    if (!network) throw notFound(`network ${networkId} does not exist`);
    return network;
  }

  #endpoint({ networkId, endpointId }: EndpointRef) {
    const network = this.#network(networkId);
    const endpoint = network.endpoints.get(endpointId);
    if (!endpoint) throw notFound(`endpoint ${endpointId} does not exist`);
    return { network, endpoint };
  }
}

/** Name of the dummy link of a network without a parent (Docker's). */
function dummyName(networkId: string): string {
  return `dm-${networkId.slice(0, 12)}`;
}
