// Where users hook in: DOCKER-USER with iptables, a table of their own with nftables, a mark with both.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createFirewall, type FirewallOptions, type OwnedFirewall } from "../../../src/firewall/index.ts";
import { publish, usual } from "../../conformance/firewall/rules.ts";
import { buildTown, type Town } from "../../conformance/firewall/town.ts";

let town: Town;
beforeAll(async () => {
  town = await buildTown({ bridgeNetfilter: false });
});
afterAll(() => town?.[Symbol.asyncDispose]());
// what a test that failed has left of the user's would be in the way of the next
afterEach(() =>
  town.host.run(`nft delete table inet theirs 2>/dev/null || true
    for kind in nft legacy; do iptables-$kind -F DOCKER-USER 2>/dev/null || true; done`),
);

type Choice = Pick<FirewallOptions, "backend" | "iptables" | "acceptMark">;

async function wall(choice: Choice): Promise<{ firewall: OwnedFirewall } & AsyncDisposable> {
  const firewall = await createFirewall({ ...choice, netns: town.host.netns });
  await firewall.set("test", usual(publish("8080", "172.20.1.2", "80")));
  await firewall.start();
  return { firewall, [Symbol.asyncDispose]: () => firewall.stop() };
}

const published = (timeoutMs?: number) => town.peer.ask({ to: "192.0.2.1", port: 8080 }, timeoutMs);
const direct = (timeoutMs?: number) => town.peer.ask({ to: "172.20.1.2", port: 81 }, timeoutMs);
/** How long no answer counts as none. */
const silenceMs = 400;

describe.for(["nft", "legacy"] as const)("DOCKER-USER of iptables-%s", (iptables) => {
  const program = `iptables-${iptables}`;

  test("a drop comes before everything that would let a packet in", async () => {
    await using _ = await wall({ backend: "iptables", iptables });
    expect(await published()).toBe("c1:80 192.0.2.2");
    await town.host.run(`${program} -A DOCKER-USER -s 192.0.2.2 -j DROP`);
    expect(await published(silenceMs)).toBe("nothing");
    await town.host.run(`${program} -F DOCKER-USER`);
    expect(await published()).toBe("c1:80 192.0.2.2");
  });

  test("what it accepts is let in, whatever comes behind", async () => {
    await using _ = await wall({ backend: "iptables", iptables });
    expect(await direct(silenceMs)).toBe("nothing");
    await town.host.run(`${program} -A DOCKER-USER -s 192.0.2.2 -d 172.20.1.2 -j ACCEPT`);
    await town.host.run(`${program} -A DOCKER-USER -s 172.20.1.2 -d 192.0.2.2 -j ACCEPT`);
    expect(await direct()).toBe("c1:81 192.0.2.2");
    await town.host.run(`${program} -F DOCKER-USER`);
  });
});

describe("a user's own nftables table", () => {
  const theirs = (priority: string, rule: string) =>
    town.host.run(
      `nft 'table inet theirs { chain c { type filter hook forward priority ${priority}; policy accept; ${rule}; }; }'`,
    );

  test.for(["filter - 10", "filter + 10"])("a drop at priority %s holds", async (priority) => {
    await using _ = await wall({ backend: "nftables" });
    await theirs(priority, "meta l4proto tcp ip saddr 192.0.2.2 ct original proto-dst 8080 drop");
    expect(await published(silenceMs)).toBe("nothing");
    await town.host.run("nft delete table inet theirs");
    expect(await published()).toBe("c1:80 192.0.2.2");
  });

  test("an accept is not the last word", async () => {
    await using _ = await wall({ backend: "nftables" });
    await theirs("filter - 10", "ip saddr 192.0.2.2 accept");
    expect(await direct(silenceMs)).toBe("nothing");
    await town.host.run("nft delete table inet theirs");
  });

  test("it outlives us, and our changes and restarts", async () => {
    await using first = await wall({ backend: "nftables" });
    await theirs("filter - 10", "ip saddr 192.0.2.9 drop");
    const before = await town.host.run("nft list table inet theirs");
    await first.firewall.set("more", [publish("9999", "172.20.1.2", "81")]);
    await first.firewall.stop();
    await using _ = await wall({ backend: "nftables" });
    expect(await town.host.run("nft list table inet theirs")).toBe(before);
    await town.host.run("nft delete table inet theirs");
  });
});

describe.for([{ backend: "nftables" }, { backend: "iptables", iptables: "nft" }] as const)(
  "bridge-accept-fwmark with $backend",
  (choice) => {
    test("what the user marks is let in", async () => {
      await using _ = await wall({ ...choice, acceptMark: { value: 0x10, mask: 0xf0 } });
      expect(await direct(silenceMs)).toBe("nothing");
      await town.host.run(
        "nft 'table inet theirs { chain c { type filter hook prerouting priority -150; ip saddr 192.0.2.2 tcp dport 81 meta mark set 0x15; }; }'",
      );
      expect(await direct()).toBe("c1:81 192.0.2.2");
      await town.host.run("nft delete table inet theirs");
      expect(await direct(silenceMs)).toBe("nothing");
    });
  },
);
