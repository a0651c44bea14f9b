// The IPAM drivers through the conformance kit.

import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import createNullIpam from "../../../drivers/ipam-null/index.ts";
import { describeDriver } from "../../../src/driververify/index.ts";
import { runner } from "./runner.ts";

describeDriver("ipam default", { kind: "ipam", factory: createDefaultIpam }, { runner });
describeDriver("ipam null", { kind: "ipam", factory: createNullIpam }, { runner });
