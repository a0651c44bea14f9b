// The host driver: the host's own network: the sandbox is the host's netns. There is one such network.

import type { NetworkDriver, NetworkDriverFactory } from "../../src/driverapi/index.ts";
import { forbidden } from "../../src/util/errors.ts";

/** Builds the driver `host`. */
const createDriver: NetworkDriverFactory = () => {
  let onlyNetwork: string | undefined;
  return {
    name: "host",
    capabilities: { scope: "local", connectivityScope: "local", replay: true, predefinedOnly: true },

    async createNetwork({ networkId }) {
      if (onlyNetwork !== undefined && onlyNetwork !== networkId)
        throw forbidden('only one instance of "host" network is allowed');
      onlyNetwork = networkId;
    },

    async deleteNetwork({ networkId }) {
      if (onlyNetwork === networkId) onlyNetwork = undefined;
    },

    createEndpoint: async (request) => request.interface,
    deleteEndpoint: async () => undefined,
    join: async () => ({ staticRoutes: [], disableGatewayService: true }),
    leave: async () => undefined,
  } satisfies NetworkDriver;
};

export default createDriver;
