// What overlay networks keep out: frames from hosts that are none of the cluster's, from processes of the host, and claims
// of containers to be what they are not.

import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import {
  addFdb,
  addNeighbour,
  createVxlan,
  openNetlink,
  sendFrames,
  setLink,
} from "../../../src/kernel/index.ts";
import { type Address, addressBytes, type Mac, macBytes } from "../../../src/netip/index.ts";
import { address, mac } from "../../unit/kernel/values.ts";
import { forge as forgeFrame, forgeries } from "../firewall/forgery.ts";
import { Lab, type LabHost } from "../lab.ts";
import { expectPing, type OverlayContainer, overlayHost } from "./overlay-world.ts";

const vni = 5001;
const generic = { "com.docker.network.driver.overlay.vxlanid_list": String(vni) };

async function two(lab: Lab, more: Readonly<Record<string, string>> = {}, family: 4 | 6 = 4) {
  const cluster = new FakeCluster();
  const segment = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const [one, other] = [
    await overlayHost(segment, cluster, "one", { family }),
    await overlayHost(segment, cluster, "two", { family }),
  ];
  await one.createNetwork({ generic: { ...generic, ...more } });
  await other.createNetwork({ generic: { ...generic, ...more } });
  const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
  const c2 = await other.run("c2", ["10.9.0.3/24", "fd09::3/64"]);
  await expectPing(c1, c2);
  return {
    cluster,
    segment,
    one,
    other,
    c1,
    c2,
    async [Symbol.asyncDispose]() {
      await other[Symbol.asyncDispose]();
      await one[Symbol.asyncDispose]();
    },
  };
}

/** Counts frames that a container receives from somebody, by source MAC and EtherType; nothing that its kernel asked for. */
async function listen({ host }: OverlayContainer): Promise<() => Promise<number>> {
  // neighbours that are known are not asked for again and again
  for (const [ip, lladdr] of [
    ["10.9.0.2", "02:42:0a:09:00:02"],
    ["10.9.0.3", "02:42:0a:09:00:03"],
  ] as const)
    await host.run("ip", "neigh", "replace", ip, "lladdr", lladdr, "dev", "eth0", "nud", "permanent");
  await host.run("nft", "add table netdev heard");
  await host.run("nft", "add chain netdev heard c { type filter hook ingress device eth0 priority 0; }");
  // what IPv6 says of itself when a link comes up
  await host.run(
    "nft",
    "add rule netdev heard c ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 return",
  );
  await host.run("nft", "add rule netdev heard c counter");
  return async () => {
    const text = await host.run("nft", "list", "table", "netdev", "heard");
    return Number(/counter packets (\d+)/.exec(text)?.[1]);
  };
}

/** What a UDP datagram of a tunnel holds: here a frame for a container, made by hand. */
function forgedPayload(to: Mac): Buffer {
  const frame = Buffer.concat([
    macBytes(to),
    macBytes(mac("02:42:0a:09:00:63")),
    Buffer.from("0800", "hex"),
    Buffer.alloc(46),
  ]);
  return Buffer.concat([Buffer.from([8, 0, 0, 0, vni >> 16, (vni >> 8) & 0xff, vni & 0xff, 0]), frame]);
}

/** Sends it as a user of the host. */
async function forge(
  host: LabHost,
  target: string,
  { to, user }: { readonly to: Mac | undefined; readonly user: string },
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tsdocker-forged-"));
  try {
    await chmod(folder, 0o755);
    const file = join(folder, "datagram");
    await writeFile(file, forgedPayload(to ?? mac("02:00:00:00:00:01")));
    const script = `cat ${file} > /dev/udp/${target}/4789 || true`;
    await host.run("setpriv", `--reuid=${user}`, "--clear-groups", "bash", "-c", script);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("tunnels", () => {
  test("hear nobody who is not of the cluster, and whoever joins it", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    const stranger = await world.segment.host("stranger");
    // another machine with a tunnel of the same VNI, and all that it needs to know
    await stranger.netlink.send(
      createVxlan({ name: "vx0", vni, local: address(stranger.address()), up: true, mtu: 1450 }),
    );
    const link = (await stranger.netlink.link("vx0"))?.index ?? 0;
    const far = { link, mac: mac("02:42:0a:09:00:02") };
    await stranger.netlink.send(
      addFdb({ ...far, destination: address("192.0.2.1") }),
      addNeighbour({ ...far, address: address("10.9.0.2") }),
    );
    await stranger.run("ip", "addr", "add", "10.9.0.99/24", "dev", "vx0");
    const heard = await listen(world.c1);
    const ping = () => stranger.run("busybox", "ping", "-c1", "-W1", "10.9.0.2").catch(String);
    expect(await ping()).toContain("100% packet loss");
    expect(await heard()).toBe(0);
    // what follows shows that it was the guard alone which kept them out
    await world.cluster.addNode("three", { address: address(stranger.address()) });
    await expect
      .poll(async () => {
        await ping();
        return await heard();
      })
      .toBeGreaterThan(0);
  });

  test("carry no frame that a process of a host made, to others or to itself", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    const { one, c1, c2 } = world;
    const targets = [
      ["192.0.2.2", c2],
      ["192.0.2.1", c1],
      ["127.0.0.1", c1],
    ] as const;
    const heard = new Map([
      [c1, await listen(c1)],
      [c2, await listen(c2)],
    ]);
    for (const user of ["0", "65534"])
      for (const [target, container] of targets) {
        await forge(one.lab, target, { to: container.mac, user });
        expect(await heard.get(container)?.()).toBe(0);
      }
    // the same datagram is heard where nobody stops it
    await one.host.tunnels.set(undefined);
    await forge(one.lab, "192.0.2.1", { to: c1.mac, user: "65534" });
    await expect.poll(() => heard.get(c1)?.()).toBe(1);
  });

  test.for([4, 6] as const)(
    "carry no frame that a process wrote past the host's routing, and all of their own, over IPv%i",
    async (family) => {
      await using lab = await Lab.create();
      await using world = await two(lab, {}, family);
      const { one, other, c1, c2 } = world;
      const heard = await listen(c2);
      const [source, target] = [one.cluster.self.address, other.cluster.self.address];
      const payload = forgedPayload(c2.mac ?? mac("02:00:00:00:00:01"));
      const way = { link: "eth0", source, target, port: 4789, payload };
      for (const forgery of forgeries[family]) {
        await forgeFrame(one.lab, forgery, way);
        expect(await heard(), forgery.name).toBe(0);
      }
      await expectPing(c1, c2);
      await one.host.tunnels.set(undefined);
      const before = await heard();
      await forgeFrame(one.lab, { name: "as it is" }, way);
      await expect.poll(heard).toBe(before + 1);
    },
  );

  test("are closed to hosts that left", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    await world.cluster.removeNode("two");
    await expect
      .poll(() => world.one.lab.run("nft", "list", "set", "inet", "tsdocker-tunnels", "nodes4"))
      .not.toContain("192.0.2.2");
  });
});

describe("a container", () => {
  interface Claim {
    readonly source: Mac;
    readonly type: string;
    readonly payload: Buffer;
  }

  const own = { mac: mac("02:42:0a:09:00:02"), ip: address("10.9.0.2"), ip6: address("fd09::2") };
  const another = { mac: mac("02:42:0a:09:00:03"), ip: address("10.9.0.3"), ip6: address("fd09::3") };
  const stranger = { mac: mac("02:42:0a:09:00:63"), ip: address("10.9.0.99"), ip6: address("fd09::99") };

  function arp(sender: Mac, senderIp: Address): Buffer {
    const head = Buffer.from("0001080006040002", "hex");
    return Buffer.concat([
      head,
      macBytes(sender),
      addressBytes(senderIp),
      macBytes(another.mac),
      addressBytes(another.ip),
    ]);
  }

  function ipv4(source: Address): Buffer {
    const head = Buffer.from("4500001c000100004011000000000000", "hex").subarray(0, 12);
    return Buffer.concat([
      head,
      addressBytes(source),
      addressBytes(another.ip),
      Buffer.from("0009000900080000", "hex"),
    ]);
  }

  function advertisement(source: Address, target: Address): Buffer {
    const head = Buffer.from("6000000000203aff", "hex");
    const body = Buffer.concat([
      Buffer.from("8800000060000000", "hex"),
      addressBytes(target),
      Buffer.from("0201024200000063", "hex"),
    ]);
    return Buffer.concat([head, addressBytes(source), addressBytes(another.ip6), body]);
  }

  const claims: readonly (readonly [string, Claim])[] = [
    ["another's MAC", { source: another.mac, type: "0800", payload: ipv4(own.ip) }],
    ["a MAC of nobody", { source: stranger.mac, type: "0800", payload: ipv4(own.ip) }],
    ["an address of nobody", { source: own.mac, type: "0800", payload: ipv4(stranger.ip) }],
    ["another's address in ARP", { source: own.mac, type: "0806", payload: arp(own.mac, stranger.ip) }],
    ["another's MAC in ARP", { source: own.mac, type: "0806", payload: arp(stranger.mac, own.ip) }],
    [
      "the gateway's address in ARP",
      { source: own.mac, type: "0806", payload: arp(own.mac, address("10.9.0.1")) },
    ],
    [
      "an IPv6 address of nobody",
      { source: own.mac, type: "86dd", payload: advertisement(stranger.ip6, stranger.ip6) },
    ],
    [
      "an IPv6 address it answers for",
      { source: own.mac, type: "86dd", payload: advertisement(own.ip6, stranger.ip6) },
    ],
    ["a protocol of its own", { source: own.mac, type: "88b5", payload: Buffer.alloc(46) }],
  ];

  async function send({ host }: OverlayContainer, { source, type, payload }: Claim): Promise<void> {
    const frame = Buffer.concat([macBytes(another.mac), macBytes(source), Buffer.from(type, "hex"), payload]);
    await sendFrames((await host.netlink.link("eth0"))?.index ?? 0, [frame], host.netns);
  }

  test("stays at its port with what it is not", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    const near = await world.one.run("c3", ["10.9.0.4/24"]);
    const [far, beside] = [await listen(world.c2), await listen(near)];
    await listen(world.c1);
    for (const [name, claim] of claims) {
      await send(world.c1, claim);
      expect([await far(), await beside()], name).toEqual([0, 0]);
    }
    await send(world.c1, { source: own.mac, type: "0800", payload: ipv4(own.ip) });
    await expect.poll(far).toBe(1);
  });

  test("may be what it likes where that is asked for", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab, { "tsdocker.antispoof": "off" });
    const heard = await listen(world.c2);
    await send(world.c1, { source: own.mac, type: "0800", payload: ipv4(stranger.ip) });
    await expect.poll(heard).toBe(1);
  });

  test("is guarded still when the daemon has started again", async () => {
    await using lab = await Lab.create();
    await using world = await two(lab);
    const { one, c1, c2 } = world;
    const spoofed: Claim = { source: own.mac, type: "0800", payload: ipv4(stranger.ip) };
    const heard = await listen(c2);
    const ending = one.restart();
    for (let at = 0; at < 20; at++) await send(c1, spoofed);
    await ending;
    await send(c1, spoofed);
    expect(await heard()).toBe(0);
    await using netlink = await openNetlink(one.netns());
    await netlink.send(setLink("br0", { up: true }));
    await expectPing(c1, c2);
  });

  test("does not get a network that shall be encrypted in clear", async () => {
    await using lab = await Lab.create();
    await using one = await overlayHost(lab.segment("192.0.2.0/24"), new FakeCluster(), "one");
    await expect(one.createNetwork({ generic: { encrypted: "" } })).rejects.toThrow(
      /^overlay (encryption|networks)/,
    );
    const table = await one.cluster.table("vnis");
    expect([...table.entries()]).toEqual([]);
  });
});
