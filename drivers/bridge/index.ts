// The bridge driver: a Linux bridge per network, a veth pair per endpoint, isolation and published ports by the firewall.

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
  LinksRequest,
  NetworkDescription,
  NetworkDriver,
  NetworkDriverFactory,
} from "../../src/driverapi/index.ts";
import { nameInside } from "../../src/driverkit/index.ts";
import { allDone } from "../../src/util/all-done.ts";
import { forbidden, invalid } from "../../src/util/errors.ts";
import { shortId } from "../../src/util/ids.ts";
import { Undo } from "../../src/util/undo.ts";
import { isAdopted, presentAddresses, releaseAdopted } from "./adopted.ts";
import { addressesOf, type BridgeEndpoint, BridgeNetworks } from "./bridge-networks.ts";
import { describeBridge, effectiveOptions } from "./describe.ts";
import { isPortOf, portName } from "./endpoint-link.ts";
import { followUplink } from "./follow-uplink.ts";
import { createForwarding } from "./forwarding.ts";
import { joinResponse } from "./join-response.ts";
import { LinkRemoval } from "./link-removal.ts";
import { linkRules, linksOwner } from "./links.ts";
import { checkBridgeEndpoint, newEndpoint } from "./new-endpoint.ts";
import { linkName, optionNames, readBridgeConfig, skippedGateways } from "./options.ts";
import { publishPorts, shownPorts, unpublishPorts } from "./publish.ts";
import { repairPort } from "./rejoin.ts";
import { guardOwner, makePortOn, makeStanding } from "./standing.ts";
import { emptyBridge, sweepLinks } from "./sweep.ts";
import { vacatePort } from "./vacate.ts";

/** Builds the driver `bridge`. */
const createBridgeDriver: NetworkDriverFactory = (host) => new BridgeDriver(host);

export default createBridgeDriver;

/** So many take longer than a person waits without asking why. */
const manyLinks = 50;

class BridgeDriver implements NetworkDriver {
  readonly name = "bridge";
  readonly capabilities = { scope: "local", connectivityScope: "local", replay: true } as const;
  readonly networkOptions: ReadonlySet<string> = new Set([optionNames.antispoof, optionNames.hostAccess]);
  readonly #host: Host;
  readonly #networks = new BridgeNetworks();
  readonly #removal: LinkRemoval;
  readonly #enableForwarding: ReturnType<typeof createForwarding>;

  constructor(host: Host) {
    this.#host = host;
    this.#removal = new LinkRemoval(host);
    this.#enableForwarding = createForwarding(host);
  }

  async checkGateway({ generic }: Parameters<NonNullable<NetworkDriver["checkGateway"]>>[0]) {
    return { ...skippedGateways(generic), present: await presentAddresses(this.#host, linkName(generic)) };
  }

  async createNetwork(request: CreateNetworkRequest): Promise<void> {
    const known = this.#networks.get(request.networkId);
    if (known && !known.isGoing) return;
    this.#removal.disturb();
    const config = readBridgeConfig(request);
    if (config.ipv6.length > 0 && !this.#host.settings.ipv6)
      throw invalid("IPv6 networks need IPv6 in the host's kernel, which has none");
    if (known) this.#networks.forget(request.networkId);
    const network = this.#networks.add(config);
    await using undo = new Undo(this.#host.log);
    undo.defer("forget network", () => this.#networks.forget(config.networkId));
    undo.defer("remove rules of network", () => this.#host.firewall.set(config.networkId, []));
    undo.defer("delete bridge", () => network.link?.isOurs && this.#removal.remove(config.link));
    // what a restart finds on record is not its to forget
    if (!isAdopted(this.#host, config.networkId))
      undo.defer("give bridge back", () => releaseAdopted(this.#host, config.networkId));
    await this.#removal.freed(config.link);
    await allDone([
      makeStanding(this.#host, network),
      config.ipv4.length > 0 && !config.internal ? this.#enableForwarding(4) : undefined,
      config.ipv6.length > 0 && !config.internal ? this.#enableForwarding(6) : undefined,
    ]);
    undo.forget();
  }

  async deleteNetwork({ networkId }: { networkId: string }): Promise<void> {
    const network = this.#networks.get(networkId);
    if (!network) return;
    network.isGoing = true;
    this.#removal.disturb();
    await Promise.all([...network.endpoints.values()].map((endpoint) => this.#unpublish(endpoint)));
    if (network.link?.isOurs) await emptyBridge(this.#host, this.#removal, network.link);
    await releaseAdopted(this.#host, networkId);
    await this.#host.firewall.set(networkId, []);
    // last: what failed may be tried again
    this.#networks.forget(networkId);
  }

  checkEndpoint({ driverOpts }: Pick<EndpointOptions, "driverOpts">): void {
    checkBridgeEndpoint(driverOpts);
  }

  async createEndpoint(request: CreateEndpointRequest): Promise<EndpointInterface> {
    const network = this.#networks.find(request.networkId);
    const known = network.endpoints.get(request.endpointId);
    if (known) return { ...known.interface };
    this.#removal.disturb();
    const endpoint = await newEndpoint(this.#host, network, request);
    network.endpoints.set(request.endpointId, endpoint);
    return { ...endpoint.interface };
  }

  async deleteEndpoint(request: DeleteEndpointRequest): Promise<void> {
    const { networkId, endpointId, sandboxIsGone, linkIsAside } = request;
    const network = this.#networks.get(networkId);
    const endpoint = this.#networks.endpoint(request);
    network?.endpoints.delete(endpointId);
    this.#removal.disturb();
    if (endpoint) await this.#unpublish(endpoint);
    const withdraw = (owner: string) => this.#host.firewall.set(owner, []);
    const port = endpoint?.port ?? portName(endpointId);
    // a name that the user chose may be another's link
    const isOurs = port === portName(endpointId) || (await isPortOf(this.#host, { endpointId, port }));
    const lazy = sandboxIsGone === true || linkIsAside === true;
    const gone = isOurs ? this.#removal.remove(port, { lazy }) : Promise.resolve();
    await allDone([
      gone,
      network && endpoint && linkIsAside
        ? vacatePort(this.#host, network, { endpointId, endpoint })
        : undefined,
      endpoint?.hasLinks ? withdraw(linksOwner(endpointId)) : undefined,
      // who is still there to send must not be able to before the port is gone
      (sandboxIsGone ? Promise.resolve() : gone).then(() => withdraw(guardOwner(endpointId))),
    ]);
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
    const mac = endpoint.interface.macAddress;
    const { port, isHairpin } = endpoint;
    const spec = { mac, port, isHairpin, name: srcName };
    const indexInSandbox = await makePortOn(this.#host, network, { request, spec });
    const response = joinResponse({
      indexInSandbox,
      config,
      interface: endpoint.interface,
      driverOpts: endpoint.driverOpts,
      srcName,
      name,
    });
    endpoint.joined = { sandboxKey: request.sandboxKey, response };
    return response;
  }

  async rejoin(request: JoinRequest): Promise<void> {
    const { network, endpoint } = this.#networks.findEndpoint(request);
    if (network.link) await repairPort(this.#host, request, { port: endpoint.port, bridge: network.link });
  }

  async leave({ networkId, endpointId }: EndpointRef): Promise<void> {
    const endpoint = this.#networks.endpoint({ networkId, endpointId });
    if (endpoint) delete endpoint.joined;
  }

  async programExternalConnectivity(
    request: Parameters<NonNullable<NetworkDriver["programExternalConnectivity"]>>[0],
  ) {
    const { network, endpoint } = this.#networks.findEndpoint(request);
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
    const endpoint = this.#networks.endpoint({ networkId, endpointId });
    if (endpoint) await this.#unpublish(endpoint);
  }

  async setLinks({ networkId, endpointId, links }: LinksRequest): Promise<void> {
    const { network, endpoint } = this.#networks.findEndpoint({ networkId, endpointId });
    if (network.config.icc) return;
    const known = links.flatMap(({ endpointId: id, ports }) => {
      const other = network.endpoints.get(id);
      return other ? [{ ports, addresses: addressesOf(other) }] : [];
    });
    endpoint.hasLinks = true;
    const rules = linkRules(network.config.link, addressesOf(endpoint), known);
    await this.#host.firewall.set(linksOwner(endpointId), rules);
  }

  sweep(known: Parameters<NonNullable<NetworkDriver["sweep"]>>[0]): Promise<void> {
    return sweepLinks(this.#host, this.#removal, known);
  }

  followUplink() {
    return followUplink(this.#host, this.#networks.all());
  }

  async settle(options?: { readonly withinMs: number }): Promise<void> {
    const { size } = this.#removal;
    if (options && size > manyLinks)
      this.#host.log.info(
        { links: size },
        "deleting links, for which the kernel takes some 16 ms per bridge",
      );
    const left = await this.#removal.settle(options);
    if (left > 0) this.#host.log.info({ links: left }, "links are left to the next start");
  }

  async effectiveOptions({ networkId }: { networkId: string }) {
    return await effectiveOptions(this.#host, this.#networks.find(networkId).config);
  }

  describeNetwork({ networkId }: { networkId: string }): Promise<NetworkDescription> {
    const { config, endpoints } = this.#networks.find(networkId);
    const owners = [...endpoints].map(([id, { port, ports, hasLinks }]) => ({
      id,
      port,
      owners: [guardOwner(id), ...(ports ? [ports.owner] : []), ...(hasLinks ? [linksOwner(id)] : [])],
    }));
    return describeBridge(this.#host, config, owners);
  }

  async #unpublish(endpoint: BridgeEndpoint): Promise<void> {
    if (endpoint.ports) await unpublishPorts(this.#host, endpoint.ports);
    delete endpoint.ports;
  }
}
