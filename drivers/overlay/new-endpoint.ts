// What an endpoint is before it has a link: its MAC, its segment, what it is to others.

import type { CreateEndpointRequest, EndpointInterface, GuardRule } from "../../src/driverapi/index.ts";
import {
  type Address,
  addressBytes,
  type Mac,
  macFromBytes,
  prefixContains,
  randomMac,
} from "../../src/netip/index.ts";
import { bridgeName, portName } from "./mark.ts";
import { checkOverlayEndpoint, segmentPools } from "./options.ts";
import type { OverlayEndpoint, OverlayNetwork } from "./overlay-networks.ts";
import type { PublishedEndpoint } from "./shared.ts";

/** @throws invalid for an option that it cannot have */
export function newEndpoint({ interface: asked, options }: CreateEndpointRequest): OverlayEndpoint {
  checkOverlayEndpoint(options.driverOpts);
  const macAddress = asked.macAddress ?? options.macAddress ?? macFor(asked);
  const { driverOpts, forwards = false } = options;
  return { interface: { ...asked, macAddress }, driverOpts, ...(forwards && { forwards }) };
}

/** Docker's: 02:42 and the IPv4 address. One that moves to another host is the same to its neighbours. */
export function macFor({ address, addressIpv6 }: EndpointInterface): Mac {
  const own = (address ?? addressIpv6)?.address;
  return own ? macFromBytes(Uint8Array.of(0x02, 0x42, ...addressBytes(own).slice(-4))) : randomMac();
}

export function addressesOf({ interface: { address, addressIpv6 } }: OverlayEndpoint): Address[] {
  return [address, addressIpv6].flatMap((prefix) => prefix?.address ?? []);
}

/** What other hosts are told. */
export function publishedEndpoint(
  { config, vnis }: OverlayNetwork,
  endpoint: OverlayEndpoint,
  node: string,
): PublishedEndpoint {
  const addresses = addressesOf(endpoint);
  const segment = segmentPools(config).findIndex(({ pool }) =>
    addresses.some((address) => prefixContains(pool, address)),
  );
  const vni = vnis[Math.max(segment, 0)] ?? 0;
  return { node, mac: endpoint.interface.macAddress, addresses, vni };
}

/** What the container behind a port is, and all that it may claim to be. */
export function guardRule(endpointId: string, endpoint: OverlayEndpoint): GuardRule {
  return {
    kind: "guard",
    link: bridgeName,
    port: portName(endpointId),
    portGroup: 0,
    mac: endpoint.interface.macAddress,
    addresses: addressesOf(endpoint),
    // sources of others may come in by it, but none that is somebody's on the bridge
    antispoof: endpoint.forwards ? "owned" : "strict",
  };
}
