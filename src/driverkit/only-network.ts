// Drivers of networks that make nothing: a sandbox is on one by what its netns is. There is one network of each.

import type { NetworkDriver } from "../driverapi/index.ts";
import { forbidden } from "../util/errors.ts";

/** A driver for one network that the daemon itself makes. @throws forbidden at `createNetwork` for another one */
export function onlyNetworkDriver(name: string): NetworkDriver {
  let onlyNetwork: string | undefined;
  return {
    name,
    capabilities: { scope: "local", connectivityScope: "local", replay: true, predefinedOnly: true },

    async createNetwork({ networkId }) {
      if (onlyNetwork !== undefined && onlyNetwork !== networkId)
        throw forbidden(`only one instance of "${name}" network is allowed`);
      onlyNetwork = networkId;
    },

    async deleteNetwork({ networkId }) {
      if (onlyNetwork === networkId) onlyNetwork = undefined;
    },

    createEndpoint: async (request) => request.interface,
    deleteEndpoint: async () => undefined,
    join: async () => ({ staticRoutes: [], disableGatewayService: true }),
    leave: async () => undefined,
  };
}
