// The none driver through the conformance kit.

import createNoneDriver from "../../../drivers/none/index.ts";
import { describeDriver } from "../../../src/driververify/index.ts";
import { runner } from "./runner.ts";

describeDriver("none", { kind: "network", factory: createNoneDriver }, { runner });
