// The host driver through the conformance kit.

import createHostDriver from "../../../drivers/host/index.ts";
import { driverConformance } from "./suite.ts";

driverConformance("host", createHostDriver, { connects: false, predefinedOnly: true });
