// The ipvlan driver through the conformance kit, where the kernel has ipvlan at all.

import { describe, test } from "vitest";
import createIpvlanDriver from "../../../drivers/ipvlan/index.ts";
import { describeDriver } from "../../../src/driververify/index.ts";
import { lacksLinkKind } from "../../lab/drivers/kernel.ts";
import { runner } from "./runner.ts";

if (await lacksLinkKind("ipvlan"))
  describe("driver ipvlan", () => test.skip("this kernel has no ipvlan (CONFIG_IPVLAN)", () => undefined));
else
  describeDriver(
    "ipvlan",
    { kind: "network", factory: createIpvlanDriver },
    { runner, networkOptions: { parent: "eth0" }, wrongOption: { ipvlan_mode: "perhaps" } },
  );
