// The iptables back end through the packet suite.

import { createFirewall } from "../../../src/firewall/index.ts";
import { packetSuite } from "./suite.ts";

for (const iptables of ["nft", "legacy"] as const)
  for (const bridgeNetfilter of [true, false])
    packetSuite({
      title: `iptables-${iptables}, br_netfilter ${bridgeNetfilter ? "on" : "off"}`,
      open: (netns) => createFirewall({ backend: "iptables", iptables, netns }),
      bridgeNetfilter,
    });
