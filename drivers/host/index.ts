// The host driver: the host's own network: the sandbox is the host's netns. There is one such network.

import type { NetworkDriverFactory } from "../../src/driverapi/index.ts";
import { onlyNetworkDriver } from "../../src/driverkit/index.ts";

/** Builds the driver `host`. */
const createDriver: NetworkDriverFactory = () => onlyNetworkDriver("host");

export default createDriver;
