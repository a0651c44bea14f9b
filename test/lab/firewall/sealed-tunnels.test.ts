// Encrypted networks: nothing of them leaves or is heard in clear, whether the kernel has ciphers or not.

import { describe, expect, test } from "vitest";
import { createTunnelGuard, type SealPlan, type TunnelWish } from "../../../src/firewall/index.ts";
import { createVxlan, setLink } from "../../../src/kernel/index.ts";
import type { Address } from "../../../src/netip/index.ts";
import { Lab, type LabHost } from "../lab.ts";

const clear = 5001;
const sealed = 5002;

/** Two hosts with a tunnel of each kind between them, and what of it is on the wire. */
async function tunnels(lab: Lab, family: 4 | 6) {
  const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const [one, other] = [await lan.host("one"), await lan.host("other")];
  const addressOf = (host: LabHost) => {
    const found = host.addresses.find((own) => own.family === family);
    if (!found) throw new Error(`${host.name} has no address`);
    return found;
  };
  const [a, b] = [addressOf(one), addressOf(other)];
  const apart = lab.segment("198.51.100.0/24");
  // in namespaces of their own, as networks have them: what is in the host's comes from a process of the host
  const [in1, in2] = [await apart.host("in1"), await apart.host("in2")];
  for (const [host, inner, local, remote, last] of [
    [one, in1, a, other.address(family), 1],
    [other, in2, b, one.address(family), 2],
  ] as const)
    for (const vni of [clear, sealed]) {
      const name = `vx${vni}`;
      await host.netlink.send(createVxlan({ name, vni, local, mtu: 1400, netns: inner.netns }));
      await inner.netlink.send(setLink(name, { up: true }));
      await inner.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", name, "dst", remote);
      await inner.run("ip", "addr", "add", `10.${vni - 5000}.0.${last}/24`, "dev", name);
    }
  return { one, in1, in2, a, b };
}

function wishOf(self: Address, nodes: readonly Address[], plan?: SealPlan): TunnelWish {
  return { ports: [4789], self, nodes, encryption: { vnis: [sealed], plan } };
}

async function ping(host: LabHost, vni: number): Promise<boolean> {
  const last = host.name.includes("in1") ? 2 : 1;
  return await host.run("busybox", "ping", "-c1", "-W1", `10.${vni - 5000}.0.${last}`).then(
    () => true,
    () => false,
  );
}

/** Counts what of a VNI leaves a host's link in clear. */
async function countClear(host: LabHost, vni: number): Promise<() => Promise<number>> {
  await host.run("nft", "add table netdev wire");
  await host.run("nft", "add chain netdev wire c { type filter hook egress device eth0 priority 500; }");
  await host.run("nft", `add rule netdev wire c udp dport 4789 @th,96,24 ${vni} counter`);
  return async () => {
    const text = await host.run("nft", "list", "table", "netdev", "wire");
    return Number(/counter packets (\d+)/.exec(text)?.[1]);
  };
}

function planFor(target: Address): SealPlan {
  return { seals: [], targets: [{ target, port: 4789, spi: 0x1000_1001 }] };
}

describe.each([4, 6] as const)("an encrypted network over IPv%i", (family) => {
  test("sends nothing in clear, with a policy and without, and others are as they were", async () => {
    await using lab = await Lab.create();
    const { one, in1, in2, a, b } = await tunnels(lab, family);
    await expect.poll(() => ping(in1, sealed)).toBe(true);
    const guard = createTunnelGuard({ netns: one.netns });
    await guard.set(wishOf(a, [a, b]));
    const leaving = await countClear(one, sealed);
    for (const plan of [undefined, planFor(b)]) {
      await guard.set(wishOf(a, [a, b], plan));
      expect(await ping(in1, sealed)).toBe(false);
      expect(await leaving()).toBe(0);
    }
    // the policy saw what was marked, and found no association
    expect(await one.run("cat", "/proc/net/xfrm_stat")).toMatch(/XfrmOutNoStates\s+[1-9]/);
    const policies = await one.run("ip", "xfrm", "policy");
    expect(policies).toContain("mark 0x747365/0xffffff");
    await expect.poll(() => ping(in1, clear)).toBe(true);
    await expect.poll(() => ping(in2, clear)).toBe(true);
    await guard.stop();
    expect(await one.run("ip", "xfrm", "policy")).toBe("");
    await expect.poll(() => ping(in1, sealed)).toBe(true);
    expect(await leaving()).toBeGreaterThan(0);
  });

  test("hears nothing that comes in clear, from a host of the cluster either", async () => {
    await using lab = await Lab.create();
    const { one, in1, in2, a, b } = await tunnels(lab, family);
    await expect.poll(() => ping(in2, sealed)).toBe(true);
    const guard = createTunnelGuard({ netns: one.netns });
    await guard.set(wishOf(a, [a, b], planFor(b)));
    await in1.run("nft", "add table netdev heard");
    await in1.run(
      "nft",
      `add chain netdev heard c { type filter hook ingress device vx${sealed} priority 0; }`,
    );
    await in1.run("nft", "add rule netdev heard c counter");
    const heard = async () =>
      Number(/packets (\d+)/.exec(await in1.run("nft", "list", "table", "netdev", "heard"))?.[1]);
    expect(await ping(in2, sealed)).toBe(false);
    expect(await heard()).toBe(0);
    await expect.poll(() => ping(in2, clear)).toBe(true);
    await guard.stop();
    await expect.poll(() => ping(in2, sealed)).toBe(true);
    expect(await heard()).toBeGreaterThan(0);
  });
});

describe("what seals", () => {
  test("is made again when somebody else removes it, and stays for the next process until all is known", async () => {
    await using lab = await Lab.create();
    const { one, in1, a, b } = await tunnels(lab, 4);
    const first = createTunnelGuard({ netns: one.netns });
    const policies = () => one.run("ip", "xfrm", "policy");
    await first.set(wishOf(a, [a, b], planFor(b)));
    const made = await policies();
    expect(made).toContain("spi 0x10001001");
    await one.run("ip", "xfrm", "policy", "flush");
    await expect.poll(policies).toBe(made);
    await first.close();
    const second = createTunnelGuard({ netns: one.netns });
    const leaving = await countClear(one, sealed);
    const early = { ...wishOf(a, [a, b]), encryption: { vnis: [], keepsOld: true } };
    await second.set(early);
    expect(await policies()).toBe(made);
    expect(await ping(in1, sealed)).toBe(false);
    expect(await leaving()).toBe(0);
    await second.set({ ...early, encryption: undefined });
    expect(await policies()).toBe("");
    await second.stop();
  });

  test("is asked for by name where the kernel has no such matches", async () => {
    await using lab = await Lab.create();
    const host = await lab.segment("192.0.2.0/24").host("one");
    const guard = createTunnelGuard({ netns: host.netns });
    expect([undefined, "nftables' matches of IPsec (CONFIG_NFT_XFRM)"]).toContain(
      await guard.lackOfSeals?.(),
    );
    await guard.stop();
  });
});
