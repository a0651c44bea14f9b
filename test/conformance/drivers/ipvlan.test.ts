// The ipvlan driver through the conformance kit, where the kernel has ipvlan at all.

import { describe, test } from "vitest";
import createIpvlanDriver from "../../../drivers/ipvlan/index.ts";
import { lacksLinkKind } from "../../lab/drivers/kernel.ts";
import { driverConformance } from "./suite.ts";

if (await lacksLinkKind("ipvlan"))
  describe("driver ipvlan", () => test.skip("this kernel has no ipvlan (CONFIG_IPVLAN)", () => undefined));
else
  driverConformance("ipvlan", createIpvlanDriver, {
    connects: true,
    isOnWire: true,
    networkOptions: { parent: "eth0" },
    wrongOption: { ipvlan_mode: "perhaps" },
  });
