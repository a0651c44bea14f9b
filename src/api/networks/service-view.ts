// Services as they are shown: by our own routes, and in Docker's shape in a verbose inspect.

import type { ServiceView } from "../../engine/types.ts";
import { formatAddress } from "../../netip/index.ts";
import type { VerboseService } from "../schemas/network.ts";
import type { ServiceBody } from "../schemas/service.ts";

export function serviceWire({ backends, published, closed, ...service }: ServiceView): ServiceBody {
  return {
    Name: service.name,
    NetworkID: service.networkId,
    NetworkName: service.networkName,
    VIPs: service.vips.map(formatAddress),
    Ports: published.map(({ protocol, publishedPort, targetPort }) => ({
      Protocol: protocol,
      PublishedPort: publishedPort,
      TargetPort: targetPort,
    })),
    Endpoints: backends.map((backend) => ({
      EndpointID: backend.endpointId,
      Name: backend.containerName,
      NodeID: backend.node,
      NodeName: backend.nodeName,
      Addresses: backend.addresses.map(formatAddress),
      Ready: backend.isReady,
      Local: backend.isLocal,
    })),
    Closed: closed.map(({ node, nodeName, protocol, publishedPort, reason }) => ({
      NodeID: node,
      NodeName: nodeName,
      Protocol: protocol,
      PublishedPort: publishedPort,
      Reason: reason,
    })),
  };
}

/** By name, with the first virtual address: Docker's shape has one. */
export function verboseServices(services: readonly ServiceView[]): Readonly<Record<string, VerboseService>> {
  return Object.fromEntries(services.map((service) => [service.name, verboseService(service)]));
}

function verboseService({ vips, published, backends }: ServiceView): VerboseService {
  return {
    VIP: addressText(vips),
    Ports: published.map(
      ({ targetPort, publishedPort }) => `Target: ${targetPort}, Publish: ${publishedPort}`,
    ),
    // of IPVS, which balances nothing here
    LocalLBIndex: 0,
    Tasks: backends.map(({ containerName, endpointId, addresses, nodeName, isReady }) => ({
      Name: containerName,
      EndpointID: endpointId,
      EndpointIP: addressText(addresses),
      Info: { Host: nodeName, Ready: String(isReady) },
    })),
  };
}

function addressText([first]: ServiceView["vips"]): string {
  return first ? formatAddress(first) : "";
}
