// Requests in the words and types of Docker's plugin protocol (docs/remote.md of libnetwork, and what dockerd sends).

import type {
  CreateEndpointRequest,
  EndpointInterface,
  EndpointOptions,
  ExposedPort,
  NetworkOptions,
  PoolData,
  PortBinding,
  PublishedPort,
} from "../../driverapi/index.ts";
import { formatAddress, formatPrefix, macBytes, protocolNumber } from "../../netip/index.ts";

/** Keys of options. */
export const label = {
  ipv4: "com.docker.network.enable_ipv4",
  ipv6: "com.docker.network.enable_ipv6",
  internal: "com.docker.network.internal",
  generic: "com.docker.network.generic",
  exposedPorts: "com.docker.network.endpoint.exposedports",
  portMap: "com.docker.network.portmap",
  mac: "com.docker.network.endpoint.macaddress",
  dnsServers: "com.docker.network.endpoint.dnsservers",
  gateway: "com.docker.network.gateway",
  addressType: "RequestAddressType",
  endpointName: "com.docker.network.endpoint.name",
  noIpv6Proxy: "com.docker.network.driver.private.no_proxy_6to4",
} as const;

/** Of CreateNetwork and GwAllocCheck. */
export function networkOptions({ enableIpv4, enableIpv6, internal, generic }: NetworkOptions): object {
  return {
    // a key that plugins older than Docker 28 do not know, some of which refuse what they do not know: only where it says
    // something
    ...(!enableIpv4 && { [label.ipv4]: false }),
    [label.ipv6]: enableIpv6,
    ...(internal && { [label.internal]: true }),
    [label.generic]: generic,
  };
}

export function poolData({ addressSpace, pool, gateway, auxAddresses }: PoolData): object {
  const aux = Object.entries(auxAddresses).map(([name, prefix]) => [name, formatPrefix(prefix)]);
  return {
    AddressSpace: addressSpace,
    Pool: formatPrefix(pool),
    ...(gateway && { Gateway: formatPrefix(gateway) }),
    ...(aux.length > 0 && { AuxAddresses: Object.fromEntries(aux) }),
  };
}

/** Never absent: what is not known is empty text. */
export function interfaceOf({ address, addressIpv6, macAddress }: EndpointInterface): object {
  return {
    Address: address ? formatPrefix(address) : "",
    AddressIPv6: addressIpv6 ? formatPrefix(addressIpv6) : "",
    MacAddress: macAddress ?? "",
  };
}

/** Of CreateEndpoint: ports, what the user chose, and every driver option as a key of its own. */
export function endpointOptions(options: CreateEndpointRequest["options"]): object {
  const { macAddress, dnsServers, driverOpts, portsElsewhere } = options;
  return {
    ...driverOpts,
    // Docker says them to the first network that leads outside, alone
    ...(!portsElsewhere && portOptions(options)),
    // a Go byte slice in JSON
    ...(macAddress && { [label.mac]: Buffer.from(macBytes(macAddress)).toString("base64") }),
    ...(dnsServers.length > 0 && { [label.dnsServers]: dnsServers.map(formatAddress) }),
  };
}

/** Of Join and ProgramExternalConnectivity. */
export function portOptions({
  exposedPorts,
  portBindings,
}: Pick<EndpointOptions, "exposedPorts" | "portBindings">): object {
  return {
    [label.exposedPorts]: exposedPorts.flatMap(exposedPort),
    [label.portMap]: portBindings.flatMap(portBinding),
  };
}

/** In an answer to EndpointOperInfo: which host ports lead to it. */
export function publishedPorts(ports: readonly PublishedPort[]): object {
  const bindings = ports.map(({ hostPort, count = 1, ...port }) => ({
    ...port,
    count,
    hostPorts: { first: hostPort, last: hostPort + count - 1 },
  }));
  return { [label.portMap]: bindings.flatMap(portBinding) };
}

/** What is said besides when another endpoint is the way out for IPv6. */
export const ipv6Elsewhere = { [label.noIpv6Proxy]: true } as const;

/** One entry a port: the protocol has no ranges here. */
function exposedPort({ protocol, port, count = 1 }: ExposedPort): object[] {
  const Proto = protocolNumber[protocol];
  return Array.from({ length: count }, (_, at) => ({ Proto, Port: port + at }));
}

function portBinding({ protocol, containerPort, count = 1, hostAddress, hostPorts }: PortBinding): object[] {
  const { first = 0, last = 0 } = hostPorts ?? {};
  return Array.from({ length: count }, (_, at) => ({
    Proto: protocolNumber[protocol],
    IP: "",
    Port: containerPort + at,
    HostIP: hostAddress ? formatAddress(hostAddress) : "",
    HostPort: count > 1 ? first + at : first,
    HostPortEnd: count > 1 ? first + at : last,
  }));
}
