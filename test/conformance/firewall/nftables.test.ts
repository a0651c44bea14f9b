// The nftables back end through the packet suite.

import { createFirewall } from "../../../src/firewall/index.ts";
import { spoofingSuite } from "./spoofing.ts";
import { packetSuite } from "./suite.ts";

const subjects = [true, false].map((bridgeNetfilter) => ({
  title: `nftables, br_netfilter ${bridgeNetfilter ? "on" : "off"}`,
  open: (netns: string) => createFirewall({ backend: "nftables", netns }),
  bridgeNetfilter,
}));

for (const subject of subjects) packetSuite(subject);

for (const only of [4, 6] as const)
  packetSuite({
    title: `nftables, IPv${only} only`,
    open: (netns) => createFirewall({ backend: "nftables", netns }),
    bridgeNetfilter: false,
    only,
  });

for (const subject of subjects) spoofingSuite(subject);
