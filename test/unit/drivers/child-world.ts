// A host without a kernel for drivers whose links stand on a parent: eth0 is there, and requests are written down.

import type { CreateEndpointRequest, CreateNetworkRequest, PoolData } from "../../../src/driverapi/index.ts";
import { createDummy, FakeNetlink } from "../../../src/kernel/index.ts";
import { parseAddress, parsePrefix } from "../../../src/netip/index.ts";
import { createParents } from "../../../src/parents/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { createFakeHost } from "./fake-host.ts";

export const errno = { EINVAL: 22, EOPNOTSUPP: 95, EBUSY: 16, ENETDOWN: 100 } as const;

/** `netlink` starts with lo and, as index 2, eth0. */
export async function createChildHost() {
  const netlink = new FakeNetlink();
  await netlink.send(createDummy({ name: "eth0" }));
  netlink.transcript.length = 0;
  const sysctls: Record<string, string> = {};
  const sysctl = { writeAll: async (values: object) => void Object.assign(sysctls, values) };
  const parents = createParents({ netlink, sysctl, hostHasIpv6: true, log: silentLog });
  return { host: { ...createFakeHost(), netlink, parents }, netlink, parents, sysctls };
}

export function poolData(subnet: string, gateway?: string): PoolData {
  const pool = parsePrefix(subnet);
  const address = gateway === undefined ? undefined : parseAddress(gateway);
  if (!pool) throw new TypeError(`not a prefix: ${subnet}`);
  return {
    addressSpace: "LocalDefault",
    pool,
    ...(address && { gateway: { address, length: pool.length } }),
    auxAddresses: {},
  };
}

export function networkRequest(
  networkId: string,
  generic: Readonly<Record<string, string>> = { parent: "eth0" },
  part: Partial<CreateNetworkRequest> = {},
): CreateNetworkRequest {
  return {
    networkId,
    networkName: `name of ${networkId}`,
    options: { enableIpv4: true, enableIpv6: true, internal: false, generic },
    ipv4Data: [poolData("192.0.2.0/24", "192.0.2.1"), poolData("198.51.100.0/24")],
    ipv6Data: [poolData("2001:db8:2::/64", "2001:db8:2::1")],
    ...part,
  };
}

export function endpointRequest(
  networkId: string,
  endpointId: string,
  part: Partial<CreateEndpointRequest["interface"]> = {},
  options: Partial<CreateEndpointRequest["options"]> = {},
): CreateEndpointRequest {
  const [address, addressIpv6] = [parsePrefix("192.0.2.9/24"), parsePrefix("2001:db8:2::9/64")];
  return {
    networkId,
    endpointId,
    interface: { ...(address && { address }), ...(addressIpv6 && { addressIpv6 }), ...part },
    options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {}, ...options },
  };
}

export function joinRequest(networkId: string, endpointId: string) {
  return { networkId, endpointId, sandboxKey: "/run/netns/c1", freeIndex: 2, suggestedName: "eth0" };
}
