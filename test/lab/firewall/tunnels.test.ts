// The guard of tunnels: who may send to their port, and who is heard there.

import { describe, expect, test } from "vitest";
import { createTunnelGuard } from "../../../src/firewall/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import "../matchers.ts";

const udp = { protocol: "udp" } as const;

async function machines(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const own = await lan.host("own");
  return { own, node: await lan.host("node"), stranger: await lan.host("stranger") };
}

function wishOf(self: LabHost, nodes: readonly LabHost[], family: 4 | 6 = 4) {
  const addressOf = (host: LabHost) => {
    const address = host.addresses.find((own) => own.family === family);
    if (!address) throw new Error(`${host.name} has no address`);
    return address;
  };
  return { ports: [4789], self: addressOf(self), nodes: nodes.map(addressOf) };
}

const at = (host: LabHost, family: 4 | 6) =>
  family === 4 ? `${host.address(4)}:4789` : `[${host.address(6)}]:4789`;

describe("the guard of tunnels", () => {
  test.for([4, 6] as const)("hears hosts of the cluster over IPv%i and nobody else", async (family) => {
    await using lab = await Lab.create();
    const { own, node, stranger } = await machines(lab);
    await own.remember();
    const guard = createTunnelGuard({ netns: own.netns });
    await using _tunnel = await own.listen(own.address(family), 4789, udp);
    await expect(stranger).toReach(at(own, family), udp);
    await guard.set(wishOf(own, [own, node], family));
    await expect(stranger).not.toReach(at(own, family), udp);
    // who is heard is told by what arrives: the answer would come from a process here, whose source port is the tunnel's
    await own.run("nft", "add table inet t; add chain inet t c { type filter hook prerouting priority 0; }");
    await own.run("nft", "add rule inet t c udp dport 4789 ct state untracked counter");
    await own.run("nft", "add rule inet t c udp dport 4789 ct state != untracked counter");
    await expect(node).toReach(at(own, family), udp);
    // nobody's state: cheap, and no user's rule about states is about them
    expect((await own.run("nft", "list", "table", "inet", "t")).match(/packets \d+/g)).toEqual([
      expect.stringMatching(/packets [1-9]/),
      "packets 0",
    ]);
    await own.run("nft", "delete table inet t");
    await guard.set(wishOf(own, [own, node, stranger], family));
    await expect(stranger).toReach(at(own, family), udp);
    await guard.stop();
    await own.expectUnchanged();
  });

  test("guards each of several ports, for as long as tunnels have it", async () => {
    await using lab = await Lab.create();
    const { own, node, stranger } = await machines(lab);
    const guard = createTunnelGuard({ netns: own.netns });
    const wish = wishOf(own, [own, node]);
    await using _one = await own.listen(own.address(), 4789, udp);
    await using _other = await own.listen(own.address(), 4799, udp);
    const other = at(own, 4).replace("4789", "4799");
    for (const ports of [[4789], [4789, 4799], [4799, 4789, 4799], [4789]]) {
      await guard.set({ ...wish, ports });
      await expect(stranger).not.toReach(at(own, 4), udp);
      await (ports.includes(4799) ? expect(stranger).not : expect(stranger)).toReach(other, udp);
    }
    await guard.stop();
  });

  test.for([4, 6] as const)("lets no process of the host send to a tunnel over IPv%i", async (family) => {
    await using lab = await Lab.create();
    const { own, node } = await machines(lab);
    await using _far = await node.listen(node.address(family), 4789, udp);
    await using _near = await own.listen(own.address(family), 4789, udp);
    await using _other = await node.listen(node.address(family), 4799, udp);
    const guard = createTunnelGuard({ netns: own.netns });
    await guard.set(wishOf(own, [own, node], family));
    await expect(own).not.toReach(at(node, family), udp);
    await expect(own).not.toReach(at(own, family), udp);
    await expect(own).toReach(at(node, family).replace("4789", "4799"), udp);
    await guard.stop();
    await expect(own).toReach(at(node, family), udp);
  });

  test("drops what is forwarded and given the host's address", async () => {
    await using lab = await Lab.create();
    const { own, node } = await machines(lab);
    const inside = lab.segment("10.1.0.0/24");
    await inside.attach(own);
    const container = await inside.host("container");
    await container.routeVia(own.addresses.slice(2));
    await own.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
    await own.run("nft", "add table ip t; add chain ip t c { type nat hook postrouting priority 100; }");
    await own.run("nft", "add rule ip t c ip saddr 10.1.0.0/24 masquerade");
    await using _far = await node.listen(node.address(), 4789, udp);
    await expect(container).toReach(at(node, 4), udp);
    const guard = createTunnelGuard({ netns: own.netns });
    await guard.set(wishOf(own, [own, node]));
    await expect(container).not.toReach(at(node, 4), udp);
    await guard.stop();
  });

  test("stays when the daemon ends, and is taken over by the next", async () => {
    await using lab = await Lab.create();
    const { own, node } = await machines(lab);
    const wish = wishOf(own, [own, node]);
    const first = createTunnelGuard({ netns: own.netns });
    await first.set(wish);
    await first.close();
    // without the lines which say whose the tables are
    const list = async () =>
      (await own.run("nft", "-s", "list", "ruleset")).replaceAll(/^(table .*|\tflags .*)$/gm, "");
    const rules = await list();
    expect(rules).toContain("192.0.2.2");
    const second = createTunnelGuard({ netns: own.netns });
    await second.set(wish);
    expect(await list()).toBe(rules);
    await second.set(undefined);
    expect(await own.run("nft", "list", "tables")).not.toContain("tsdocker-tunnels");
    // what was in force once is not taken for what is
    await second.set(wish);
    expect(await list()).toBe(rules);
    await second.stop();
  });
});
