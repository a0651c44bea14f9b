// Netlink sockets do not wait for each other; what is asked of one stays in order.

import { describe, expect, it } from "vitest";
import { addon } from "../../../native/index.ts";
import { createVeth, deleteLink, openConntrack, openNetlink } from "../../../src/kernel/index.ts";
import { addTable, openNftables } from "../../../src/kernel/nftables/index.ts";
import { Namespaces } from "./namespaces.ts";

describe("netlink sockets", () => {
  it("answer while the kernel walks through its connections for another", async () => {
    await using lab = await Namespaces.create("a");
    await using conntrack = await openConntrack(lab.path("a"));
    await using netlink = await openNetlink(lab.path("a"));
    await using nftables = await openNftables(lab.path("a"));
    // each goes through the whole table: milliseconds, even when nothing is in it
    const walks = Promise.all(Array.from({ length: 50 }, () => conntrack.list({ family: 4 })));
    const others = (async () => {
      await netlink.addresses();
      await nftables.commit([addTable({ family: "inet", name: "beside" })]);
      return "others";
    })();
    expect(await Promise.race([walks.then(() => "walks"), others])).toBe("others");
    await walks;
  });

  it("of nftables answer while links are deleted", async () => {
    await using lab = await Namespaces.create("a");
    await using netlink = await openNetlink(lab.path("a"));
    await using nftables = await openNftables(lab.path("a"));
    const names = Array.from({ length: 10 }, (_, at) => `v${at}`);
    await netlink.send(...names.map((name) => createVeth({ name, peer: { name: `${name}p` } })));
    const deletions = Promise.all(names.map((name) => netlink.send(deleteLink(name))));
    const commit = nftables.commit([addTable({ family: "inet", name: "beside" })]);
    expect(await Promise.race([deletions.then(() => "links"), commit.then(() => "nftables")])).toBe(
      "nftables",
    );
    await deletions;
  });

  it("keep the order of what is asked of each, however many ask at once", async () => {
    await using lab = await Namespaces.create("a");
    const sockets = await Promise.all(Array.from({ length: 8 }, () => openNetlink(lab.path("a"))));
    await Promise.all(
      sockets.map(async (netlink, at) => {
        const name = `v${at}`;
        for (let round = 0; round < 5; round++) {
          const [created, found, deleted, missing] = await Promise.all([
            netlink.send(createVeth({ name, peer: { name: `${name}p` } })),
            netlink.link(name),
            netlink.send(deleteLink(name)),
            netlink.link(name),
          ]);
          expect([created, found?.name, deleted, missing]).toEqual([undefined, name, undefined, undefined]);
        }
      }),
    );
    await Promise.all(sockets.map((netlink) => netlink.close()));
  });

  it("are closed behind what was asked of them, and a number that is used again is another socket", async () => {
    const native = addon();
    for (let round = 0; round < 50; round++) {
      const fds = await Promise.all([1, 2, 3].map(() => native.netlinkOpen(0, undefined, [])));
      await Promise.all(fds.map((fd) => native.netlinkClose(fd)));
      expect(new Set(fds).size).toBe(3);
    }
  });
});
