// What a served driver answers to each method of the protocol: the contract's call, and its answer in JSON.

import type {
  IpamDriver,
  JoinResponse,
  NetworkDriver,
  PublishedPort,
  StaticRoute,
} from "../../driverapi/index.ts";
import { formatAddress, formatPrefix, type Prefix } from "../../netip/index.ts";
import { notImplemented } from "../../util/errors.ts";
import {
  readEndpointOptions,
  readInterface,
  readNetworkOptions,
  readPoolData,
  readPorts,
  saysIpv6IsElsewhere,
} from "../protocol/decode.ts";
import type { Fields } from "../protocol/fields.ts";
import { interfaceOf, label, publishedPorts } from "../protocol/request.ts";

/** Answers the body of a 200. */
export type Method = (request: Fields) => Promise<object>;
export type Methods = Readonly<Record<string, Method>>;

const nothing = async (work: Promise<unknown> | undefined) => {
  await work;
  return {};
};

/** `NetworkDriver.…`. Methods that the driver does not have are not answered: callers take that for "not needed". */
export function networkMethods(driver: NetworkDriver): Methods {
  const refOf = (request: Fields) => ({
    networkId: request.text("NetworkID"),
    endpointId: request.text("EndpointID"),
  });
  const { checkGateway } = driver;
  /** By endpoint: what it answered when it was told to publish. */
  const published = new Map<string, readonly PublishedPort[]>();
  return {
    GetCapabilities: async () => ({
      Scope: driver.capabilities.scope,
      ConnectivityScope: driver.capabilities.connectivityScope,
      GwAllocChecker: checkGateway !== undefined,
    }),
    ...(checkGateway && {
      GwAllocCheck: async (request: Fields) => {
        const answer = await checkGateway.call(driver, readNetworkOptions(request.object("Options")));
        return { SkipIPv4: answer.skipIpv4, SkipIPv6: answer.skipIpv6 };
      },
    }),
    CreateNetwork: (request) =>
      nothing(
        driver.createNetwork({
          networkId: request.text("NetworkID"),
          // the protocol has no names
          networkName: request.text("NetworkID").slice(0, 12),
          options: readNetworkOptions(request.object("Options")),
          ipv4Data: request.objects("IPv4Data").map(readPoolData),
          ipv6Data: request.objects("IPv6Data").map(readPoolData),
        }),
      ),
    DeleteNetwork: (request) => nothing(driver.deleteNetwork({ networkId: request.text("NetworkID") })),
    CreateEndpoint: async (request) => {
      const asked = readInterface(request.object("Interface"));
      const options = readEndpointOptions(request.object("Options"));
      const answer = await driver.createEndpoint({ ...refOf(request), interface: asked, options });
      // only what was empty is the driver's to say
      const { address, addressIpv6, macAddress } = answer;
      const own = {
        ...(!asked.address && address && { address }),
        ...(!asked.addressIpv6 && addressIpv6 && { addressIpv6 }),
        ...(!asked.macAddress && macAddress && { macAddress }),
      };
      return Object.keys(own).length > 0 ? { Interface: interfaceOf(own) } : {};
    },
    DeleteEndpoint: (request) => {
      const ref = refOf(request);
      published.delete(ref.endpointId);
      return nothing(driver.deleteEndpoint(ref));
    },
    // the one place where the protocol says which host ports were chosen
    EndpointOperInfo: async (request) => {
      const ref = refOf(request);
      const own = (await driver.publishedPorts?.(ref)) ?? [];
      const ports = [...(published.get(ref.endpointId) ?? []), ...own];
      return { Value: ports.length > 0 ? publishedPorts(ports) : {} };
    },
    Join: async (request) =>
      joinAnswer(
        await driver.join({
          ...refOf(request),
          sandboxKey: request.text("SandboxKey"),
          // the protocol does not say which is free: none is suggested, and the daemon names the link
          freeIndex: 0,
          suggestedName: "",
        }),
      ),
    Leave: (request) => nothing(driver.leave(refOf(request))),
    ...(driver.programExternalConnectivity && {
      ProgramExternalConnectivity: async (request: Fields) => {
        const options = request.object("Options");
        const ipv6Elsewhere = saysIpv6IsElsewhere(options);
        const ref = refOf(request);
        const ports = await driver.programExternalConnectivity?.({
          ...ref,
          gateways: { ipv4: true, ipv6: !ipv6Elsewhere },
          ipv6Elsewhere,
          ...readPorts(options),
        });
        published.set(ref.endpointId, ports ?? []);
        return {};
      },
    }),
    ...(driver.revokeExternalConnectivity && {
      RevokeExternalConnectivity: (request: Fields) => {
        const ref = refOf(request);
        published.delete(ref.endpointId);
        return nothing(driver.revokeExternalConnectivity?.(ref));
      },
    }),
    DiscoverNew: async () => ({}),
    DiscoverDelete: async () => ({}),
  };
}

/** `IpamDriver.…` */
export function ipamMethods(driver: IpamDriver): Methods {
  const { capabilities } = driver;
  return {
    GetCapabilities: async () => ({
      RequiresMACAddress: capabilities.requiresMacAddress,
      RequiresRequestReplay: capabilities.requiresRequestReplay,
    }),
    GetDefaultAddressSpaces: async () => {
      const { local, global } = await driver.defaultAddressSpaces();
      return { LocalDefaultAddressSpace: local, GlobalDefaultAddressSpace: global };
    },
    RequestPool: async (request) => {
      const pool = request.prefix("Pool");
      const subPool = request.prefix("SubPool");
      const lease = await driver.requestPool({
        addressSpace: request.text("AddressSpace"),
        family: request.flag("V6") ? 6 : 4,
        ...(pool && { pool }),
        ...(subPool && { subPool }),
        options: request.object("Options")?.texts() ?? {},
        exclude: [],
      });
      return {
        PoolID: lease.poolId,
        Pool: formatPrefix(lease.pool),
        Data: lease.gateway ? { [label.gateway]: formatPrefix(lease.gateway) } : {},
      };
    },
    ReleasePool: (request) => nothing(driver.releasePool(request.text("PoolID"))),
    RequestAddress: async (request) => {
      const options = request.object("Options");
      const address = request.address("Address");
      const endpointName = options?.text(label.endpointName);
      const macAddress = options?.mac(label.mac);
      const isGateway = options?.text(label.addressType) === label.gateway;
      const leased: Prefix = await driver.requestAddress({
        poolId: request.text("PoolID"),
        ...(address && { address }),
        purpose: isGateway ? "gateway" : options ? "endpoint" : "auxiliary",
        ...(endpointName && { endpointName }),
        ...(macAddress && { macAddress }),
      });
      return { Address: formatPrefix(leased), Data: {} };
    },
    ReleaseAddress: async (request) => {
      const address = request.address("Address");
      if (address) await driver.releaseAddress(request.text("PoolID"), address);
      return {};
    },
  };
}

function joinAnswer({
  link,
  gateway,
  gatewayIpv6,
  staticRoutes,
  disableGatewayService,
}: JoinResponse): object {
  if (link?.indexInSandbox !== undefined)
    throw notImplemented(
      "a driver behind a socket leaves its link in the host's namespace: whoever called it moves it into the sandbox",
    );
  return {
    InterfaceName: link
      ? { SrcName: link.srcName, DstPrefix: link.dstPrefix, DstName: link.dstName ?? "" }
      : null,
    Gateway: gateway ? formatAddress(gateway) : "",
    GatewayIPv6: gatewayIpv6 ? formatAddress(gatewayIpv6) : "",
    StaticRoutes: staticRoutes.filter(({ type }) => type === undefined).map(routeAnswer),
    DisableGatewayService: disableGatewayService,
  };
}

/** Route types of libnetwork/types: 0 has a next hop, 1 is on the link. */
function routeAnswer({ destination, nextHop }: StaticRoute): object {
  return {
    Destination: formatPrefix(destination),
    RouteType: nextHop ? 0 : 1,
    NextHop: nextHop ? formatAddress(nextHop) : "",
  };
}
