// What a process with CAP_NET_RAW in the host's netns cannot do: write frames of tunnels past the host's routing.

import { expect, test } from "vitest";
import { createTunnelGuard } from "../../../src/firewall/index.ts";
import type { Address } from "../../../src/netip/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import { forge, forgedMac, forgeries } from "./forgery.ts";

const tunnelPort = 4789;
const otherPort = 4799;

async function machines(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  return { own: await lan.host("own"), node: await lan.host("node") };
}

function addressOf(host: LabHost, family: 4 | 6): Address {
  const found = host.addresses.find((own) => own.family === family);
  if (!found) throw new Error(`${host.name} has no address`);
  return found;
}

/** Counts what arrives at a link: forged frames, and what else is for these ports. */
async function count(host: LabHost, link = "eth0"): Promise<() => Promise<number>> {
  await host.run("nft", "add table netdev heard");
  await host.run(
    "nft",
    `add chain netdev heard c { type filter hook ingress device ${link} priority -500; }`,
  );
  const ports = `{ ${tunnelPort}, ${otherPort} }`;
  await host.run("nft", `add rule netdev heard c ether saddr ${forgedMac} counter accept`);
  await host.run("nft", `add rule netdev heard c udp dport ${ports} counter`);
  return async () => {
    const text = await host.run("nft", "list", "table", "netdev", "heard");
    return [...text.matchAll(/counter packets (\d+)/g)].reduce(
      (sum, [, packets]) => sum + Number(packets),
      0,
    );
  };
}

test.for([4, 6] as const)("no frame of a tunnel leaves by a process's hand over IPv%i", async (family) => {
  await using lab = await Lab.create();
  const { own, node } = await machines(lab);
  const [self, target] = [addressOf(own, family), addressOf(node, family)];
  const guard = createTunnelGuard({ netns: own.netns });
  await guard.set({ ports: [tunnelPort], self, nodes: [self, target] });
  const heard = await count(node);
  const way = { link: "eth0", source: self, target };
  for (const forgery of forgeries[family]) {
    const before = await heard();
    await forge(own, forgery, { ...way, port: tunnelPort });
    // the same for another port shows that it would have arrived; but for what hides the port it is the first that does
    await forge(own, forgery, { ...way, port: otherPort });
    const passes = !isOpaque(forgery);
    await expect.poll(heard, { message: forgery.name }).toBe(before + (passes ? 1 : 0));
  }
  await guard.stop();
  for (const forgery of forgeries[family]) {
    const before = await heard();
    await forge(own, forgery, { ...way, port: tunnelPort });
    await expect.poll(heard, { message: forgery.name }).toBe(before + 1);
  }
});

/** Dropped whatever the port is, since it is not looked for where it is. */
function isOpaque({ name }: { readonly name: string }): boolean {
  return (
    name.includes("something else") ||
    name.includes("three times") ||
    /VLAN 0 (with options|behind)/.test(name)
  );
}

test.for([4, 6] as const)("the host's own tunnels hear no frame from the host over IPv%i", async (family) => {
  await using lab = await Lab.create();
  const { own, node } = await machines(lab);
  const [self, peer] = [addressOf(own, family), addressOf(node, family)];
  await own.run("ip", "link", "add", "inner0", "type", "veth", "peer", "name", "inner1");
  for (const link of ["inner0", "inner1"]) await own.run("ip", "link", "set", link, "up");
  const guard = createTunnelGuard({ netns: own.netns });
  const inputs = async () => {
    const text = await own.run("nft", "list", "table", "inet", "heard");
    return Number(/counter packets (\d+)/.exec(text)?.[1]);
  };
  await own.run("nft", "add table inet heard");
  await own.run("nft", "add chain inet heard c { type filter hook input priority -400; }");
  await own.run("nft", `add rule inet heard c udp dport ${tunnelPort} counter`);
  const send = async (link: "lo" | "inner0") => {
    const to = await macOf(own, link === "lo" ? "lo" : "inner1");
    await forge(own, { name: "as it is" }, { link, source: peer, target: self, port: tunnelPort, to });
  };
  await guard.set({ ports: [tunnelPort], self, nodes: [self, peer] });
  for (const link of ["lo", "inner0"] as const) await send(link);
  await expect.poll(inputs).toBe(0);
  await guard.stop();
  for (const link of ["lo", "inner0"] as const) await send(link);
  await expect.poll(inputs).toBe(2);
});

async function macOf(host: LabHost, link: string): Promise<string> {
  const text = await host.run("ip", "-o", "link", "show", "dev", link);
  return /link\/\w+ ([0-9a-f:]{17})/.exec(text)?.[1] ?? "";
}

test("links that lead to other hosts are guarded as routes and links change", async () => {
  await using lab = await Lab.create();
  const { own, node } = await machines(lab);
  const second = lab.segment("198.51.100.0/24");
  await second.attach(own);
  await second.attach(node);
  const guard = createTunnelGuard({ netns: own.netns });
  const devices = async () =>
    /devices = \{ ([^}]*) \}/.exec(
      await own.run("nft", "list", "table", "netdev", "tsdocker-tunnels"),
    )?.[1] ??
    /device "?(\w+)"? priority/.exec(
      await own.run("nft", "list", "table", "netdev", "tsdocker-tunnels"),
    )?.[1];
  await guard.set({ ports: [tunnelPort], self: addressOf(own, 4), nodes: [addressOf(node, 4)] });
  expect(await devices()).toBe("eth0");
  await own.run("ip", "route", "add", `${node.address(4)}/32`, "via", "198.51.100.2");
  await expect.poll(devices).toBe("eth1");
  // a bridge over it: its port is guarded too
  await own.run("ip", "link", "add", "br9", "type", "bridge");
  await own.run("ip", "link", "set", "br9", "up");
  await own.run("ip", "route", "replace", `${node.address(4)}/32`, "dev", "br9");
  await expect.poll(devices).toBe("br9");
  await own.run("ip", "link", "set", "eth1", "master", "br9");
  await expect.poll(devices).toBe("br9, eth1");
  await own.run("ip", "link", "delete", "br9");
  await expect.poll(devices).toBe("eth0");
  await guard.stop();
  await expect(own.run("nft", "list", "tables")).resolves.not.toContain("tsdocker-tunnels");
});
