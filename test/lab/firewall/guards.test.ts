// What a namespace that holds a bridge and nothing else accepts as rules.

import { expect, test } from "vitest";
import { createGuards } from "../../../src/firewall/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { bridge } from "../../conformance/firewall/rules.ts";
import { Lab } from "../lab.ts";

test("a namespace for guards refuses what it has no chains for", async () => {
  await using lab = await Lab.create();
  const { netns } = await lab.host("fabric");
  const guards = await createGuards()(netns, silentLog);
  await guards.start();
  await expect(guards.set("test", [bridge("br1", { icc: false })])).rejects.toThrow("guards of ports alone");
  await guards.stop();
});
