// The none driver: loopback alone: the sandbox has a netns without any link. There is one such network.

import type { NetworkDriver, NetworkDriverFactory } from "../../src/driverapi/index.ts";
import { forbidden } from "../../src/util/errors.ts";

/** Builds the driver `null`. */
const createDriver: NetworkDriverFactory = () => {
  let onlyNetwork: string | undefined;
  return {
    name: "null",
    capabilities: { scope: "local", connectivityScope: "local", replay: true, predefinedOnly: true },

    async createNetwork({ networkId }) {
      if (onlyNetwork !== undefined && onlyNetwork !== networkId)
        throw forbidden('only one instance of "null" network is allowed');
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
