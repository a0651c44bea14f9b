// The overlay driver through the conformance kit, on a host that is a cluster of one.

import createOverlayDriver from "../../../drivers/overlay/index.ts";
import { describeDriver } from "../../../src/driververify/index.ts";
import { runner } from "./runner.ts";

describeDriver("overlay", { kind: "network", factory: createOverlayDriver, inCluster: true }, { runner });
