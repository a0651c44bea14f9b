// The short cut of overlay networks: what takes it, what does not, and that it is there again whatever happened.

import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { bpf, KernelError, openNetlink, sendFrames, unless } from "../../../src/kernel/index.ts";
import { type Address, addressBytes, macBytes } from "../../../src/netip/index.ts";
import { address } from "../../unit/kernel/values.ts";
import { Lab } from "../lab.ts";
import {
  expectPing,
  type HostOptions,
  type OverlayContainer,
  type OverlayHost,
  overlayHost,
} from "./overlay-world.ts";

const networkId = "b1".repeat(32);

interface World extends AsyncDisposable {
  readonly one: OverlayHost;
  readonly two: OverlayHost;
  /** On one, on two, and on one again. */
  readonly far: OverlayContainer;
  readonly c1: OverlayContainer;
  readonly near: OverlayContainer;
}

async function world(
  lab: Lab,
  generic: Readonly<Record<string, string>> = {},
  options: HostOptions = {},
): Promise<World> {
  const cluster = new FakeCluster();
  const segment = lab.segment("192.0.2.0/24");
  const one = await overlayHost(segment, cluster, "one", options);
  const two = await overlayHost(segment, cluster, "two", options);
  await one.createNetwork({ generic });
  await two.createNetwork({ generic });
  return {
    one,
    two,
    c1: await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]),
    near: await one.run("near", ["10.9.0.4/24", "fd09::4/64"]),
    far: await two.run("far", ["10.9.0.3/24", "fd09::3/64"]),
    async [Symbol.asyncDispose]() {
      await two[Symbol.asyncDispose]();
      await one[Symbol.asyncDispose]();
    },
  };
}

/** In nft's words; without neighbour discovery. */
const protocols = {
  tcp: "meta l4proto tcp",
  udp: "meta l4proto udp",
  icmp: "icmp type { 0, 8 }",
  icmp6: "icmpv6 type { 128, 129 }",
};
type Protocol = keyof typeof protocols;

/** Counts what comes in at a host's bridge from now on, by protocol. */
async function atBridge(host: OverlayHost): Promise<(protocol: Protocol) => Promise<number>> {
  await host.inside(
    "nft",
    "add table bridge seen; add chain bridge seen c { type filter hook prerouting priority -400; }; flush chain bridge seen c",
  );
  for (const [protocol, match] of Object.entries(protocols))
    await host.inside("nft", `add rule bridge seen c ${match} counter comment "${protocol}"`);
  return async (protocol) => {
    const text = await host.inside("nft", "list", "table", "bridge", "seen");
    return Number(new RegExp(`counter packets (\\d+) bytes \\d+ comment "${protocol}"`).exec(text)?.[1]);
  };
}

const servers = { 4: "10.9.0.3", 6: "fd09::3" } as const;

/** A connection, with an answer. */
async function expectReach(from: OverlayContainer, to: OverlayContainer, family: 4 | 6 = 4): Promise<void> {
  const [own, other] = [from.address(family), to.address(family)];
  await using _ = await to.host.listen(other, 80);
  const target = family === 4 ? `${other}:80` : `[${other}]:80`;
  await expect(from.host).toReach(target, { answer: own });
}

async function filters(host: OverlayHost): Promise<number[]> {
  await using netlink = await openNetlink(host.netns());
  const links = (await netlink.links()).filter(({ kind }) => kind === "veth" || kind === "vxlan");
  const found = await netlink.filters(links.map(({ index }) => index));
  expect(found.length).toBeLessThanOrEqual(links.length);
  return found.map(({ program }) => program);
}

/** Ids of the programs that come before filters; undefined: this kernel has no TCX. */
async function earlyPrograms(host: OverlayHost): Promise<readonly number[] | undefined> {
  await using netlink = await openNetlink(host.netns());
  const links = (await netlink.links()).filter(({ kind }) => kind === "veth" || kind === "vxlan");
  const found = links.map(({ index }) => bpf.programsOn({ netns: host.netns(), link: index }));
  return (await unless(["EINVAL"], Promise.all(found)))?.flat();
}

/** A kernel whose answer to some calls is EPERM, from when on `forbids` says so. */
function forbidding() {
  const kernel = { forbids: [] as readonly ("maps" | "queries")[] };
  const check = (what: (typeof kernel.forbids)[number], words: string) => {
    if (kernel.forbids.includes(what)) throw new KernelError(words, 1);
  };
  const create = (spec: Parameters<typeof bpf.BpfMap.create>[0]) => {
    check("maps", "bpftool map create");
    return bpf.BpfMap.create(spec);
  };
  const programsOn = async (of: bpf.LinkIn) => {
    check("queries", "bpftool net show");
    return await bpf.programsOn(of);
  };
  const BpfMap = Object.assign(class {}, { create }) as unknown as typeof bpf.BpfMap;
  return Object.assign(kernel, { link: { bpf: { ...bpf, BpfMap, programsOn } } });
}

const noTcx = "this kernel has no TCX (Linux 6.6)";

describe("the short cut", () => {
  test("takes packets between hosts, and between two of one host, past the bridge", async () => {
    await using lab = await Lab.create();
    await using w = await world(lab);
    const { one, two, c1, near, far } = w;
    // the way is known when a packet has gone it
    await expectPing(c1, far);
    const seen = [await atBridge(one), await atBridge(two)];
    for (const family of [4, 6] as const)
      for (const [from, to] of [
        [c1, far],
        [far, c1],
        [c1, near],
      ] as const)
        await expectReach(from, to, family);
    await c1.ping(far);
    await c1.ping(near, 6);
    for (const count of seen)
      expect([await count("tcp"), await count("icmp"), await count("icmp6")]).toEqual([0, 0, 0]);
    const stats = (await far.host.netlink.link("eth0"))?.stats;
    expect(stats?.rxPackets).toBeGreaterThan(20);
    // what it is not for is seen there, and arrives: parts of a packet
    await c1.ping(far, 4, "-s", "2000");
    await c1.ping(far, 6, "-s", "2000");
    for (const count of seen) expect((await count("icmp")) + (await count("icmp6"))).toBeGreaterThan(0);
    const { rules } = (await one.driver.describeNetwork?.({ networkId })) ?? {};
    expect(rules).toEqual([expect.stringMatching(/^short cut: eBPF/)]);
  });

  test("is not for what guards drop, which stays at the port", async () => {
    await using lab = await Lab.create();
    await using w = await world(lab);
    const { one, c1, far } = w;
    await expectPing(c1, far);
    const { host } = far;
    if (!c1.mac || !far.mac) throw new TypeError("a container has a MAC");
    const addressed = [macBytes(far.mac), macBytes(c1.mac)];
    await host.run("nft", "add table netdev heard");
    await host.run("nft", "add chain netdev heard c { type filter hook ingress device eth0 priority 0; }");
    await host.run("nft", "add rule netdev heard c meta l4proto { tcp, udp } counter");
    const heard = async () =>
      Number(/packets (\d+)/.exec(await host.run("nft", "list", "table", "netdev", "heard"))?.[1]);
    const link = (await c1.host.netlink.link("eth0"))?.index ?? 0;
    const send = (frame: Buffer) => sendFrames(link, [frame], c1.host.netns);
    const frame = (type: string, ...parts: readonly Uint8Array[]) =>
      Buffer.concat([...addressed, Buffer.from(type, "hex"), ...parts]);
    const own = [address("10.9.0.2"), address("fd09::2")] as const;
    const bad: readonly (readonly [string, Buffer])[] = [
      ["another's IPv4 address", frame("0800", ipv4({ source: address("10.9.0.4") }))],
      ["another's IPv6 address", frame("86dd", ipv6({ source: address("fd09::4") }))],
      // an IPv4 address is not the beginning of an IPv6 address
      ["an IPv6 address like the IPv4 one", frame("86dd", ipv6({ source: address("a09:2::") }))],
      ["a DHCP server's answer", frame("0800", ipv4({ source: own[0], port: 68 }))],
      ["the same over IPv6", frame("86dd", ipv6({ source: own[1], port: 546 }))],
      ["another's address in a tag", frame("8100", tag("0800"), ipv4({ source: address("10.9.0.4") }))],
    ];
    for (const [what, bytes] of bad) {
      await send(bytes);
      expect(await heard(), what).toBe(0);
    }
    const count = await atBridge(one);
    await send(frame("0800", ipv4({ source: own[0] })));
    await send(frame("86dd", ipv6({ source: own[1] })));
    await expect.poll(heard).toBe(2);
    expect(await count("udp")).toBe(0);
    // options, and parts of datagrams, are for others to judge
    await send(frame("0800", ipv4({ source: own[0], fragment: 0x2000 })));
    await expect.poll(() => count("udp")).toBe(1);
  });

  test("leads to where an address is now", async () => {
    await using lab = await Lab.create();
    await using w = await world(lab);
    const { one, two, c1, near, far } = w;
    await expectReach(c1, far);
    await far.stop();
    const here = await one.run("here", ["10.9.0.3/24", "fd09::3/64"]);
    await expectReach(c1, here);
    await here.stop();
    const back = await two.run("back", ["10.9.0.3/24", "fd09::3/64"]);
    await expectPing(near, back);
    const count = await atBridge(one);
    await expectReach(c1, back);
    await expectReach(back, near, 6);
    expect(await count("tcp")).toBe(0);
  });

  test("is there still, and anew, when the daemon has started again", async () => {
    await using lab = await Lab.create();
    await using w = await world(lab);
    const { one, c1, near, far } = w;
    await expectReach(c1, far);
    const before = await filters(one);
    expect(before).toHaveLength(3);
    await one.restart();
    const after = await filters(one);
    expect(after).toHaveLength(3);
    expect(after.filter((program) => before.includes(program))).toEqual([]);
    await expectPing(c1, far);
    const count = await atBridge(one);
    await expectReach(c1, far);
    await expectReach(c1, near, 6);
    expect(await count("tcp")).toBe(0);
  });

  test("comes before filters on links that stay, and needs none there", async ({ skip }) => {
    await using lab = await Lab.create();
    await using w = await world(lab);
    const { one, c1, near, far } = w;
    await expectReach(c1, far);
    if ((await earlyPrograms(one)) === undefined) skip(noTcx);
    await expect.poll(() => earlyPrograms(one)).toHaveLength(3);
    const before = await earlyPrograms(one);
    await one.restart();
    // none of what knows what was true before is left
    const after = (await earlyPrograms(one)) ?? [];
    expect(after).toHaveLength(3);
    expect(after.filter((program) => before?.includes(program))).toEqual([]);
    expect(after.toSorted()).toEqual((await filters(one)).toSorted());
    const links = (await one.inside("ip", "-o", "link", "show")).match(/(veth|vx)[0-9a-f]+/g) ?? [];
    for (const link of links) await one.inside("tc", "qdisc", "del", "dev", link, "clsact");
    const count = await atBridge(one);
    await expectReach(c1, far);
    await expectReach(c1, near, 6);
    expect(await count("tcp")).toBe(0);
  });

  test("is put back where somebody took it away", async () => {
    await using lab = await Lab.create();
    await using w = await world(lab, {}, { looksEveryMs: 100 });
    const { one } = w;
    const before = (await filters(one)).sort();
    const ports =
      (await one.inside("ip", "-o", "link", "show", "type", "veth")).match(/veth[0-9a-f]+/g) ?? [];
    expect(ports).toHaveLength(2);
    await one.inside("tc", "qdisc", "del", "dev", ports[0] ?? "", "clsact");
    await one.inside("tc", "filter", "del", "dev", ports[1] ?? "", "ingress");
    await expect.poll(async () => (await filters(one)).sort()).toEqual(before);
  });

  test("is not there where it is turned off", async () => {
    await using lab = await Lab.create();
    await using w = await world(lab, { "tsdocker.fastpath": "off" });
    const { one, c1, far } = w;
    const count = await atBridge(one);
    await expectReach(c1, far);
    expect(await count("tcp")).toBeGreaterThan(0);
    expect(await filters(one)).toEqual([]);
    expect(await one.driver.effectiveOptions?.({ networkId })).toMatchObject({ "tsdocker.fastpath": "off" });
  });

  test("is not there where the kernel has none, and what an earlier daemon left goes", async () => {
    await using lab = await Lab.create();
    const kernel = forbidding();
    await using w = await world(lab, {}, { link: kernel.link });
    const { one, c1, far } = w;
    await expectReach(c1, far);
    if (await earlyPrograms(one)) await expect.poll(() => earlyPrograms(one)).toHaveLength(3);
    kernel.forbids = ["maps"];
    await one.restart();
    expect(await filters(one)).toEqual([]);
    expect((await earlyPrograms(one)) ?? []).toEqual([]);
    await expectReach(c1, far);
    const { rules } = (await one.driver.describeNetwork?.({ networkId })) ?? {};
    expect(rules?.join()).toContain("none (bpftool map create: operation not permitted)");
  });

  test("of an earlier daemon goes later where it cannot go at once", async ({ skip }) => {
    await using lab = await Lab.create();
    const kernel = forbidding();
    await using w = await world(lab, {}, { link: kernel.link, looksEveryMs: 100 });
    const { one, c1, far } = w;
    await expectReach(c1, far);
    if ((await earlyPrograms(one)) === undefined) skip(noTcx);
    await expect.poll(() => earlyPrograms(one)).toHaveLength(3);
    const rules = async () => (await one.driver.describeNetwork?.({ networkId }))?.rules?.join();
    kernel.forbids = ["maps", "queries"];
    await one.restart();
    expect(await rules()).toContain("an earlier daemon's, which cannot be taken off 3 of the links yet");
    expect(await earlyPrograms(one)).toHaveLength(3);
    kernel.forbids = ["maps"];
    await expect.poll(() => earlyPrograms(one)).toEqual([]);
    await expect.poll(rules).toContain("none (bpftool map create: operation not permitted)");
    await expectReach(c1, far);
  });
});

/** A UDP datagram for the far container. */
function ipv4({
  source,
  port = 9,
  fragment = 0,
}: {
  source: Address;
  port?: number;
  fragment?: number;
}): Buffer {
  const head = Buffer.from("4500001c000000004011000000000000", "hex").subarray(0, 12);
  head.writeUInt16BE(fragment, 6);
  return Buffer.concat([head, addressBytes(source), addressBytes(address(servers[4])), udp(port)]);
}

function ipv6({ source, port = 9 }: { source: Address; port?: number }): Buffer {
  const head = Buffer.from("6000000000081140", "hex");
  return Buffer.concat([head, addressBytes(source), addressBytes(address(servers[6])), udp(port)]);
}

function udp(port: number): Buffer {
  const header = Buffer.from("0009000000080000", "hex");
  header.writeUInt16BE(port, 2);
  return header;
}

/** VLAN 5, and what is in it. */
function tag(type: string): Buffer {
  return Buffer.from(`0005${type}`, "hex");
}
