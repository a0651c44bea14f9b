// The fake netlink that other unit tests stand on.

import { describe, expect, it } from "vitest";
import {
  addAddress,
  addFdb,
  addNeighbour,
  addRoute,
  createBridge,
  createVeth,
  deleteAddress,
  deleteFdb,
  deleteLink,
  deleteLinkGroup,
  deleteNeighbour,
  deleteRoute,
  FakeNetlink,
  setLink,
} from "../../../src/kernel/index.ts";
import { address, mac, prefix } from "./values.ts";

async function withBridge(): Promise<FakeNetlink> {
  const netlink = new FakeNetlink();
  await netlink.send(createBridge({ name: "br0", alias: "mine", mtu: 1400 }));
  return netlink;
}

describe("the fake netlink", () => {
  it("writes requests down in iproute2's words, in order", async () => {
    const netlink = await withBridge();
    await netlink.send(setLink("br0", { up: true }), addAddress({ link: 2, prefix: prefix("192.0.2.1/24") }));
    expect(netlink.transcript).toEqual([
      "ip link add br0 mtu 1400 type bridge",
      "ip link set br0 alias mine",
      "ip link set br0 up",
      "ip address add 192.0.2.1/24 dev if2",
    ]);
  });

  it("keeps links by index and name, with what was changed", async () => {
    const netlink = await withBridge();
    await netlink.send(setLink("br0", { up: true, group: 7 }), setLink(2, { name: "br1" }));
    expect(await netlink.link("br0")).toBeUndefined();
    expect(await netlink.link("br1")).toEqual(await netlink.link(2));
    expect(await netlink.link(2)).toMatchObject({ alias: "mine", mtu: 1400, up: true, group: 7 });
    expect((await netlink.links({ kind: "bridge" })).map(({ name }) => name)).toEqual(["br1"]);
  });

  it("joins and leaves masters", async () => {
    const netlink = await withBridge();
    await netlink.send(createVeth({ name: "v0", master: 2, peer: { name: "eth0", netns: "/run/netns/x" } }));
    expect((await netlink.links({ master: 2 })).map(({ name }) => name)).toEqual(["v0"]);
    await netlink.send(setLink("v0", { master: null }));
    expect(await netlink.links({ master: 2 })).toEqual([]);
  });

  it("lets a link go to another namespace", async () => {
    const netlink = await withBridge();
    await netlink.send(setLink("br0", { netns: "/run/netns/x" }));
    expect(await netlink.link("br0")).toBeUndefined();
  });

  it("refuses what Linux refuses, tries the rest of the batch, and rejects with the first", async () => {
    const netlink = await withBridge();
    const sent = netlink.send(
      createBridge({ name: "br0" }),
      deleteLink("none"),
      createBridge({ name: "br1" }),
      addAddress({ link: 99, prefix: prefix("192.0.2.1/24") }),
    );
    await expect(sent).rejects.toMatchObject({
      code: "EEXIST",
      message: "ip link add br0 type bridge: file exists",
    });
    expect(await netlink.link("br1")).toBeDefined();
  });

  it("does not follow a refused request up", async () => {
    const netlink = await withBridge();
    await expect(netlink.send(createBridge({ name: "br0", alias: "other" }))).rejects.toThrow("file exists");
    expect((await netlink.link("br0"))?.alias).toBe("mine");
  });

  it("tells what deletions miss by the codes of the kernel", async () => {
    const netlink = await withBridge();
    const code = (sent: Promise<void>) => sent.catch((error) => error.code);
    expect(await code(netlink.send(deleteLinkGroup(5)))).toBe("ENODEV");
    expect(await code(netlink.send(deleteAddress({ link: 2, prefix: prefix("192.0.2.1/24") })))).toBe(
      "EADDRNOTAVAIL",
    );
    expect(await code(netlink.send(deleteRoute({ family: 4 })))).toBe("ESRCH");
    expect(await code(netlink.send(deleteNeighbour({ link: 2, address: address("192.0.2.9") })))).toBe(
      "ENOENT",
    );
    expect(await code(netlink.send(deleteFdb({ link: 2, mac: mac("02:00:00:00:00:01") })))).toBe("ENOENT");
  });

  it("adds once, replaces on request, and deletes", async () => {
    const netlink = await withBridge();
    const route = { family: 4 as const, gateway: address("192.0.2.254") };
    const neighbour = { link: 2, address: address("192.0.2.9"), mac: mac("02:00:00:00:00:09") };
    const entry = { link: 2, mac: mac("02:00:00:00:00:09"), destination: address("198.51.100.1") };
    await netlink.send(addRoute(route), addNeighbour(neighbour), addFdb(entry));
    await expect(netlink.send(addRoute(route))).rejects.toMatchObject({ code: "EEXIST" });
    await netlink.send(addRoute({ ...route, gateway: address("192.0.2.253") }, { replace: true }));
    expect((await netlink.routes()).map(({ gateway }) => gateway)).toEqual([address("192.0.2.253")]);
    expect(await netlink.neighbours({ link: 2 })).toHaveLength(1);
    expect(await netlink.fdb({ link: 2 })).toHaveLength(1);
    await netlink.send(deleteRoute({ family: 4 }), deleteNeighbour(neighbour), deleteFdb(entry));
    expect([await netlink.routes(), await netlink.neighbours(), await netlink.fdb()]).toEqual([[], [], []]);
  });

  it("takes what is on a link away with it", async () => {
    const netlink = await withBridge();
    await netlink.send(
      addAddress({ link: 2, prefix: prefix("192.0.2.1/24") }),
      addRoute({ family: 4, destination: prefix("198.51.100.0/24"), link: 2 }),
      deleteLink("br0"),
    );
    expect([await netlink.addresses(), await netlink.routes(), (await netlink.links()).length]).toEqual([
      [],
      [],
      1,
    ]);
  });

  it("fails where a test wants it to", async () => {
    const netlink = await withBridge();
    netlink.refuse("ip address add", 12);
    const request = addAddress({ link: 2, prefix: prefix("192.0.2.1/24") });
    await expect(netlink.send(request)).rejects.toMatchObject({ code: "ENOMEM" });
    netlink.relent();
    await netlink.send(request);
    expect(await netlink.addresses({ link: 2, family: 4 })).toHaveLength(1);
  });

  it("is of no use once closed", async () => {
    const netlink = new FakeNetlink();
    await netlink.close();
    await expect(netlink.send(deleteLink("br0"))).rejects.toThrow("the netlink socket is closed");
  });
});
