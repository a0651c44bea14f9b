// Networks as list and inspect show them.

import type {
  NetworkInspection,
  NetworkMember,
  NetworkPeerView,
  NetworkView,
  PoolSpec,
} from "../../engine/types.ts";
import { formatAddress, formatPrefix } from "../../netip/index.ts";
import { pathWire } from "../cluster/view.ts";
import type {
  IpamPool,
  NetworkContainer,
  NetworkInspect,
  NetworkPeer,
  NetworkStatus,
  NetworkSummary,
} from "../schemas/network.ts";
import { formatTime } from "../time.ts";
import { kernelWire } from "./kernel-view.ts";
import { verboseServices } from "./service-view.ts";

/** A network in the list of networks. */
export function networkSummary(view: NetworkView): NetworkSummary {
  return {
    Name: view.name,
    Id: view.id,
    Created: formatTime(view.createdAt),
    Scope: view.scope,
    Driver: view.driver,
    EnableIPv4: view.enableIpv4,
    EnableIPv6: view.enableIpv6,
    IPAM: {
      Driver: view.ipam.driver,
      Options: view.ipam.options ?? null,
      Config: view.ipam.pools.map(poolWire),
    },
    Internal: view.internal,
    Attachable: view.attachable,
    Ingress: view.ingress,
    ConfigFrom: { Network: view.configFrom ?? "" },
    ConfigOnly: view.configOnly,
    // the CLI of API versions below 1.52 reads it from lists too, and expects an empty one
    Containers: {},
    Options: view.options,
    Labels: view.labels,
  };
}

/** A network by itself: who is on it, which addresses are free; with details also what the kernel has of it. */
export function networkInspect(view: NetworkView | NetworkInspection): NetworkInspect {
  return {
    ...networkSummary(view),
    Containers: Object.fromEntries(view.members.map((it) => [memberKey(it), memberWire(it)])),
    ...("peers" in view && view.peers.length > 0 && { Peers: view.peers.map(peerWire) }),
    ...("services" in view && view.services?.length && { Services: verboseServices(view.services) }),
    Status: statusWire(view),
  };
}

/** Docker's, with ours beside it. */
function peerWire({ nodeId, name, address, path }: NetworkPeerView): NetworkPeer {
  const { NodeID: _, ...found } = path ? pathWire(path) : { NodeID: nodeId };
  return { Name: `${name}-${nodeId.slice(0, 12)}`, IP: formatAddress(address), ...found };
}

function poolWire(pool: PoolSpec): IpamPool {
  const auxiliary = Object.entries(pool.auxiliaryAddresses);
  return {
    ...(pool.subnet && { Subnet: formatPrefix(pool.subnet) }),
    ...(pool.range && { IPRange: formatPrefix(pool.range) }),
    ...(pool.gateway && { Gateway: formatAddress(pool.gateway) }),
    ...(auxiliary.length > 0 && {
      AuxiliaryAddresses: Object.fromEntries(auxiliary.map(([name, it]) => [name, formatAddress(it)])),
    }),
  };
}

function memberKey(member: NetworkMember): string {
  return member.containerId ?? `ep-${member.endpointId}`;
}

function memberWire(member: NetworkMember): NetworkContainer {
  return {
    Name: member.name,
    EndpointID: member.endpointId,
    MacAddress: member.mac ?? "",
    IPv4Address: member.ipv4 ? formatPrefix(member.ipv4) : "",
    IPv6Address: member.ipv6 ? formatPrefix(member.ipv6) : "",
  };
}

function statusWire(view: NetworkView | NetworkInspection): NetworkStatus {
  const leased = view.pools.filter(({ subnet }) => subnet.length > 0);
  const subnets = leased.map(({ subnet, inUse, available }) => [
    formatPrefix(subnet),
    { IPsInUse: uint64(inUse), DynamicIPsAvailable: uint64(available) },
  ]);
  return {
    IPAM: { Subnets: Object.fromEntries(subnets) },
    ...("effective" in view && { Effective: view.effective }),
    ...("details" in view && view.details && { Kernel: kernelWire(view.details) }),
  };
}

/** The largest double that a Go client still reads into 64 bits. */
const mostUint64 = 2 ** 64 - 2 ** 11;

function uint64(count: bigint): number {
  return Math.min(Number(count), mostUint64);
}
