// The iptables back end through the packet suite.

import { createFirewall } from "../../../src/firewall/index.ts";
import { spoofingSuite } from "./spoofing.ts";
import { packetSuite } from "./suite.ts";

const subjects = (["nft", "legacy"] as const).flatMap((iptables) =>
  [true, false].map((bridgeNetfilter) => ({
    title: `iptables-${iptables}, br_netfilter ${bridgeNetfilter ? "on" : "off"}`,
    open: (netns: string) => createFirewall({ backend: "iptables", iptables, netns }),
    bridgeNetfilter,
  })),
);

for (const subject of subjects) packetSuite(subject);

for (const only of [4, 6] as const)
  packetSuite({
    title: `iptables, IPv${only} only`,
    open: (netns) => createFirewall({ backend: "iptables", iptables: "nft", netns }),
    bridgeNetfilter: false,
    only,
  });

for (const subject of subjects) spoofingSuite(subject);
