// The bridge driver through the conformance kit.

import createBridgeDriver from "../../../drivers/bridge/index.ts";
import { describeDriver } from "../../../src/driververify/index.ts";
import { runner } from "./runner.ts";

describeDriver(
  "bridge",
  { kind: "network", factory: createBridgeDriver },
  { runner, wrongOption: { "com.docker.network.bridge.enable_icc": "perhaps" } },
);
