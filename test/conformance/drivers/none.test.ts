// The none driver through the conformance kit.

import createNoneDriver from "../../../drivers/none/index.ts";
import { driverConformance } from "./suite.ts";

driverConformance("none", createNoneDriver, { connects: false, predefinedOnly: true });
