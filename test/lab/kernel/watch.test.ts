// Notifications of rtnetlink and nftables.

import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import {
  addAddress,
  addNeighbour,
  addRoute,
  createBridge,
  createVeth,
  deleteLink,
  type NetworkEvent,
  openNetlink,
  setLink,
  watchLinks,
} from "../../../src/kernel/index.ts";
import { address, mac, prefix } from "../../unit/kernel/values.ts";
import { leakedFds, Namespaces } from "./namespaces.ts";

describe("a watch", () => {
  it("tells of links, addresses and routes as they come and go", async () => {
    await using lab = await Namespaces.create("a");
    await using netlink = await openNetlink(lab.path("a"));
    const events: NetworkEvent[] = [];
    using _watch = await watchLinks(lab.path("a"), (event) => events.push(event));
    await netlink.send(createBridge({ name: "br0", up: true }));
    await netlink.send(
      addAddress({ link: 2, prefix: prefix("192.0.2.1/24") }),
      addRoute({ family: 4, destination: prefix("198.51.100.0/24"), link: 2 }),
      deleteLink("br0"),
    );
    const has = (expected: object) =>
      events.some((event) => expect.objectContaining(expected).asymmetricMatch(event));
    const link = expect.objectContaining({ name: "br0" });
    await expect.poll(() => has({ kind: "link", gone: true, link })).toBe(true);
    expect(has({ kind: "link", gone: false, link })).toBe(true);
    expect(
      has({ kind: "address", address: expect.objectContaining({ prefix: prefix("192.0.2.1/24") }) }),
    ).toBe(true);
    const route = expect.objectContaining({ destination: prefix("198.51.100.0/24") });
    expect(has({ kind: "route", gone: false, route })).toBe(true);
  });

  it("does not take a port that leaves its bridge for a link that is gone", async () => {
    await using lab = await Namespaces.create("a");
    await using netlink = await openNetlink(lab.path("a"));
    await netlink.send(
      createBridge({ name: "br0" }),
      createVeth({ name: "v0", master: 2, peer: { name: "v1" } }),
    );
    const events: NetworkEvent[] = [];
    using _watch = await watchLinks(lab.path("a"), (event) => events.push(event), ["link"]);
    await netlink.send(setLink("v0", { master: null }), setLink("br0", { up: true }));
    await expect.poll(() => events.some((event) => event.kind === "link" && event.link.up)).toBe(true);
    expect(events.filter((event) => event.kind === "link" && event.gone)).toEqual([]);
  });

  it("tells only what it was asked for", async () => {
    await using lab = await Namespaces.create("a");
    await using netlink = await openNetlink(lab.path("a"));
    const events: NetworkEvent[] = [];
    using _watch = await watchLinks(lab.path("a"), (event) => events.push(event), ["neighbour"]);
    await netlink.send(
      createBridge({ name: "br0" }),
      addNeighbour({ link: 2, address: address("192.0.2.9"), mac: mac("02:00:00:00:00:09") }),
    );
    await expect.poll(() => events.length).toBeGreaterThan(0);
    expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(["neighbour"]));
  });

  it("says that events were lost rather than lose them silently", { timeout: 180_000 }, async () => {
    await using lab = await Namespaces.create("a");
    await using netlink = await openNetlink(lab.path("a"));
    let lost = 0;
    const named = new Set<string>();
    using _watch = await watchLinks(lab.path("a"), (event) => {
      if (event.kind === "lost") lost++;
      if (event.kind === "link") named.add(event.link.name);
    });
    // synchronous: nothing is read before everything was sent, more than the socket holds
    const lines = Array.from({ length: 40_000 }, (_, at) => `link set lo alias ${"x".repeat(200)}${at}`);
    const args = [`--net=${lab.path("a")}`, "ip", "-batch", "-"];
    const { status } = spawnSync("nsenter", args, { input: lines.join("\n") });
    expect(status).toBe(0);
    // a machine that is busy comes to reading late
    const poll = { timeout: 60_000 };
    await expect.poll(() => lost, poll).toBeGreaterThan(0);
    await netlink.send(createBridge({ name: "end" }));
    await expect.poll(() => named.has("end"), poll).toBe(true);
  });

  it("ends when it is closed, leaving nothing open", async () => {
    await using lab = await Namespaces.create("a");
    await using netlink = await openNetlink(lab.path("a"));
    const events: NetworkEvent[] = [];
    const watching = async () => {
      const watch = await watchLinks(lab.path("a"), (event) => events.push(event));
      watch.close();
      watch.close();
    };
    expect(await leakedFds(watching)).toBe(0);
    await netlink.send(createBridge({ name: "br0" }));
    await netlink.links();
    expect(events).toEqual([]);
  });

  it("may be closed by its own listener", async () => {
    await using lab = await Namespaces.create("a");
    await using netlink = await openNetlink(lab.path("a"));
    const first = Promise.withResolvers<void>();
    const watch = await watchLinks(lab.path("a"), () => {
      watch.close();
      first.resolve();
    });
    await netlink.send(createBridge({ name: "br0" }), createBridge({ name: "br1" }));
    await first.promise;
  });

  it("needs its namespace", async () => {
    await expect(watchLinks("/run/none", () => undefined)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
