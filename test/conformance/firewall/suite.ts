// What every back end must do to packets. Rules are never looked at here: only who hears whom, and from which address.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OwnedFirewall, Rule } from "../../../src/firewall/index.ts";
import type { Family } from "../../../src/netip/index.ts";
import { addresses } from "./addresses.ts";
import { hostAccessSuite } from "./host-access.ts";
import { address, silence } from "./lab.ts";
import { loopbackSuite } from "./loopback.ts";
import { outsiderSuite } from "./outsiders.ts";
import { allow, bridge, publish, usual } from "./rules.ts";
import { buildTown, setBridgeNetfilter, type Town } from "./town.ts";

export interface Subject {
  readonly title: string;
  open(netns: string): Promise<OwnedFirewall>;
  /** br_netfilter on or off in the host's namespace. */
  readonly bridgeNetfilter: boolean;
  /** The networks have this family alone. Default: both. */
  readonly only?: Family;
}

/**
 * Everything that holds for both families, and then what does not. Most of it is waiting for answers that must not come, so
 * suites of several subjects run side by side, each in a town of its own.
 */
export function packetSuite(subject: Subject): void {
  describe.concurrent(subject.title, () => {
    let town: Town;
    beforeAll(async () => {
      town = await buildTown(subject);
    });
    afterAll(() => town?.[Symbol.asyncDispose]());

    const wall = async (...rules: readonly Rule[]) => {
      const firewall = await subject.open(town.host.netns);
      await firewall.set("test", subject.only ? rules.map((rule) => inFamily(rule, subject.only)) : rules);
      await firewall.start();
      const end = async () => {
        await firewall.stop();
        await setBridgeNetfilter(town.host, subject.bridgeNetfilter); // separated containers switch it on
      };
      return { firewall, [Symbol.asyncDispose]: end };
    };

    for (const family of subject.only ? [subject.only] : ([4, 6] as const))
      describe(`IPv${family}`, { concurrent: false }, () => {
        familySuite(family, () => town, wall);
        hostAccessSuite(family, () => town, wall);
        outsiderSuite(family, () => town, wall);
      });
    if (!subject.only) describe("loopback", { concurrent: false }, () => loopbackSuite(() => town, wall));
  });
}

/** A bridge without the subnets of the other family. */
function inFamily(rule: Rule, only: Family | undefined): Rule {
  if (rule.kind !== "bridge") return rule;
  const subnets = rule.subnets.filter(({ address }) => address.family === only);
  if (!rule.self) return { ...rule, subnets };
  const own = rule.self.addresses.filter(({ family }) => family === only);
  return { ...rule, subnets, self: { ...rule.self, addresses: own } };
}

/** Has these rules in force until it is disposed. */
export type Wall = (
  ...rules: readonly Rule[]
) => Promise<{ readonly firewall: OwnedFirewall } & AsyncDisposable>;

function familySuite(family: 4 | 6, town: () => Town, wall: Wall): void {
  const at = addresses[family];
  const published = publish("8080", at.c1, "80");

  publishingSuite();
  accessSuite();
  outgoingSuite();
  modeSuite();

  function publishingSuite(): void {
    test("a published port is reached from another host, whose address the container sees", async () => {
      await using _ = await wall(...usual(published, publish("8080", at.c1, "80", { protocol: "udp" })));
      const { peer, attacker } = town();
      expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.peer}`);
      expect(await peer.ask({ to: at.host, port: 8080, protocol: "udp" })).toBe(`c1:80 ${at.peer}`);
      expect(await attacker.ask({ to: at.otherHost, port: 8080 })).toBe(`c1:80 ${at.attacker}`);
    });

    test("a published port is reached from the host itself, whose address the container sees", async () => {
      await using _ = await wall(...usual(published, publish("8080", at.c1, "80", { protocol: "udp" })));
      const { host } = town();
      expect(await host.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.host}`);
      expect(await host.ask({ to: at.host, port: 8080, protocol: "udp" })).toBe(`c1:80 ${at.host}`);
      expect(await host.ask({ to: at.gateway1, port: 8080 })).toBe(`c1:80 ${at.gateway1}`);
    });

    test("a published port is reached from its own container, its own bridge and another bridge", async () => {
      await using _ = await wall(...usual(published, publish("8080", at.c1, "80", { protocol: "udp" })));
      const { c1, c2, c3 } = town();
      for (const client of [c2, c3, c1])
        for (const protocol of ["tcp", "udp"] as const)
          for (const to of [at.host, at.gateway1]) {
            const question = `${client.name} asks ${to}/${protocol}:`;
            const answer = await client.ask({ to, port: 8080, protocol });
            expect(`${question} ${answer}`).toBe(`${question} c1:80 ${at.gateway1}`);
          }
    });

    test("a range leads port by port, shifted or not", async () => {
      await using _ = await wall(
        ...usual(publish("8079-8090", at.c1, "8079-8090"), publish("9080-9081", at.c1, "80-81")),
      );
      const { peer } = town();
      expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`c1:8080 ${at.peer}`);
      expect(await peer.ask({ to: at.host, port: 9080 })).toBe(`c1:80 ${at.peer}`);
      expect(await peer.ask({ to: at.host, port: 9081 })).toBe(`c1:81 ${at.peer}`);
    });

    test("a port published on one address of the host is published on no other", async () => {
      await using _ = await wall(...usual(publish("8080", at.c1, "80", { at: at.host })));
      const { peer, attacker, host } = town();
      expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.peer}`);
      expect(await attacker.ask({ to: at.otherHost, port: 8080 })).toBe(`host:8080 ${at.attacker}`);
      expect(await host.ask({ to: at.gateway1, port: 8080 })).toBe(`host:8080 ${at.gateway1}`);
    });

    test("one port of two addresses leads to two containers, and every other address to a third", async () => {
      await using _ = await wall(
        ...usual(
          publish("8080", at.c1, "80", { at: at.host }),
          publish("8080", at.c2, "81", { at: at.otherHost }),
          publish("8080", at.c2, "80"),
        ),
      );
      const { peer, attacker, host } = town();
      expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.peer}`);
      expect(await attacker.ask({ to: at.otherHost, port: 8080 })).toBe(`c2:81 ${at.attacker}`);
      expect(await host.ask({ to: at.gateway1, port: 8080 })).toBe(`c2:80 ${at.gateway1}`);
    });

    test("a port that is not published any more is the host's again", async () => {
      await using held = await wall(...usual());
      const { peer } = town();
      await held.firewall.set("c1", [published]);
      expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.peer}`);
      await held.firewall.set("c1", []);
      expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`host:8080 ${at.peer}`);
    });

    test("traffic that the host merely passes on keeps its target", async () => {
      await using _ = await wall(...usual(published));
      const { attacker, c3 } = town();
      expect(await attacker.ask({ to: at.peer, port: 8080 })).toBe(`peer:8080 ${at.attacker}`);
      expect(await c3.ask({ to: at.peer, port: 8080 })).toBe(`peer:8080 ${at.host}`);
    });
  }

  function accessSuite(): void {
    test("nobody outside its bridge reaches a container directly, published or not", async () => {
      await using _ = await wall(...usual(published));
      const { peer, attacker, c3, guest } = town();
      const tries = [peer, attacker, c3, guest].flatMap((from) => [
        silence(from, at.c1, 80),
        silence(from, at.c1, 81),
        silence(from, at.c1, 81, "udp"),
      ]);
      await Promise.all(tries);
    });

    test("the host and the containers of its bridge reach a container directly", async () => {
      await using _ = await wall(...usual());
      const { host, c2 } = town();
      expect(await host.ask({ to: at.c1, port: 81 })).toBe(`c1:81 ${at.gateway1}`);
      expect(await c2.ask({ to: at.c1, port: 81 })).toBe(`c1:81 ${at.c2}`);
    });

    test("a trusted link lets its neighbours reach published ports directly, and no one else", async () => {
      const trusting = [bridge("br1", { trustedLinks: ["eth0"] }), bridge("br2")];
      await using held = await wall(...trusting);
      const { peer, attacker, c3 } = town();
      const isClosed = async () => {
        await Promise.all([
          silence(peer, at.c1, 81),
          silence(peer, at.c1, 80, "udp"),
          silence(peer, at.c2, 80),
          silence(attacker, at.c1, 80),
          silence(attacker, at.c1, 8080),
          silence(c3, at.c1, 80),
          expect(peer.run(`busybox ping -c 1 -W 1 ${at.c1}`)).rejects.toThrow(" 0 packets received"),
        ]);
      };
      await silence(peer, at.c1, 80);
      await held.firewall.set("c1", [allow(at.c1, "80", "trusted"), allow(at.c1, "8079-8081", "trusted")]);
      expect(await peer.ask({ to: at.c1, port: 80 })).toBe(`c1:80 ${at.peer}`);
      expect(await peer.ask({ to: at.c1, port: 8080 })).toBe(`c1:8080 ${at.peer}`);
      await isClosed();
      // the same port in another range: what goes and what comes overlap
      await held.firewall.set("c1", [allow(at.c1, "8080-9000", "trusted")]);
      expect(await peer.ask({ to: at.c1, port: 8080 })).toBe(`c1:8080 ${at.peer}`);
      await Promise.all([silence(peer, at.c1, 80), isClosed()]);
    });

    test("whom a network trusts another need not trust", async () => {
      await using _ = await wall(
        bridge("br1"),
        bridge("br2", { trustedLinks: ["eth0"] }),
        allow(at.c1, "80", "trusted"),
        { ...allow(at.c3, "80", "trusted"), link: "br2" },
      );
      const { peer } = town();
      expect(await peer.ask({ to: at.c3, port: 80 })).toBe(`c3:80 ${at.peer}`);
      await Promise.all([silence(peer, at.c1, 80), silence(peer, at.c3, 81)]);
    });

    test("without communication inside the bridge its containers are silent to each other", async () => {
      await using _ = await wall(bridge("br1", { icc: false }), bridge("br2"), published);
      const { c1, c2, peer, host } = town();
      await Promise.all([silence(c2, at.c1, 80), silence(c2, at.c1, 80, "udp"), silence(c1, at.c2, 80)]);
      expect(await c1.ask({ to: at.peer, port: 80 })).toBe(`peer:80 ${at.host}`);
      expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.peer}`);
      expect(await c2.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.gateway1}`);
      expect(await host.ask({ to: at.c1, port: 80 })).toBe(`c1:80 ${at.gateway1}`);
    });

    test("one container may be let through to one port of another", async () => {
      await using _ = await wall(bridge("br1", { icc: false }), allow(at.c1, "80", at.c2));
      const { c1, c2 } = town();
      expect(await c2.ask({ to: at.c1, port: 80 })).toBe(`c1:80 ${at.c2}`);
      await Promise.all([silence(c2, at.c1, 81), silence(c1, at.c2, 80)]);
    });

    test("an internal network hears nothing from outside and says nothing to it", async () => {
      await using _ = await wall(bridge("br1", { internal: true }), bridge("br2"), published);
      const { c1, c2, c3, peer, host, guest } = town();
      await Promise.all([
        silence(c1, at.peer, 80),
        silence(c1, at.c3, 80),
        silence(c1, at.guest, 80),
        silence(c3, at.c1, 80),
        silence(peer, at.c1, 80),
        silence(peer, at.host, 8080),
        silence(guest, at.c1, 80),
      ]);
      expect(await c1.ask({ to: at.c2, port: 80 })).toBe(`c2:80 ${at.c1}`);
      expect(await host.ask({ to: at.c1, port: 80 })).toBe(`c1:80 ${at.gateway1}`);
      expect(await c2.ask({ to: at.gateway1, port: 80 })).toBe(`host:80 ${at.c2}`);
    });

    test("an internal network may keep its containers apart", async () => {
      await using _ = await wall(bridge("br1", { internal: true, icc: false }), allow(at.c1, "81", at.c2));
      const { c1, c2 } = town();
      await Promise.all([silence(c2, at.c1, 80), silence(c1, at.peer, 80)]);
      expect(await c2.ask({ to: at.c1, port: 81 })).toBe(`c1:81 ${at.c2}`);
    });

    test("somebody else's bridge is none of our business", async () => {
      await using _ = await wall(...usual(published));
      const { guest, peer, c1 } = town();
      expect(await guest.ask({ to: at.peer, port: 80 })).toBe(`peer:80 ${at.guest}`);
      expect(await peer.ask({ to: at.guest, port: 80 })).toBe(`guest:80 ${at.peer}`);
      expect(await c1.ask({ to: at.guest, port: 80 })).toBe(`guest:80 ${at.gateway9}`);
      expect(await guest.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.guest}`);
    });
  }

  function outgoingSuite(): void {
    test("containers reach the outside under the host's address", async () => {
      await using _ = await wall(...usual());
      const { c1 } = town();
      expect(await c1.ask({ to: at.peer, port: 80 })).toBe(`peer:80 ${at.host}`);
      expect(await c1.ask({ to: at.attacker, port: 80, protocol: "udp" })).toBe(
        `attacker:80 ${at.otherHost}`,
      );
    });

    test("containers reach the outside under the address that was asked for", async () => {
      const source = { 4: "keep", 6: "keep", [family]: address(at.otherHost) } as const;
      await using _ = await wall(bridge("br1", { source }));
      expect(await town().c1.ask({ to: at.peer, port: 80 })).toBe(`peer:80 ${at.otherHost}`);
    });

    test("containers reach the outside under their own address where nothing is translated", async () => {
      await using _ = await wall(bridge("br1", { source: { 4: "keep", 6: "keep" } }));
      expect(await town().c1.ask({ to: at.peer, port: 80 })).toBe(`peer:80 ${at.c1}`);
    });
  }

  function modeSuite(): void {
    const mode = (name: "routed" | "nat-unprotected" | "isolated") =>
      bridge("br1", { gatewayMode: { 4: name, 6: name }, source: { 4: "keep", 6: "keep" } });

    test("a routed network lets in what is allowed, from anywhere and untranslated", async () => {
      await using _ = await wall(
        mode("routed"),
        bridge("br2"),
        allow(at.c1, "80"),
        allow(at.c1, "8000-8100"),
      );
      const { peer, attacker, c1, c3 } = town();
      expect(await peer.ask({ to: at.c1, port: 80 })).toBe(`c1:80 ${at.peer}`);
      expect(await attacker.ask({ to: at.c1, port: 8080 })).toBe(`c1:8080 ${at.attacker}`);
      expect(await c3.ask({ to: at.c1, port: 80 })).toBe(`c1:80 ${at.gateway1}`);
      expect(await c1.ask({ to: at.peer, port: 80 })).toBe(`peer:80 ${at.c1}`);
      expect(await peer.run(`busybox ping -c 1 -W 10 ${at.c1}`)).toContain("1 packets received");
      await Promise.all([
        silence(peer, at.c1, 81),
        silence(peer, at.c2, 80),
        silence(peer, at.c1, 80, "udp"),
      ]);
    });

    test("what is allowed from one address is closed to others", async () => {
      await using _ = await wall(mode("routed"), allow(at.c1, "80", at.peer));
      const { peer, attacker } = town();
      expect(await peer.ask({ to: at.c1, port: 80 })).toBe(`c1:80 ${at.peer}`);
      await silence(attacker, at.c1, 80);
    });

    test("a network that is not protected lets everything in", async () => {
      await using _ = await wall(mode("nat-unprotected"), published);
      const { peer } = town();
      expect(await peer.ask({ to: at.c1, port: 81 })).toBe(`c1:81 ${at.peer}`);
      expect(await peer.ask({ to: at.host, port: 8080 })).toBe(`c1:80 ${at.peer}`);
    });

    test("an isolated network is closed both ways", async () => {
      await using _ = await wall(mode("isolated"), bridge("br2"));
      const { peer, c1, c3 } = town();
      await Promise.all([silence(peer, at.c1, 80), silence(c1, at.peer, 80), silence(c3, at.c1, 80)]);
      expect(await c1.ask({ to: at.c2, port: 80 })).toBe(`c2:80 ${at.c1}`);
    });
  }
}
