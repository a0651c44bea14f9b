// The host driver through the conformance kit.

import createHostDriver from "../../../drivers/host/index.ts";
import { describeDriver } from "../../../src/driververify/index.ts";
import { runner } from "./runner.ts";

describeDriver("host", { kind: "network", factory: createHostDriver }, { runner });
