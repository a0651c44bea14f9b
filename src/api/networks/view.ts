// Networks as list and inspect show them.

import type { NetworkMember, NetworkView, PoolSpec } from "../../engine/types.ts";
import { formatAddress, formatPrefix } from "../../netip/index.ts";
import type { IpamPool, NetworkContainer, NetworkInspect, NetworkSummary } from "../schemas/network.ts";
import { formatTime } from "../time.ts";
import { type ApiVersion, isBefore } from "../version.ts";

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

export function networkInspect(view: NetworkView, version: ApiVersion): NetworkInspect {
  return {
    ...networkSummary(view),
    Containers: Object.fromEntries(view.members.map((it) => [memberKey(it), memberWire(it)])),
    ...(!isBefore(version, 52) && { Status: statusWire(view) }),
  };
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

function statusWire(view: NetworkView): NonNullable<NetworkInspect["Status"]> {
  const subnets = view.pools.map(({ subnet, inUse, available }) => [
    formatPrefix(subnet),
    { IPsInUse: Number(inUse), DynamicIPsAvailable: Number(available) },
  ]);
  return { IPAM: { Subnets: Object.fromEntries(subnets) } };
}
