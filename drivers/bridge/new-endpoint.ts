// What an endpoint is before it has a link: its MAC, the name of its port, its options checked.

import type { CreateEndpointRequest, EndpointOptions, Host } from "../../src/driverapi/index.ts";
import { checkEndpointOptions } from "../../src/driverkit/index.ts";
import { derivedMac, formatAddress, type Mac, randomMac } from "../../src/netip/index.ts";
import { allDone } from "../../src/util/all-done.ts";
import type { BridgeEndpoint, BridgeNetwork } from "./bridge-networks.ts";
import { needsHairpin, portName } from "./endpoint-link.ts";
import { endpointOptionNames } from "./options.ts";
import { guardPort } from "./standing.ts";

/** @throws invalid for an option, or a value of one, that no endpoint of a bridge can have */
export function checkBridgeEndpoint(driverOpts: EndpointOptions["driverOpts"]): void {
  checkEndpointOptions(driverOpts, { driver: "bridge", own: [endpointOptionNames.hostInterfaceName] });
  // any id will do: only a name that the user chose can be wrong
  portName("0".repeat(64), driverOpts);
}

/** An endpoint that the firewall knows already: no frame of its container goes unseen. */
export async function newEndpoint(
  host: Host,
  network: BridgeNetwork,
  request: CreateEndpointRequest,
): Promise<BridgeEndpoint> {
  const { endpointId, options } = request;
  const { driverOpts, linkLocal = [], macAddress } = options;
  checkBridgeEndpoint(driverOpts);
  const port = portName(endpointId, driverOpts);
  const mac = request.interface.macAddress ?? macAddress ?? macFor(request);
  const own = { ...request.interface, macAddress: mac };
  const hairpin = needsHairpin(host);
  await allDone([
    guardPort(host, network, { endpointId, endpoint: { port, interface: own, linkLocal } }),
    hairpin,
  ]);
  return { interface: own, linkLocal, driverOpts, port, isHairpin: await hairpin };
}

/** An address keeps its MAC from one container to the next, so that nobody on the network has a stale neighbour. */
function macFor({ networkId, interface: own }: CreateEndpointRequest): Mac {
  const address = (own.address ?? own.addressIpv6)?.address;
  return address ? derivedMac(`${networkId} ${formatAddress(address)}`) : randomMac();
}
