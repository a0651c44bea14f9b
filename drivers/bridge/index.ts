// The bridge driver: a Linux bridge per network, a veth pair per endpoint, isolation and published ports by the firewall.

import type {
  CreateEndpointRequest,
  CreateNetworkRequest,
  DeleteEndpointRequest,
  EndpointInterface,
  EndpointRef,
  Host,
  JoinRequest,
  JoinResponse,
  LinksRequest,
  NetworkDescription,
  NetworkDriver,
  NetworkDriverFactory,
} from "../../src/driverapi/index.ts";
import { chosenName, chosenSysctls } from "../../src/driverkit/index.ts";
import {
  type Address,
  derivedMac,
  formatAddress,
  type Mac,
  type Prefix,
  randomMac,
} from "../../src/netip/index.ts";
import { allDone } from "../../src/util/all-done.ts";
import { conflict, forbidden, invalid, notFound } from "../../src/util/errors.ts";
import { shortId } from "../../src/util/ids.ts";
import { Undo } from "../../src/util/undo.ts";
import { isAdopted, releaseAdopted } from "./adopted.ts";
import { type BridgeLink, makeBridge, markedId, portGroup } from "./bridge-link.ts";
import { Claims } from "./conflicts.ts";
import { describeBridge, effectiveOptions } from "./describe.ts";
import { isPortOf, makePort, needsHairpin, type PortSpec, portName } from "./endpoint-link.ts";
import { followUplink } from "./follow-uplink.ts";
import { createForwarding } from "./forwarding.ts";
import { joinResponse } from "./join-response.ts";
import { LinkRemoval } from "./link-removal.ts";
import { linkRules, linksOwner } from "./links.ts";
import {
  type BridgeConfig,
  checkEndpointOptions,
  linkName,
  optionNames,
  readBridgeConfig,
  skippedGateways,
} from "./options.ts";
import { type Publication, publishPorts, shownPorts, unpublishPorts } from "./publish.ts";
import { repairPort } from "./rejoin.ts";
import { bridgeRule, guardRule } from "./rules.ts";

interface BridgeNetwork {
  readonly config: BridgeConfig;
  /** Undefined while it is made. */
  link?: BridgeLink;
  readonly endpoints: Map<string, BridgeEndpoint>;
}

interface BridgeEndpoint {
  readonly interface: EndpointInterface;
  readonly driverOpts: Readonly<Record<string, string>>;
  /** Name of the bridge's end of its link. */
  readonly port: string;
  readonly isHairpin: boolean;
  joined?: { readonly sandboxKey: string; readonly response: JoinResponse };
  ports?: Publication;
  /** Something was ever let through for its legacy links. */
  hasLinks?: boolean;
}

/** Builds the driver `bridge`. */
const createBridgeDriver: NetworkDriverFactory = (host) => new BridgeDriver(host);

export default createBridgeDriver;

function addressesOf({ interface: { address, addressIpv6 } }: BridgeEndpoint): Address[] {
  return [address, addressIpv6].flatMap((prefix) => (prefix ? [prefix.address] : []));
}

/** Whose rule an endpoint's guard is: its ports' rules come and go without it. */
function guardOwner(endpointId: string): string {
  return `guard ${endpointId}`;
}

class BridgeDriver implements NetworkDriver {
  readonly name = "bridge";
  readonly capabilities = { scope: "local", connectivityScope: "local", replay: true } as const;
  readonly networkOptions: ReadonlySet<string> = new Set([optionNames.antispoof, optionNames.hostAccess]);
  readonly #host: Host;
  readonly #networks = new Map<string, BridgeNetwork>();
  readonly #claims = new Claims();
  readonly #removal: LinkRemoval;
  readonly #enableForwarding: ReturnType<typeof createForwarding>;

  constructor(host: Host) {
    this.#host = host;
    this.#removal = new LinkRemoval(host);
    this.#enableForwarding = createForwarding(host);
  }

  async checkGateway({ generic }: Parameters<NonNullable<NetworkDriver["checkGateway"]>>[0]) {
    return { ...skippedGateways(generic), present: await this.#presentAddresses(generic) };
  }

  async createNetwork(request: CreateNetworkRequest): Promise<void> {
    if (this.#networks.has(request.networkId)) return;
    const config = readBridgeConfig(request);
    if (config.ipv6.length > 0 && !this.#host.settings.ipv6)
      throw invalid("IPv6 networks need IPv6 in the host's kernel, which has none");
    this.#claims.add(config);
    const network: BridgeNetwork = { config, endpoints: new Map() };
    this.#networks.set(config.networkId, network);
    await using undo = new Undo(this.#host.log);
    undo.defer("forget network", () => this.#forget(config.networkId));
    undo.defer("remove rules of network", () => this.#host.firewall.set(config.networkId, []));
    undo.defer("delete bridge", () => network.link?.isOurs && this.#removal.remove(config.link));
    // what a restart finds on record is not its to forget
    if (!isAdopted(this.#host, config.networkId))
      undo.defer("give bridge back", () => releaseAdopted(this.#host, config.networkId));
    await this.#removal.freed(config.link);
    await allDone([
      this.#makeLink(network),
      config.ipv4.length > 0 && !config.internal ? this.#enableForwarding(4) : undefined,
      config.ipv6.length > 0 && !config.internal ? this.#enableForwarding(6) : undefined,
    ]);
    undo.forget();
  }

  async deleteNetwork({ networkId }: { networkId: string }): Promise<void> {
    const network = this.#networks.get(networkId);
    if (!network) return;
    this.#forget(networkId);
    await Promise.all([...network.endpoints.values()].map((endpoint) => this.#unpublish(endpoint)));
    // addresses and routes go at once, so that the subnet is free with the answer; the device follows
    if (network.link?.isOurs) await this.#emptyLink(network.link);
    await releaseAdopted(this.#host, networkId);
    await this.#host.firewall.set(networkId, []);
  }

  async createEndpoint(request: CreateEndpointRequest): Promise<EndpointInterface> {
    const network = this.#network(request.networkId);
    const { endpoints } = network;
    const known = endpoints.get(request.endpointId);
    if (known) return known.interface;
    const { driverOpts, macAddress } = request.options;
    checkEndpointOptions(driverOpts);
    chosenName(driverOpts);
    chosenSysctls(driverOpts);
    const port = portName(request.endpointId, driverOpts);
    const interface_ = {
      ...request.interface,
      macAddress: request.interface.macAddress ?? macAddress ?? this.#macFor(request),
    };
    // before there is a port: no frame of the container goes unseen
    const guarded = this.#guard(network, request.endpointId, { port, interface: interface_ });
    const hairpin = needsHairpin(this.#host);
    await allDone([guarded, hairpin]);
    const isHairpin = await hairpin;
    endpoints.set(request.endpointId, { interface: interface_, driverOpts, port, isHairpin });
    return interface_;
  }

  /** An address keeps its MAC from one container to the next, so that nobody on the network has a stale neighbour. */
  #macFor({ networkId, interface: own }: CreateEndpointRequest): Mac {
    const address = (own.address ?? own.addressIpv6)?.address;
    return address ? derivedMac(`${networkId} ${formatAddress(address)}`) : randomMac();
  }

  async deleteEndpoint(request: DeleteEndpointRequest): Promise<void> {
    const { networkId, endpointId, sandboxIsGone, linkIsAside } = request;
    const endpoint = this.#networks.get(networkId)?.endpoints.get(endpointId);
    this.#networks.get(networkId)?.endpoints.delete(endpointId);
    if (endpoint) await this.#unpublish(endpoint);
    if (endpoint?.hasLinks) await this.#host.firewall.set(linksOwner(endpointId), []);
    const port = endpoint?.port ?? portName(endpointId);
    const unguard = () => this.#host.firewall.set(guardOwner(endpointId), []);
    // a name that the user chose may be another's link
    if (port !== portName(endpointId) && !(await isPortOf(this.#host, { endpointId, port })))
      return await unguard();
    const gone = this.#removal.remove(port, { lazy: sandboxIsGone === true || linkIsAside === true });
    // who is still there to send must not be able to before the port is gone
    if (sandboxIsGone) await allDone([gone, unguard()]);
    else await gone.then(unguard);
  }

  async join(request: JoinRequest): Promise<JoinResponse> {
    const { network, endpoint } = this.#endpoint(request);
    if (endpoint.joined?.sandboxKey === request.sandboxKey) return endpoint.joined.response;
    if (endpoint.joined)
      throw forbidden(`endpoint ${shortId(request.endpointId)} has joined another sandbox already`);
    const { config } = network;
    if (!network.link) throw conflict(`network ${config.networkName} is not ready`);
    const name = chosenName(endpoint.driverOpts);
    const isSuggested = name === undefined && config.interfacePrefix === "eth";
    // under a prefix of its own the controller picks the number: only it knows which are free
    const srcName = name ?? (isSuggested ? request.suggestedName : portName(request.endpointId));
    const mac = endpoint.interface.macAddress;
    const { port, isHairpin } = endpoint;
    const spec = { config, mac, port, isHairpin, name: srcName };
    const indexInSandbox = await this.#makePort(network, request, spec);
    const response = joinResponse({
      indexInSandbox,
      config,
      interface: endpoint.interface,
      driverOpts: endpoint.driverOpts,
      srcName,
      name: name ?? (isSuggested ? srcName : undefined),
    });
    endpoint.joined = { sandboxKey: request.sandboxKey, response };
    return response;
  }

  async rejoin(request: JoinRequest): Promise<void> {
    const { network, endpoint } = this.#endpoint(request);
    if (network.link) await repairPort(this.#host, request, { port: endpoint.port, bridge: network.link });
  }

  async leave({ networkId, endpointId }: EndpointRef): Promise<void> {
    const endpoint = this.#networks.get(networkId)?.endpoints.get(endpointId);
    if (endpoint) delete endpoint.joined;
  }

  async programExternalConnectivity(
    request: Parameters<NonNullable<NetworkDriver["programExternalConnectivity"]>>[0],
  ) {
    const { network, endpoint } = this.#endpoint(request);
    if (network.config.internal || request.portBindings.length === 0) {
      await this.#unpublish(endpoint);
      return [];
    }
    const { address, addressIpv6 } = endpoint.interface;
    const target = { ipv4: address?.address, ipv6: addressIpv6?.address };
    const context = { host: this.#host, config: network.config, before: endpoint.ports };
    endpoint.ports = await publishPorts(context, { ...request, target });
    return shownPorts(endpoint.ports);
  }

  async revokeExternalConnectivity({ networkId, endpointId }: EndpointRef): Promise<void> {
    const endpoint = this.#networks.get(networkId)?.endpoints.get(endpointId);
    if (endpoint) await this.#unpublish(endpoint);
  }

  async setLinks({ networkId, endpointId, links }: LinksRequest): Promise<void> {
    const { network, endpoint } = this.#endpoint({ networkId, endpointId });
    if (network.config.icc) return;
    const known = links.flatMap(({ endpointId: id, ports }) => {
      const other = network.endpoints.get(id);
      return other ? [{ ports, addresses: addressesOf(other) }] : [];
    });
    endpoint.hasLinks = true;
    const rules = linkRules(network.config.link, addressesOf(endpoint), known);
    await this.#host.firewall.set(linksOwner(endpointId), rules);
  }

  async sweep({
    networkIds,
    endpointIds,
  }: Parameters<NonNullable<NetworkDriver["sweep"]>>[0]): Promise<void> {
    const known = new Set([...networkIds, ...endpointIds]);
    const links = await this.#host.netlink.links();
    const orphans = links.filter(({ alias }) => {
      const id = markedId(alias);
      return id !== undefined && !known.has(id);
    });
    for (const { name, alias } of orphans)
      this.#host.log.info({ link: name, alias }, "removing a link that a crash left behind");
    await Promise.all(orphans.map(({ name }) => this.#removal.remove(name)));
    const adopters = [...this.#host.records.entries()].map(([id]) => id).filter((id) => !networkIds.has(id));
    for (const id of adopters) await releaseAdopted(this.#host, id);
  }

  followUplink() {
    return followUplink(this.#host, this.#networks.values());
  }

  settle(): Promise<void> {
    return this.#removal.settle();
  }

  async effectiveOptions({ networkId }: { networkId: string }) {
    return await effectiveOptions(this.#host, this.#network(networkId).config);
  }

  describeNetwork({ networkId }: { networkId: string }): Promise<NetworkDescription> {
    const { config, endpoints } = this.#network(networkId);
    const owners = [...endpoints].map(([id, { port, ports, hasLinks }]) => ({
      id,
      port,
      owners: [guardOwner(id), ...(ports ? [ports.owner] : []), ...(hasLinks ? [linksOwner(id)] : [])],
    }));
    return describeBridge(this.#host, config, owners);
  }

  async #makeLink(network: BridgeNetwork): Promise<void> {
    network.link = await makeBridge(this.#host, network.config);
    await this.#host.firewall.set(network.config.networkId, [bridgeRule(network.config, network.link)]);
  }

  async #guard(
    { config, link }: BridgeNetwork,
    endpointId: string,
    endpoint: Pick<BridgeEndpoint, "port" | "interface">,
  ): Promise<void> {
    const rule = link && guardRule(config, link, endpoint);
    if (rule) await this.#host.firewall.set(guardOwner(endpointId), [rule]);
  }

  /** Somebody may have deleted our bridge: it is made again, with the ports that it had. */
  async #makePort(
    network: BridgeNetwork,
    request: JoinRequest,
    spec: Omit<PortSpec, "bridge">,
  ): Promise<number> {
    const make = async (bridge: BridgeLink) => await makePort(this.#host, request, { ...spec, bridge });
    const before = network.link;
    if (!before) throw conflict(`network ${network.config.networkName} is not ready`);
    try {
      return await make(before);
    } catch (error) {
      const isThere = (await this.#host.netlink.link(before.name))?.index === before.index;
      if (isThere) throw error;
      this.#host.log.warn({ link: before.name }, "a bridge was removed by somebody else: making it again");
      await this.#makeLink(network);
      await this.#reattach(network);
      return await make(network.link ?? before);
    }
  }

  async #reattach(network: BridgeNetwork): Promise<void> {
    const { link, endpoints } = network;
    const { setLink, unless } = this.#host.link;
    if (!link) return;
    const joined = [...endpoints.values()].filter((endpoint) => endpoint.joined);
    const change = { master: link.index, group: portGroup(link), up: true };
    const requests = joined.map(({ port }) => setLink(port, change));
    // the port of a container that ends at this moment
    if (requests.length > 0) await unless(["ENODEV"], this.#host.netlink.send(...requests));
    await allDone([...endpoints].map(([id, endpoint]) => this.#guard(network, id, endpoint)));
  }

  /** What the host has on a bridge that somebody else made. */
  async #presentAddresses(generic: Readonly<Record<string, string>>): Promise<Prefix[]> {
    const name = linkName(generic);
    const link = name === undefined ? undefined : await this.#host.netlink.link(name);
    if (link?.kind !== "bridge" || markedId(link.alias) !== undefined) return [];
    return (await this.#host.netlink.addresses({ link: link.index })).map(({ prefix }) => prefix);
  }

  async #emptyLink({ name, index }: BridgeLink): Promise<void> {
    const { deleteAddress, setLink, unless } = this.#host.link;
    const gone = ["ENODEV", "EADDRNOTAVAIL"];
    // somebody may have deleted it before us
    const addresses = (await unless(["ENODEV"], this.#host.netlink.addresses({ link: index }))) ?? [];
    const requests = addresses.map(({ prefix }) => deleteAddress({ link: index, prefix }));
    await unless(gone, this.#host.netlink.send(...requests, setLink(index, { alias: "tsdocker:deleted" })));
    this.#removal.remove(name, { lazy: true }).catch((error: unknown) => {
      this.#host.log.warn({ link: name, reason: String(error) }, "cannot delete bridge");
    });
  }

  async #unpublish(endpoint: BridgeEndpoint): Promise<void> {
    if (endpoint.ports) await unpublishPorts(this.#host, endpoint.ports);
    delete endpoint.ports;
  }

  #forget(networkId: string): void {
    this.#networks.delete(networkId);
    this.#claims.remove(networkId);
  }

  #network(networkId: string): BridgeNetwork {
    const network = this.#networks.get(networkId);
    if (!network) throw notFound(`network ${networkId} does not exist`);
    return network;
  }

  #endpoint({ networkId, endpointId }: EndpointRef): { network: BridgeNetwork; endpoint: BridgeEndpoint } {
    const network = this.#network(networkId);
    const endpoint = network.endpoints.get(endpointId);
    if (!endpoint) throw notFound(`endpoint ${endpointId} does not exist`);
    return { network, endpoint };
  }
}
