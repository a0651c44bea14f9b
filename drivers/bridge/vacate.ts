// Between the end of an endpoint and that of its port, for which the kernel takes its time.

import type { Host } from "../../src/driverapi/index.ts";
import type { BridgeEndpoint, BridgeNetwork } from "./bridge-networks.ts";
import { guardPort } from "./standing.ts";

/**
 * The container behind a port has no address any more: another may get it before the port is gone, and connections of the
 * one end now, not when they are the other's.
 */
export async function vacatePort(
  host: Pick<Host, "firewall">,
  network: BridgeNetwork,
  { endpointId, endpoint }: { endpointId: string; endpoint: Pick<BridgeEndpoint, "port" | "interface"> },
): Promise<void> {
  const { macAddress } = endpoint.interface;
  const bare = { port: endpoint.port, interface: macAddress ? { macAddress } : {} };
  await guardPort(host, network, { endpointId, endpoint: bare });
}
