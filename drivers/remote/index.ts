// The driver that is somebody else's program: every call of the contract goes out over Docker's plugin protocol, and
// nothing is decided here. Network ids, endpoints and devices are the plugin's to remember.

import type {
  Capabilities,
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
} from "../../src/driverkit/index.ts";
import { errorKind, internal } from "../../src/util/errors.ts";

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
export function createRemoteDriver(plugin: PluginCaller, capabilities: RemoteCapabilities): NetworkDriver {
  return new RemoteDriver(plugin, capabilities);
}

class RemoteDriver implements NetworkDriver {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly checkGateway?: NonNullable<NetworkDriver["checkGateway"]>;
  readonly #plugin: PluginCaller;
  /** What a sandbox has for its ports, said again when an endpoint joins. */
  readonly #options = new Map<string, EndpointOptions>();

  constructor(plugin: PluginCaller, { checksGateway, ...capabilities }: RemoteCapabilities) {
    this.name = plugin.name;
    this.capabilities = capabilities;
    this.#plugin = plugin;
    if (checksGateway) this.checkGateway = (options) => this.#checkGateway(options);
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
    await this.#ask("DeleteNetwork", { NetworkID: networkId });
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
    await this.#ask("DeleteEndpoint", refOf(request));
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
    await this.#ask("Leave", refOf(request));
  }

  async programExternalConnectivity(request: ExternalConnectivityRequest): Promise<readonly PublishedPort[]> {
    await this.#askIfThere("ProgramExternalConnectivity", {
      ...refOf(request),
      Options: { ...portOptions(request), ...(request.ipv6Elsewhere && ipv6Elsewhere) },
    });
    // the protocol has no answer that says which host ports it took
    return [];
  }

  async revokeExternalConnectivity(request: EndpointRef): Promise<void> {
    await this.#askIfThere("RevokeExternalConnectivity", refOf(request));
  }

  async #checkGateway(options: NetworkOptions) {
    const reply = await this.#ask("GwAllocCheck", { Options: networkOptions(options) });
    return { skipIpv4: reply.flag("SkipIPv4"), skipIpv6: reply.flag("SkipIPv6") };
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
