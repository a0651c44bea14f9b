// Containers that are kept apart on a kernel whose bridges hand nothing to the rules for forwarded packets: ports are told
// by their groups, and bridge-nf-call-iptables stays as it was.

import { expect, test } from "vitest";
import { createFirewall } from "../../../src/firewall/index.ts";
import { readSysctl } from "../../../src/kernel/index.ts";
import { allow, bridge } from "../../conformance/firewall/rules.ts";
import { buildTown } from "../../conformance/firewall/town.ts";

test("ports of a bridge that are kept apart hear of each other what is allowed, and find neighbours", async () => {
  await using town = await buildTown({ bridgeNetfilter: false });
  const { host, c1, c2, peer } = town;
  const firewall = await createFirewall({ backend: "nftables", netns: host.netns });
  await firewall.set("test", [
    bridge("br1", { icc: false, gatewayMode: { 4: "nat-unprotected", 6: "nat-unprotected" } }),
    allow("172.20.1.2", "80", "172.20.1.3"),
    allow("fd00:1::2", "80", "fd00:1::3"),
  ]);
  await firewall.start();
  for (const [one, two] of [
    ["172.20.1.2", "172.20.1.3"],
    ["fd00:1::2", "fd00:1::3"],
  ] as const) {
    expect(await c2.ask({ to: one, port: 80 })).toBe(`c1:80 ${two}`);
    expect(await c2.ask({ to: one, port: 81 }, 400)).toBe("nothing");
    expect(await c2.ask({ to: one, port: 80, protocol: "udp" }, 400)).toBe("nothing");
    expect(await c1.ask({ to: two, port: 80 }, 400)).toBe("nothing");
    expect(await host.ask({ to: one, port: 81 })).toMatch(/^c1:81 /);
  }
  expect(await c1.ask({ to: "192.0.2.2", port: 80 })).toBe("peer:80 192.0.2.1");
  expect(await peer.ask({ to: "172.20.1.2", port: 80 })).toBe("c1:80 192.0.2.2");
  expect(await readSysctl("net.bridge.bridge-nf-call-iptables", host.netns)).toBe("0");
  await firewall.stop();
});
