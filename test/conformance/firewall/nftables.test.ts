// The nftables back end through the packet suite.

import { createFirewall } from "../../../src/firewall/index.ts";
import { packetSuite } from "./suite.ts";

for (const bridgeNetfilter of [true, false])
  packetSuite({
    title: `nftables, br_netfilter ${bridgeNetfilter ? "on" : "off"}`,
    open: (netns) => createFirewall({ backend: "nftables", netns }),
    bridgeNetfilter,
  });
