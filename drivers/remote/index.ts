// The driver that is somebody else's program: every call of the contract goes out over Docker's plugin protocol, and
// nothing is decided here. Network ids, endpoints and devices are the plugin's to remember.

import type {
  Capabilities,
  ClusterAccess,
  ClusterStay,
  CreateEndpointRequest,
  CreateNetworkRequest,
  EndpointInterface,
  EndpointOptions,
  EndpointRef,
  ExternalConnectivityRequest,
  JoinRequest,
  JoinResponse,
  NetworkDriver,
  NetworkOptions,
  PublishedPort,
  StaticRoute,
} from "../../src/driverapi/index.ts";
import {
  endpointOptions,
  Fields,
  interfaceOf,
  ipv6Elsewhere,
  networkOptions,
  type PluginCaller,
  poolData,
  portOptions,
  readPublished,
  tellEnd,
  within,
} from "../../src/driverkit/index.ts";
import { errorKind, errorMessage, internal, unavailable } from "../../src/util/errors.ts";
import { type Log, silentLog } from "../../src/util/log.ts";
import { tellOfNodes } from "./nodes.ts";

/** How long a plugin may think about an endpoint that it is asked about, of which nothing depends. */
const infoMs = 2_000;

export interface RemoteCapabilities extends Capabilities {
  /** It says whether it needs gateways before any are leased. */
  readonly checksGateway: boolean;
}

/** Asks a plugin what it can do. @throws what the call throws; internal when the scope is none */
export async function readCapabilities(plugin: PluginCaller): Promise<RemoteCapabilities> {
  const reply = await ask(plugin, "GetCapabilities");
  const scope = scopeOf(reply, "Scope");
  if (!scope) throw reply.wrong("Scope", '"local" or "global"', "");
  return {
    scope,
    connectivityScope: scopeOf(reply, "ConnectivityScope") ?? scope,
    // networks are on the plugin's own record: dockerd does not repeat them either
    replay: false,
    checksGateway: reply.flag("GwAllocChecker"),
  };
}

/** A driver that may not be there yet: what it can do is known from before, and each call finds it, or fails. */
export function createRemoteDriver(
  plugin: PluginCaller,
  capabilities: RemoteCapabilities,
  log: Log = silentLog,
): NetworkDriver {
  return new RemoteDriver(plugin, capabilities, log);
}

class RemoteDriver implements NetworkDriver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly checkGateway?: NonNullable<NetworkDriver["checkGateway"]>;
  readonly enterCluster?: NonNullable<NetworkDriver["enterCluster"]>;
  readonly #plugin: PluginCaller;
  readonly #log: Log;
  /** What a sandbox has for its ports, said again when an endpoint joins. */
  readonly #options = new Map<string, EndpointOptions>();

  constructor(plugin: PluginCaller, { checksGateway, ...capabilities }: RemoteCapabilities, log: Log) {
    this.name = plugin.name;
    this.capabilities = capabilities;
    this.#plugin = plugin;
    this.#log = log;
    if (checksGateway) this.checkGateway = (options) => this.#checkGateway(options);
    // others need not know who else there is
    if (capabilities.connectivityScope === "global")
      this.enterCluster = (cluster) => this.#enterCluster(cluster);
  }

  async createNetwork({ networkId, options, ipv4Data, ipv6Data }: CreateNetworkRequest): Promise<void> {
    await this.#ask("CreateNetwork", {
      NetworkID: networkId,
      Options: networkOptions(options),
      IPv4Data: ipv4Data.map(poolData),
      IPv6Data: ipv6Data.map(poolData),
    });
  }

  async deleteNetwork({ networkId }: { networkId: string }): Promise<void> {
    await this.#tell("DeleteNetwork", { NetworkID: networkId });
  }

  async createEndpoint(request: CreateEndpointRequest): Promise<EndpointInterface> {
    const { interface: asked, options, endpointId } = request;
    this.#options.set(endpointId, options);
    const reply = await this.#ask("CreateEndpoint", {
      ...refOf(request),
      Interface: interfaceOf(asked),
      Options: endpointOptions(options),
    });
    return { ...asked, ...filledIn(reply.object("Interface"), asked) };
  }

  async deleteEndpoint(request: EndpointRef): Promise<void> {
    this.#options.delete(request.endpointId);
    await this.#tell("DeleteEndpoint", refOf(request));
  }

  async join(request: JoinRequest): Promise<JoinResponse> {
    const options = this.#options.get(request.endpointId);
    const reply = await this.#ask("Join", {
      ...refOf(request),
      SandboxKey: request.sandboxKey,
      Options: options ? portOptions(options) : {},
    });
    return joinResponse(reply);
  }

  async leave(request: EndpointRef): Promise<void> {
    await this.#tell("Leave", refOf(request));
  }

  async programExternalConnectivity(request: ExternalConnectivityRequest): Promise<readonly PublishedPort[]> {
    await this.#askIfThere("ProgramExternalConnectivity", {
      ...refOf(request),
      Options: { ...portOptions(request), ...(request.ipv6Elsewhere && ipv6Elsewhere) },
    });
    // which host ports it took is another question
    return [];
  }

  /** Asked where dockerd asks, who throws the answer away; it is not waited for as long as for what is needed. */
  async publishedPorts(request: EndpointRef): Promise<readonly PublishedPort[]> {
    const method = "EndpointOperInfo";
    const late = () =>
      unavailable(`plugin ${this.name}: NetworkDriver.${method}: no answer within ${infoMs / 1000} s`);
    try {
      const reply = await within(infoMs, this.#ask(method, refOf(request)), late);
      return readPublished(reply.object("Value"));
    } catch (error) {
      if (errorKind(error) !== "not-implemented") this.#refused(method, errorMessage(error));
      return [];
    }
  }

  async revokeExternalConnectivity(request: EndpointRef): Promise<void> {
    await this.#tell("RevokeExternalConnectivity", refOf(request));
  }

  async #checkGateway(options: NetworkOptions) {
    const reply = await this.#ask("GwAllocCheck", { Options: networkOptions(options) });
    return { skipIpv4: reply.flag("SkipIPv4"), skipIpv6: reply.flag("SkipIPv6") };
  }

  async #enterCluster(cluster: ClusterAccess): Promise<ClusterStay> {
    return tellOfNodes(cluster, {
      tell: (method, data) => (method === "DiscoverNew" ? this.#ask(method, data) : this.#tell(method, data)),
      failed: (method, error) => this.#refused(method, errorMessage(error)),
    });
  }

  /**
   * An end, which no plugin can keep from coming: one that is away hears of it when it is back, and one that refuses is
   * not asked again, as with dockerd. What is gone for us must not stay for ever because somebody else lost his memory.
   */
  async #tell(method: string, request: object): Promise<void> {
    const name = `NetworkDriver.${method}`;
    try {
      const answer = await tellEnd(this.#plugin, name, request);
      const refusal = answer && new Fields(answer, `plugin ${this.name}: ${name}`).text("Err");
      if (refusal) this.#refused(method, refusal);
    } catch (error) {
      // methods that came later: a plugin without them needs none
      if (errorKind(error) === "not-implemented" && method === "RevokeExternalConnectivity") return;
      if (errorKind(error) === "unavailable") throw error;
      this.#refused(method, errorMessage(error));
    }
  }

  #refused(method: string, reason: string): void {
    this.#log.warn({ plugin: this.name, method, reason }, "a plugin refuses what it is told");
  }

  /** Methods that came later: a plugin without them needs none. */
  async #askIfThere(method: string, request: object): Promise<void> {
    try {
      await this.#ask(method, request);
    } catch (error) {
      if (errorKind(error) !== "not-implemented") throw error;
    }
  }

  #ask(method: string, request: object): Promise<Fields> {
    return ask(this.#plugin, method, request);
  }
}

/** @throws internal with the plugin's words when it refuses (`Err`) */
async function ask(plugin: PluginCaller, method: string, request?: object): Promise<Fields> {
  const name = `NetworkDriver.${method}`;
  const reply = new Fields(await plugin.call(name, request), `plugin ${plugin.name}: ${name}`);
  const refusal = reply.text("Err");
  if (refusal !== "") throw internal(`plugin ${plugin.name}: ${name}: ${refusal}`);
  return reply;
}

function refOf({ networkId, endpointId }: EndpointRef) {
  return { NetworkID: networkId, EndpointID: endpointId };
}

function scopeOf(reply: Fields, key: string): "local" | "global" | undefined {
  const scope = reply.text(key);
  if (scope === "") return undefined;
  if (scope !== "local" && scope !== "global") throw reply.wrong(key, '"local" or "global"', scope);
  return scope;
}

/** What the plugin chose. Only what was empty is its to fill in: more is a lie about what is leased. */
function filledIn(reply: Fields | undefined, asked: EndpointInterface): EndpointInterface {
  if (!reply) return {};
  const address = reply.prefix("Address");
  const addressIpv6 = reply.prefix("AddressIPv6");
  const macAddress = reply.mac("MacAddress");
  if (address && asked.address) throw modified("address");
  if (addressIpv6 && asked.addressIpv6) throw modified("IPv6 address");
  if (macAddress && asked.macAddress) throw modified("MAC address");
  return {
    ...(address && { address }),
    ...(addressIpv6 && { addressIpv6 }),
    ...(macAddress && { macAddress }),
  };
}

function modified(what: string): Error {
  return internal(`driver modified interface ${what}: it may only fill in what was empty`);
}

function joinResponse(reply: Fields): JoinResponse {
  const name = reply.object("InterfaceName");
  const srcName = name?.text("SrcName") ?? "";
  const gateway = reply.address("Gateway");
  const gatewayIpv6 = reply.address("GatewayIPv6");
  return {
    // `DstName` is in the protocol and ignored by dockerd
    ...(srcName !== "" && { link: { srcName, dstPrefix: name?.text("DstPrefix") || "eth" } }),
    ...(gateway && { gateway }),
    ...(gatewayIpv6 && { gatewayIpv6 }),
    staticRoutes: reply.objects("StaticRoutes").map(staticRoute),
    disableGatewayService: reply.flag("DisableGatewayService"),
  };
}

/** Route types of libnetwork/types: 0 has a next hop, 1 is on the link. */
function staticRoute(reply: Fields): StaticRoute {
  const destination = reply.prefix("Destination");
  if (!destination) throw reply.wrong("Destination", "an address with its length", "");
  const type = reply.number("RouteType");
  if (type === 1) return { destination };
  if (type !== 0) throw reply.wrong("RouteType", "0 (next hop) or 1 (connected)", type);
  const nextHop = reply.address("NextHop");
  if (!nextHop) throw reply.wrong("NextHop", "an address, which a route of type 0 has", "");
  return { destination, nextHop };
}
