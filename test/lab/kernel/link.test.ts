// Links, batches and handles against a kernel.

import { describe, expect, it } from "vitest";
import {
  addAddress,
  addFdb,
  createBridge,
  createVeth,
  deleteFdb,
  deleteLink,
  deleteLinkGroup,
  type Netlink,
  openNetlink,
  setLink,
} from "../../../src/kernel/index.ts";
import { mac, prefix } from "../../unit/kernel/values.ts";
import { leakedFds, Namespaces } from "./namespaces.ts";

/** A bridge with one port, whose far end is eth0, link 2, of another namespace. */
async function connect(lab: Namespaces, host: Netlink, name: string, guest: string): Promise<void> {
  const bridge = await host.link("br0");
  await host.send(
    createVeth({
      name,
      up: true,
      ...(bridge && { master: bridge.index }),
      peer: { name: "eth0", index: 2, netns: lab.path(guest) },
    }),
  );
}

describe("links", () => {
  it("carry pings between two namespaces over a bridge, IPv4 and IPv6", async () => {
    await using lab = await Namespaces.create("host", "a", "b");
    await using host = await openNetlink(lab.path("host"));
    await host.send(createBridge({ name: "br0", up: true }));
    for (const [at, guest] of ["a", "b"].entries()) {
      await connect(lab, host, `v${guest}`, guest);
      await using netlink = await openNetlink(lab.path(guest));
      await netlink.send(
        addAddress({ link: 2, prefix: prefix(`192.0.2.${at + 1}/24`) }),
        addAddress({ link: 2, prefix: prefix(`2001:db8::${at + 1}/64`), noDad: true }),
        setLink(2, { up: true }),
      );
    }
    expect(await lab.run("a", "busybox", "ping", "-c1", "-W10", "192.0.2.2")).toContain("1 packets received");
    await expect
      .poll(() => lab.run("a", "busybox", "ping", "-6", "-c1", "-W2", "2001:db8::2"))
      .toContain("1 packets received");
  });

  it("are made in one message as they were asked for", async () => {
    await using lab = await Namespaces.create("host", "a");
    await using host = await openNetlink(lab.path("host"));
    await host.send(
      createBridge({ name: "br0", mac: mac("02:00:00:00:00:01"), mtu: 1400, alias: "a network", up: true }),
    );
    const bridge = await host.link("br0");
    expect(bridge).toMatchObject({
      kind: "bridge",
      mac: "02:00:00:00:00:01",
      mtu: 1400,
      alias: "a network",
      up: true,
      loopback: false,
    });
    await host.send(
      createVeth({
        name: "v0",
        mtu: 1400,
        master: bridge?.index ?? 0,
        alias: "an endpoint",
        group: 77,
        up: true,
        peer: { name: "eth0", index: 2, mac: mac("02:00:00:00:00:02"), mtu: 1400, netns: lab.path("a") },
      }),
    );
    const near = await host.link("v0");
    expect(near).toMatchObject({
      kind: "veth",
      mtu: 1400,
      master: bridge?.index,
      alias: "an endpoint",
      group: 77,
      up: true,
      peerIndex: 2,
    });
    await using guest = await openNetlink(lab.path("a"));
    expect(await guest.link(2)).toMatchObject({
      name: "eth0",
      mac: "02:00:00:00:00:02",
      mtu: 1400,
      up: false,
    });
    expect((await guest.link("eth0"))?.peerIndex).toBe(near?.index);
  });

  it("are listed by master and by kind", async () => {
    await using lab = await Namespaces.create("host", "a");
    await using host = await openNetlink(lab.path("host"));
    await host.send(createBridge({ name: "br0" }), createBridge({ name: "br1" }));
    await connect(lab, host, "v0", "a");
    const names = async (filter: Parameters<Netlink["links"]>[0]) =>
      (await host.links(filter)).map(({ name }) => name);
    const bridge = await host.link("br0");
    expect(await names({ kind: "bridge" })).toEqual(["br0", "br1"]);
    expect(await names({ master: bridge?.index ?? 0 })).toEqual(["v0"]);
    expect((await names({})).sort()).toEqual(["br0", "br1", "lo", "v0"]);
  });

  it("change their name, MTU, MAC, alias, group, master and namespace", async () => {
    await using lab = await Namespaces.create("host", "a");
    await using host = await openNetlink(lab.path("host"));
    await host.send(createBridge({ name: "br0" }), createVeth({ name: "v0", peer: { name: "v1" } }));
    const bridge = await host.link("br0");
    const index = (await host.link("v0"))?.index ?? 0;
    await host.send(
      setLink(index, { name: "w0", mtu: 1300, mac: mac("02:00:00:00:00:07"), alias: "mine", group: 9 }),
      setLink(index, { master: bridge?.index ?? 0, up: true }),
    );
    expect(await host.link("w0")).toMatchObject({
      index,
      mtu: 1300,
      mac: "02:00:00:00:00:07",
      alias: "mine",
      group: 9,
      master: bridge?.index,
      up: true,
    });
    await host.send(setLink("w0", { master: null, up: false, alias: "" }));
    const changed = await host.link("w0");
    expect([changed?.master, changed?.up, changed?.alias]).toEqual([undefined, false, undefined]);
    await host.send(setLink("w0", { netns: lab.path("a") }));
    expect(await host.link("w0")).toBeUndefined();
    await using guest = await openNetlink(lab.path("a"));
    expect(await guest.link("w0")).toBeDefined();
  });

  it("are ports with options", async () => {
    await using lab = await Namespaces.create("host", "a");
    await using host = await openNetlink(lab.path("host"));
    await host.send(createBridge({ name: "br0" }));
    await connect(lab, host, "v0", "a");
    await host.send(setLink("v0", { hairpin: true, isolated: true, learning: false, flood: false }));
    const shown = await lab.run("host", "ip", "-d", "link", "show", "v0");
    expect(shown).toMatch(/hairpin on.* learning off flood off .*isolated on/s);
  });

  it("get no IPv6 address when they are told not to, before they have a carrier", async () => {
    await using lab = await Namespaces.create("host", "a");
    await using host = await openNetlink(lab.path("host"));
    await using guest = await openNetlink(lab.path("a"));
    for (const name of ["v0", "v1"]) {
      const peer = { name: `${name}p`, netns: lab.path("a") };
      await host.send(createVeth({ name, up: true, peer }));
    }
    await host.send(setLink("v0", { addressGeneration: "none" }));
    for (const name of ["v0p", "v1p"]) await guest.send(setLink(name, { up: true }));
    const addresses = async (name: string) =>
      (await host.addresses({ link: (await host.link(name))?.index ?? 0 })).length;
    await expect.poll(() => addresses("v1")).toBe(1);
    expect((await host.link("v0"))?.carrier).toBe(true);
    expect(await addresses("v0")).toBe(0);
  });

  it("remember behind which port a MAC is", async () => {
    await using lab = await Namespaces.create("host", "a");
    await using host = await openNetlink(lab.path("host"));
    await host.send(createBridge({ name: "br0" }));
    await connect(lab, host, "v0", "a");
    const [bridge, port] = [await host.link("br0"), await host.link("v0")];
    const entry = { link: port?.index ?? 0, mac: mac("02:00:00:00:00:09"), table: "master" as const };
    await host.send(addFdb(entry));
    const found = (await host.fdb({ master: bridge?.index ?? 0 })).filter((one) => one.mac === entry.mac);
    expect(found).toMatchObject([{ link: port?.index, master: bridge?.index, permanent: true, self: false }]);
    await host.send(deleteFdb(entry));
    await expect(host.send(deleteFdb(entry))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("count what they carry", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    await lab.run("host", "busybox", "ping", "-c3", "-i0.01", "127.0.0.1");
    const stats = (await host.link("lo"))?.stats;
    expect(stats?.rxPackets).toBeGreaterThanOrEqual(6);
    expect(stats?.txBytes).toBe(stats?.rxBytes);
  });

  it("go by group, all in one message", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    await host.send(
      ...Array.from({ length: 10 }, (_, at) =>
        createVeth({ name: `a${at}`, group: 5, peer: { name: `b${at}` } }),
      ),
    );
    await host.send(deleteLinkGroup(5));
    expect((await host.links()).map(({ name }) => name)).toEqual(["lo"]);
    await expect(host.send(deleteLinkGroup(5))).rejects.toMatchObject({ code: "ENODEV" });
  });
});

describe("a batch of requests", () => {
  it("is tried to its end, and fails with its first error", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    const sent = host.send(
      createBridge({ name: "br0" }),
      createBridge({ name: "br0", alias: "not mine" }),
      deleteLink("none"),
      createBridge({ name: "br1" }),
    );
    await expect(sent).rejects.toMatchObject({
      name: "NetlinkError",
      code: "EEXIST",
      errno: 17,
      request: { words: "ip link add br0 type bridge" },
    });
    expect((await host.links({ kind: "bridge" })).map(({ name, alias }) => [name, alias])).toEqual([
      ["br0", undefined],
      ["br1", undefined],
    ]);
  });

  it("may be thousands", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    const addresses = Array.from({ length: 5000 }, (_, at) => prefix(`198.18.${at >> 8}.${at & 255}/32`));
    await host.send(...addresses.map((one) => addAddress({ link: 1, prefix: one })));
    expect(await host.addresses({ link: 1, family: 4 })).toHaveLength(5001);
  });

  it("of nothing is fine", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    await host.send();
  });

  it("carries the kernel's own words", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    await expect(host.send(setLink("lo", { mtu: -1 >>> 0 }))).rejects.toThrow(
      /^ip link set lo mtu 4294967295: invalid argument/,
    );
    await expect(host.send(addAddress({ link: 99, prefix: prefix("192.0.2.1/24") }))).rejects.toThrow(
      "ip address add 192.0.2.1/24 dev if99: no such device: ipv4: Device not found",
    );
  });

  it("names the namespace that is not there", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    const request = createVeth({ name: "v0", peer: { name: "eth0", netns: lab.path("none") } });
    await expect(host.send(request)).rejects.toMatchObject({
      code: "ENOENT",
      message: expect.stringContaining("/none"),
    });
    expect(await host.link("v0")).toBeUndefined();
  });
});

describe("a netlink handle", () => {
  it("does not open in a namespace that is not there", async () => {
    await expect(openNetlink("/run/none")).rejects.toMatchObject({ code: "ENOENT" });
    await expect(openNetlink("/etc/hostname")).rejects.toMatchObject({ code: "EINVAL" });
  });

  it("answers undefined for a link that is not there", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    expect([await host.link("none"), await host.link(4711)]).toEqual([undefined, undefined]);
  });

  it("finishes what was asked for before it closes, and refuses after", async () => {
    await using lab = await Namespaces.create("host");
    const host = await openNetlink(lab.path("host"));
    const sent = host.send(createBridge({ name: "br0" }));
    await host.close();
    await sent;
    await host.close();
    await expect(host.links()).rejects.toThrow("the netlink socket is closed");
  });

  it("leaks no descriptor, whatever fails", async () => {
    await using lab = await Namespaces.create("host", "a");
    const failAndSucceed = async (round: number) => {
      await using host = await openNetlink(lab.path("host"));
      await openNetlink("/run/none").catch(() => undefined);
      await openNetlink("/etc/hostname").catch(() => undefined);
      const peer = { name: "eth0", netns: lab.path("a") };
      await host.send(createVeth({ name: `v${round % 2}`, peer })).catch(() => undefined);
    };
    const rounds = async () => {
      for (let round = 0; round < 20; round++) await failAndSucceed(round);
    };
    expect(await leakedFds(rounds)).toBe(0);
  });

  it("dumps more than one datagram holds, whole, while links come and go", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    await using other = await openNetlink(lab.path("host"));
    await host.send(...Array.from({ length: 200 }, (_, at) => createBridge({ name: `br${at}` })));
    const changing = Array.from({ length: 20 }, async (_, at) => {
      await other.send(createBridge({ name: `x${at}` }));
      await other.send(deleteLink(`x${at}`));
    });
    for (let round = 0; round < 20; round++)
      expect((await host.links()).filter(({ name }) => name.startsWith("br"))).toHaveLength(200);
    await Promise.all(changing);
  });
});
