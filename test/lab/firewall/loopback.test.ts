// Ports published on 127.0.0.1 are reachable from the host and from nowhere else.

import { expect, test } from "vitest";
import { createFirewall, type FirewallOptions } from "../../../src/firewall/index.ts";
import { publish, usual } from "../../conformance/firewall/rules.ts";
import { buildTown } from "../../conformance/firewall/town.ts";

const choices: Pick<FirewallOptions, "backend" | "iptables">[] = [
  { backend: "nftables" },
  { backend: "iptables", iptables: "nft" },
];

test.each(choices)(
  "$backend: without translation on loopback 127.0.0.1 is left to the forwarder",
  async (choice) => {
    await using town = await buildTown({ bridgeNetfilter: false });
    const { host, peer } = town;
    const firewall = await createFirewall({ ...choice, netns: host.netns, loopbackNat: false });
    await firewall.set("test", usual(publish("8080", "172.20.1.2", "80")));
    await firewall.start();
    expect(await host.ask({ to: "127.0.0.1", port: 8080 })).toBe("host:8080 127.0.0.1");
    expect(await host.ask({ to: "192.0.2.1", port: 8080 })).toBe("c1:80 192.0.2.1");
    expect(await peer.ask({ to: "192.0.2.1", port: 8080 })).toBe("c1:80 192.0.2.2");
    await firewall.stop();
  },
);
