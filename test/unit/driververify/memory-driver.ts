// A driver that keeps every rule, on a machine in memory: a bridge per network, a link per endpoint. Mutants are made of it.

import type {
  CreateEndpointRequest,
  CreateNetworkRequest,
  EndpointInterface,
  EndpointRef,
  ExternalConnectivityRequest,
  JoinResponse,
  NetworkDriver,
  NetworkOptions,
  PublishedPort,
} from "../../../src/driverapi/index.ts";
import { derivedMac, formatPrefix, parseAddress, prefixContains } from "../../../src/netip/index.ts";
import { conflict, invalid, notFound } from "../../../src/util/errors.ts";
import { Undo } from "../../../src/util/undo.ts";
import type { Machine } from "./memory-machine.ts";

interface Endpoint {
  readonly interface: EndpointInterface;
  joined?: { readonly sandboxKey: string; readonly response: JoinResponse };
  published?: readonly PublishedPort[];
}

interface Network {
  readonly request: CreateNetworkRequest;
  readonly endpoints: Map<string, Endpoint>;
}

export class MemoryDriver implements NetworkDriver {
  readonly name = "memory";
  readonly capabilities = { scope: "local", connectivityScope: "local", replay: true } as const;
  readonly networkOptions: ReadonlySet<string> = new Set(["tsdocker.colour"]);
  readonly machine: Machine;
  readonly networks = new Map<string, Network>();
  readonly #weather: Machine["weather"];
  readonly #stay = {
    paths: () => [],
    tryPaths: async () => undefined,
    follow: () => () => undefined,
    end: async () => undefined,
  };
  #last: Promise<unknown> = Promise.resolve();

  constructor(machine: Machine) {
    this.machine = machine;
    this.#weather = machine.weather;
  }

  async checkGateway({ internal }: NetworkOptions) {
    return { skipIpv4: internal, skipIpv6: internal };
  }

  createNetwork(request: CreateNetworkRequest): Promise<void> {
    return this.#inTurn(async () => {
      const { networkId, options, ipv4Data, ipv6Data } = request;
      if (this.networks.has(networkId)) return;
      const colour = options.generic.colour ?? "red";
      if (colour !== "red") throw invalid(`option colour: "${colour}" is no colour`);
      await using undo = new Undo();
      undo.defer("remove network", () => this.machine.removeOf(networkId));
      const name = `br-${networkId.slice(0, 12)}`;
      await this.step(
        "make bridge",
        () => this.#bridge(networkId) ?? this.machine.addLink({ name, owner: networkId }),
      );
      const gateways = [...ipv4Data, ...ipv6Data].flatMap(({ gateway }) =>
        gateway ? [formatPrefix(gateway)] : [],
      );
      await this.step("add addresses", () => this.#list("addresses", networkId, gateways));
      await this.step("add rules", () => this.#list("rules", networkId, ["rule"]));
      this.networks.set(networkId, { request, endpoints: new Map() });
      undo.forget();
    });
  }

  deleteNetwork({ networkId }: { networkId: string }): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.networks.has(networkId) && !this.#bridge(networkId)) return;
      await this.step("delete bridge", () => this.machine.removeOf(networkId));
      this.networks.delete(networkId);
    });
  }

  forgetNetwork(request: { networkId: string }): Promise<void> {
    return this.deleteNetwork(request);
  }

  checkEndpoint(): void {
    // an endpoint has no options here
  }

  createEndpoint({ networkId, endpointId, ...request }: CreateEndpointRequest): Promise<EndpointInterface> {
    return this.#inTurn(async () => {
      const { endpoints } = this.network(networkId);
      const known = endpoints.get(endpointId);
      if (known) return { ...known.interface };
      const own = { macAddress: derivedMac(endpointId), ...request.interface };
      endpoints.set(endpointId, { interface: own });
      return { ...own };
    });
  }

  deleteEndpoint({ networkId, endpointId }: EndpointRef): Promise<void> {
    return this.#inTurn(async () => {
      if (
        [...this.machine.links].some(({ owner }) => owner === endpointId) ||
        this.#find(networkId, endpointId)
      )
        await this.step("delete link", () => this.machine.removeOf(endpointId));
      this.networks.get(networkId)?.endpoints.delete(endpointId);
    });
  }

  join({ networkId, endpointId, sandboxKey }: Parameters<NetworkDriver["join"]>[0]): Promise<JoinResponse> {
    return this.#inTurn(async () => {
      const { request } = this.network(networkId);
      const endpoint = this.endpoint({ networkId, endpointId });
      if (endpoint.joined) return endpoint.joined.response;
      const srcName = `v${endpointId.slice(0, 11)}`;
      const link = { name: srcName, owner: endpointId, network: networkId };
      await this.step("make link", () => {
        this.machine.addLink(link);
        this.#list("rules", endpointId, ["guard"]);
      });
      const response = this.#answer(request, endpoint, srcName);
      endpoint.joined = { sandboxKey, response };
      return response;
    });
  }

  async leave({ networkId, endpointId }: EndpointRef): Promise<void> {
    const endpoint = this.#find(networkId, endpointId);
    if (endpoint) delete endpoint.joined;
  }

  async rejoin(request: EndpointRef): Promise<void> {
    this.endpoint(request);
  }

  programExternalConnectivity(request: ExternalConnectivityRequest): Promise<readonly PublishedPort[]> {
    return this.#inTurn(async () => {
      const endpoint = this.#find(request.networkId, request.endpointId);
      if (endpoint?.published) return endpoint.published;
      await using undo = new Undo();
      undo.defer("give ports back", () => this.#unpublish(request.endpointId));
      const published = request.portBindings.map((binding) => {
        const { first = 40_000, last = 40_100 } = binding.hostPorts ?? {};
        for (let port = first; port <= last; port++) {
          const key = `${port}/${binding.protocol}`;
          if (this.machine.ports.has(key)) continue;
          this.machine.ports.set(key, request.endpointId);
          const hostAddress = binding.hostAddress ?? parseAddress("0.0.0.0");
          if (!hostAddress) throw new RangeError("no address");
          return {
            protocol: binding.protocol,
            containerPort: binding.containerPort,
            hostAddress,
            hostPort: port,
          };
        }
        throw conflict(`port ${first} is taken`);
      });
      if (endpoint && published.length > 0) endpoint.published = published;
      undo.forget();
      return published;
    });
  }

  revokeExternalConnectivity({ networkId, endpointId }: EndpointRef): Promise<void> {
    return this.#inTurn(async () => {
      const endpoint = this.#find(networkId, endpointId);
      if (endpoint) delete endpoint.published;
      this.#unpublish(endpointId);
    });
  }

  async setLinks({ endpointId }: EndpointRef): Promise<void> {
    if (!this.machine.listed.rules.includes(`links of ${endpointId}`))
      this.#list("rules", endpointId, ["links"]);
  }

  async sweep({
    networkIds,
    endpointIds,
  }: {
    networkIds: ReadonlySet<string>;
    endpointIds: ReadonlySet<string>;
  }) {
    const owners = this.machine.owners();
    for (const owner of owners)
      if (!networkIds.has(owner) && !endpointIds.has(owner)) this.machine.removeOf(owner);
  }

  async followUplink(): Promise<readonly { networkId: string; mtu: number }[]> {
    return [];
  }

  async settle(): Promise<void> {
    // nothing follows its answer
  }

  async effectiveOptions({ networkId }: { networkId: string }) {
    return { colour: "red", ...this.network(networkId).request.options.generic };
  }

  async describeNetwork({ networkId }: { networkId: string }) {
    const { endpoints } = this.network(networkId);
    const bridge = this.#bridge(networkId);
    return {
      links: bridge ? [{ role: "bridge", name: bridge.name, index: bridge.index }] : [],
      rules: [],
      endpoints: new Map([...endpoints.keys()].map((id) => [id, { rules: [] }])),
    };
  }

  peers() {
    const address = parseAddress("192.0.2.1");
    return address ? [{ nodeId: "a", name: "a", address }] : [];
  }

  async enterCluster() {
    return this.#stay;
  }

  /** Something changes on the machine, if the weather lets it. */
  async step(words: string, change: () => unknown): Promise<void> {
    await this.#weather.beforeChange(words);
    change();
  }

  network(networkId: string): Network {
    const network = this.networks.get(networkId);
    if (!network) throw notFound(`network ${networkId} does not exist`);
    return network;
  }

  endpoint({ networkId, endpointId }: EndpointRef): Endpoint {
    const endpoint = this.network(networkId).endpoints.get(endpointId);
    if (!endpoint) throw notFound(`endpoint ${endpointId} does not exist`);
    return endpoint;
  }

  #answer(
    { options, ipv4Data, ipv6Data }: CreateNetworkRequest,
    own: Endpoint,
    srcName: string,
  ): JoinResponse {
    const { address, addressIpv6 } = own.interface;
    const near = (pools: CreateNetworkRequest["ipv4Data"], at: typeof address) =>
      options.internal || !at
        ? undefined
        : pools.find(({ pool }) => prefixContains(pool, at.address))?.gateway;
    const gateway = near(ipv4Data, address)?.address;
    const gatewayIpv6 = near(ipv6Data, addressIpv6)?.address;
    return {
      link: { srcName, dstPrefix: "eth" },
      ...(gateway && { gateway }),
      ...(gatewayIpv6 && { gatewayIpv6 }),
      staticRoutes: [],
      disableGatewayService: false,
      sysctls: { "net.ipv6.conf.IFNAME.accept_ra": "0" },
    };
  }

  #list(kind: keyof Machine["listed"], owner: string, items: readonly string[]): void {
    const marked = items.map((item) => `${item} of ${owner}`);
    const listed = this.machine.listed[kind];
    listed.push(...marked.filter((item) => !listed.includes(item)));
  }

  #unpublish(endpointId: string): void {
    for (const [port, holder] of this.machine.ports)
      if (holder === endpointId) this.machine.ports.delete(port);
  }

  #bridge(networkId: string) {
    return this.machine.linksAt("host").find(({ owner }) => owner === networkId);
  }

  #find(networkId: string, endpointId: string): Endpoint | undefined {
    return this.networks.get(networkId)?.endpoints.get(endpointId);
  }

  /** One call after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
