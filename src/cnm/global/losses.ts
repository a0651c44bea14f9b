// Endpoints that cannot stay where they are.

import type { Network, NetworkEndpoint } from "../network.ts";

/** An endpoint that cannot stay: its address is another host's, or its network is no more. */
export interface EndpointLoss {
  readonly networkId: string;
  readonly networkName: string;
  readonly endpointId: string;
  readonly containerId: string;
  /** For people. */
  readonly reason: string;
}

/** What is said of those endpoints of a network that are lost. */
export function lossesOf(
  { id: networkId, name: networkName, endpoints }: Pick<Network, "id" | "name" | "endpoints">,
  reason: string,
  isLost: (endpoint: NetworkEndpoint) => boolean = () => true,
): EndpointLoss[] {
  return [...endpoints.values()].filter(isLost).map(({ id: endpointId, record: { containerId } }) => ({
    networkId,
    networkName,
    endpointId,
    containerId,
    reason,
  }));
}
