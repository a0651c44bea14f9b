// Connection tracking against a kernel with connections in it.

import dgram from "node:dgram";
import { describe, expect, it } from "vitest";
import { matches } from "../../../src/kernel/conntrack-messages.ts";
import { conntrackLines, readLine } from "../../../src/kernel/conntrack-text.ts";
import {
  bindSocket,
  type ConntrackEntry,
  type ConntrackFilter,
  deleteConntrack,
  listConntrack,
  openConntrack,
} from "../../../src/kernel/index.ts";
import { sameAddress } from "../../../src/netip/index.ts";
import { address } from "../../unit/kernel/values.ts";
import { addUnrelated } from "../firewall/entries.ts";
import { leakedFds, Namespaces } from "./namespaces.ts";

const udp = 17;

/** Connections are tracked where a rule translates some; here 127.0.0.9:99 is translated to port 53. */
async function withTranslation(): Promise<Namespaces> {
  const lab = await Namespaces.create("a");
  const rules = `table ip t { chain o { type nat hook output priority -100; ip daddr 127.0.0.9 udp dport 99 dnat to 127.0.0.1:53; }; }
    table ip6 t { chain o { type nat hook output priority -100; udp dport 1 redirect; }; }`;
  await lab.run("a", "nft", rules);
  return lab;
}

async function send(lab: Namespaces, from: string, to: string, port: number): Promise<void> {
  const family = from.includes(":") ? "udp6" : "udp4";
  const socket = dgram.createSocket(family);
  const fd = await bindSocket({ netns: lab.path("a"), protocol: "udp", address: address(from), port: 0 });
  await new Promise<void>((done) => socket.bind({ fd }, done));
  await new Promise((done) => socket.send("x", port, to, done));
  socket.close();
}

describe("tracked connections", () => {
  it("are found by what was asked for and by who answers", async () => {
    await using lab = await withTranslation();
    for (let i = 0; i < 3; i++) await send(lab, "127.0.0.1", "127.0.0.9", 99);
    await send(lab, "127.0.0.1", "127.0.0.9", 98);
    const found = await listConntrack(
      { family: 4, protocol: udp, originalDestination: address("127.0.0.9"), originalDestinationPort: 99 },
      lab.path("a"),
    );
    expect(found).toHaveLength(3);
    expect(found[0]).toMatchObject({
      original: { source: address("127.0.0.1"), protocol: udp, destinationPort: 99 },
      reply: { source: address("127.0.0.1"), sourcePort: 53 },
    });
    const bySource = {
      family: 4,
      protocol: udp,
      replySource: address("127.0.0.1"),
      replySourcePort: 53,
    } as const;
    expect(await listConntrack(bySource, lab.path("a"))).toHaveLength(3);
    expect(await listConntrack({ family: 4, originalDestinationPort: 98 }, lab.path("a"))).toHaveLength(1);
    expect(await listConntrack({ family: 4 }, lab.path("a"))).toHaveLength(4);
  });

  it("are deleted when they match, and no others", async () => {
    await using lab = await withTranslation();
    for (const port of [99, 99, 98]) await send(lab, "127.0.0.1", "127.0.0.9", port);
    await send(lab, "::1", "::1", 99);
    const filter = { family: 4, protocol: udp, originalDestinationPort: 99 } as const;
    expect(await deleteConntrack(filter, lab.path("a"))).toBe(2);
    expect(await deleteConntrack(filter, lab.path("a"))).toBe(0);
    expect(await listConntrack({ family: 4 }, lab.path("a"))).toHaveLength(1);
    expect(await listConntrack({ family: 6 }, lab.path("a"))).toHaveLength(1);
    const six = { family: 6, originalDestination: address("::1"), originalDestinationPort: 99 } as const;
    expect(await deleteConntrack(six, lab.path("a"))).toBe(1);
  });

  it.each([
    ["few", 0],
    ["many", 4_000],
  ])("are deleted by whichever of several searches finds them, among %s", async (_, others) => {
    await using lab = await withTranslation();
    await using conntrack = await openConntrack(lab.path("a"));
    for (const port of [97, 98, 99]) await send(lab, "127.0.0.1", "127.0.0.9", port);
    for (const port of [98, 99]) await send(lab, "::1", "::1", port);
    await addUnrelated(lab.path("a"), 4, others);
    const all = () => true;
    const searches = [
      { filter: { family: 4, protocol: udp, originalDestinationPort: 99 }, isUnwanted: all },
      { filter: { family: 6, originalDestinationPort: 98 }, isUnwanted: all },
      {
        filter: { family: 4 },
        isUnwanted: ({ original }: ConntrackEntry) => original.destinationPort === 97,
        among: [address("127.0.0.9")],
      },
      { filter: { family: 4, originalDestinationPort: 98 }, isUnwanted: () => false },
    ] as const;
    for (let repeat = 0; repeat < 2; repeat++) {
      await conntrack.deleteAny(searches);
      expect(await conntrack.list({ family: 4 })).toHaveLength(1 + others);
      expect(await conntrack.list({ family: 6 })).toHaveLength(1);
    }
    expect(await conntrack.list({ originalDestinationPort: 99 })).toHaveLength(1);
  });

  it.each(["127.0.0.1", "::1"])(
    "are told by their lines, pings too, and each is found again: %s",
    async (own) => {
      await using lab = await withTranslation();
      await using conntrack = await openConntrack(lab.path("a"));
      await lab.run("a", "busybox", "ping", "-c", "1", own);
      await send(lab, own, own, 98);
      await send(lab, own === "::1" ? "127.0.0.1" : "::1", own === "::1" ? "127.0.0.1" : "::1", 98);
      const lines = (await conntrackLines(lab.path("a"))) ?? [];
      expect(lines.length).toBe((await conntrack.list({})).length);
      const entries = lines.map(readLine);
      const told = entries.flatMap((entry) =>
        entry ? [`${entry.original.protocol} ${entry.isLedElsewhere}`] : [],
      );
      expect(told.sort()).toEqual(
        (await conntrack.list({}))
          .map(({ original, isLedElsewhere }) => `${original.protocol} ${isLedElsewhere}`)
          .sort(),
      );
      const family = own === "::1" ? 6 : 4;
      const isUnwanted = ({ original }: ConntrackEntry) => sameAddress(original.source, address(own));
      await conntrack.deleteAny([{ filter: { family }, isUnwanted, among: [address(own)] }]);
      const left = await conntrack.list({});
      expect(left).toHaveLength(1);
      expect(left[0]?.original.source.family).not.toBe(family);
    },
  );

  it("are not looked for where there are none", async () => {
    await using lab = await Namespaces.create("a");
    await using conntrack = await openConntrack(lab.path("a"));
    const isUnwanted = () => true;
    await conntrack.deleteAny([{ filter: { family: 4 }, isUnwanted }]);
    await conntrack.deleteAny([]);
  });

  it("are deleted by filters that say it exactly, each compared as a listing compares it", async () => {
    await using lab = await withTranslation();
    await using conntrack = await openConntrack(lab.path("a"));
    const destinations = ["127.0.0.2", "127.0.0.3", "127.0.0.9"];
    for (const to of destinations) for (const port of [98, 99]) await send(lab, "127.0.0.1", to, port);
    for (const port of [98, 99]) await send(lab, "::1", "::1", port);
    const left = async () =>
      (await conntrack.list({})).map(({ original: { destination, destinationPort } }) => {
        const at = destinations.findIndex((text) => sameAddress(destination, address(text)));
        return `${destinations[at] ?? "::1"} ${destinationPort}`;
      });
    const sweep = async (...exact: ConntrackFilter[]) => {
      const isUnwanted = (entry: ConntrackEntry) => exact.some((filter) => matches(entry, filter));
      await conntrack.deleteAny([{ filter: {}, isUnwanted, exact }]);
      return (await left()).sort();
    };
    const all = destinations.flatMap((to) => [`${to} 98`, `${to} 99`]);
    const own = ["::1 98", "::1 99"];
    const to2 = { family: 4, originalDestination: address("127.0.0.2") } as const;
    expect(await sweep({ ...to2, isLedElsewhere: true })).toEqual([...all, ...own]);
    expect(await sweep({ ...to2, protocol: 6 })).toEqual([...all, ...own]);
    expect(
      await sweep({ ...to2, protocol: udp, originalDestinationPort: 98, isLedElsewhere: false }),
    ).toEqual([...all.slice(1), ...own]);
    const led = { family: 4, protocol: udp, replySource: address("127.0.0.1"), replySourcePort: 53 } as const;
    expect(await sweep({ ...led, isLedElsewhere: true }, to2)).toEqual([...all.slice(2, 5), ...own]);
    // not left to the kernel, which would delete all others
    expect(await sweep({ family: 6, originalDestination: address("::2") })).toHaveLength(5);
    expect(await sweep({ family: 6, originalDestination: address("::1") })).toEqual(all.slice(2, 5));
    expect(await sweep()).toEqual(all.slice(2, 5));
  });

  it("are deleted in great numbers", async () => {
    await using lab = await withTranslation();
    const socket = dgram.createSocket("udp4");
    const fd = await bindSocket({
      netns: lab.path("a"),
      protocol: "udp",
      address: address("127.0.0.1"),
      port: 0,
    });
    await new Promise<void>((done) => socket.bind({ fd }, done));
    for (let port = 1; port <= 1500; port++)
      await new Promise((done) => socket.send("x", port, "127.0.0.2", done));
    socket.close();
    const filter = { family: 4, originalDestination: address("127.0.0.2") } as const;
    expect(await deleteConntrack(filter, lab.path("a"))).toBe(1500);
    expect(await listConntrack({ family: 4 }, lab.path("a"))).toEqual([]);
  });

  it("leave no descriptor open", async () => {
    await using lab = await withTranslation();
    const rounds = async () => {
      for (let i = 0; i < 5; i++) await deleteConntrack({ family: 4, protocol: udp }, lab.path("a"));
    };
    expect(await leakedFds(rounds)).toBe(0);
  });
});
