// The macvlan driver through the conformance kit.

import createMacvlanDriver from "../../../drivers/macvlan/index.ts";
import { driverConformance } from "./suite.ts";

driverConformance("macvlan", createMacvlanDriver, {
  connects: true,
  isOnWire: true,
  networkOptions: { parent: "eth0" },
  wrongOption: { macvlan_mode: "perhaps" },
});
