// The none driver: loopback alone: the sandbox has a netns without any link. There is one such network.

import type { NetworkDriverFactory } from "../../src/driverapi/index.ts";
import { onlyNetworkDriver } from "../../src/driverkit/index.ts";

/** Builds the driver `null`. */
const createDriver: NetworkDriverFactory = () => onlyNetworkDriver("null");

export default createDriver;
