// The bridge driver through the conformance kit.

import createBridgeDriver from "../../../drivers/bridge/index.ts";
import { driverConformance } from "./suite.ts";

driverConformance("bridge", createBridgeDriver, {
  connects: true,
  publishes: true,
  wrongOption: { "com.docker.network.bridge.enable_icc": "perhaps" },
});
