// The macvlan driver through the conformance kit.

import createMacvlanDriver from "../../../drivers/macvlan/index.ts";
import { describeDriver } from "../../../src/driververify/index.ts";
import { runner } from "./runner.ts";

describeDriver(
  "macvlan",
  { kind: "network", factory: createMacvlanDriver },
  { runner, networkOptions: { parent: "eth0" }, wrongOption: { macvlan_mode: "perhaps" } },
);
