// Checks what the user says of an endpoint before anything is made. The messages are Docker's.

import { type Address, formatAddress, prefixContains } from "../netip/index.ts";
import { forbidden, invalid } from "../util/errors.ts";
import type { Network } from "./network.ts";
import type { EndpointSpec } from "./types.ts";

/** @throws invalid or forbidden when an endpoint like this cannot be on the network */
export function checkEndpoint(network: Network, spec: EndpointSpec): void {
  if (network.record.configOnly)
    throw forbidden(`cannot connect to network ${network.name}: it is a configuration-only network`);
  const addresses = [spec.ipv4, spec.ipv6].filter((address) => address !== undefined);
  if (!network.isUserDefined) {
    if (addresses.length > 0)
      throw invalid("user-specified IP address is supported on user-defined networks only");
    if (spec.aliases.length > 0)
      throw invalid("network-scoped aliases are only supported for user-defined networks");
  }
  const strays = addresses.filter((address) => !isOnNetwork(network, address));
  if (strays.length > 0) {
    throw invalid(
      strays
        .map((address) => `no configured subnet contains IP address ${formatAddress(address)}`)
        .join("\n"),
    );
  }
}

function isOnNetwork(network: Network, address: Address): boolean {
  return network.record.pools.some(({ subnet }) => prefixContains(subnet, address));
}
