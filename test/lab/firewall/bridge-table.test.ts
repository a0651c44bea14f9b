// The table for frames inside a bridge tells bridges by name, which not every kernel can (CONFIG_NFT_BRIDGE_META). Its
// rules are tried here with the names of ports instead.

import { expect, test } from "vitest";
import { entriesOf } from "../../../src/firewall/nftables/entry.ts";
import { bridgeLayout } from "../../../src/firewall/nftables/layout.ts";
import { bridgeTable } from "../../../src/firewall/nftables/sets.ts";
import { addElements, field, linkField, openNftables } from "../../../src/kernel/nftables/index.ts";
import { allow } from "../../conformance/firewall/rules.ts";
import { buildTown } from "../../conformance/firewall/town.ts";

test("ports of a bridge that are kept apart hear of each other what is allowed, and find neighbours", async () => {
  await using town = await buildTown({ bridgeNetfilter: false });
  const { host, c1, c2, peer } = town;
  await using nftables = await openNftables(host.netns);
  const allowed = [allow("172.20.1.2", "80", "172.20.1.3"), allow("fd00:1::2", "80", "fd00:1::3")]
    .flatMap((rule) => entriesOf(rule, [4, 6]))
    .filter(({ table }) => table === "bridge");
  await nftables.commit([
    ...bridgeLayout(field.inLink),
    ...addElements(bridgeTable, "icc_off", [{ key: linkField("p1-0") }, { key: linkField("p1-1") }]),
    ...allowed.flatMap(({ set, elements }) => addElements(bridgeTable, set, elements)),
  ]);
  for (const [one, two] of [
    ["172.20.1.2", "172.20.1.3"],
    ["fd00:1::2", "fd00:1::3"],
  ] as const) {
    expect(await c2.ask({ to: one, port: 80 })).toBe(`c1:80 ${two}`);
    expect(await c2.ask({ to: one, port: 81 })).toBe("nothing");
    expect(await c2.ask({ to: one, port: 80, protocol: "udp" })).toBe("nothing");
    expect(await c1.ask({ to: two, port: 80 })).toBe("nothing");
    expect(await host.ask({ to: one, port: 81 })).toMatch(/^c1:81 /);
  }
  expect(await c1.ask({ to: "192.0.2.2", port: 80 })).toBe("peer:80 172.20.1.2");
  expect(await peer.ask({ to: "172.20.1.2", port: 80 })).toBe("c1:80 192.0.2.2");
});
