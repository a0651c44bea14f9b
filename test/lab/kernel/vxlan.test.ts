// VXLAN links on a kernel: where they and their sockets live, and what the kernel says of them.

import { describe, expect, it } from "vitest";
import {
  addFdb,
  createBridge,
  createVxlan,
  deleteFdb,
  openNetlink,
  setLink,
  watchLinks,
} from "../../../src/kernel/index.ts";
import type { NetworkEvent } from "../../../src/kernel/watch.ts";
import { address, mac } from "../../unit/kernel/values.ts";
import { Namespaces } from "./namespaces.ts";

describe("VXLAN links", () => {
  it.for(["192.0.2.1", "2001:db8::1"])("of %s live in one namespace and listen in another", async (local) => {
    await using lab = await Namespaces.create("host", "network");
    await using host = await openNetlink(lab.path("host"));
    await using network = await openNetlink(lab.path("network"));
    const spec = { vni: 42, local: address(local), proxy: true, netns: lab.path("network"), up: true };
    await host.send(createVxlan({ name: "vx42", mtu: 1450, ...spec }));
    expect(await network.link("vx42")).toMatchObject({
      kind: "vxlan",
      mtu: 1450,
      vxlan: { vni: 42, local: address(local), port: 4789, learning: false, proxy: true },
    });
    expect(await lab.run("host", "ss", "-uln")).toContain(":4789");
    expect(await lab.run("network", "ss", "-uln")).not.toContain(":4789");
    await expect(host.send(createVxlan({ name: "vx43", ...spec }))).rejects.toMatchObject({ code: "EEXIST" });
  });

  it("tell of entries in their table and in their bridge's", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await openNetlink(lab.path("host"));
    const local = address("192.0.2.1");
    await host.send(createBridge({ name: "br0" }));
    const master = (await host.link("br0"))?.index ?? 0;
    await host.send(createVxlan({ name: "vx1", vni: 1, local }));
    const link = (await host.link("vx1"))?.index ?? 0;
    await host.send(setLink(link, { master }));
    const events: NetworkEvent[] = [];
    using _watch = await watchLinks(lab.path("host"), (event) => events.push(event), ["fdb"]);
    const own = mac("02:42:0a:00:00:02");
    const far = { link, mac: own, destination: address("192.0.2.2") };
    const near = { link, mac: own, static: true, table: "master" } as const;
    await host.send(addFdb(far, "replace"), addFdb(near, "replace"));
    const found = (await host.fdb()).filter((entry) => entry.mac === own);
    expect(found).toContainEqual(expect.objectContaining({ link, destination: far.destination, self: true }));
    expect(found).toContainEqual(expect.objectContaining({ link, static: true, self: false }));
    await host.send(deleteFdb(near), deleteFdb(far));
    await expect
      .poll(() => events.map((event) => [event.kind, "gone" in event && event.gone]))
      .toEqual([
        ["fdb", false],
        ["fdb", false],
        ["fdb", true],
        ["fdb", true],
      ]);
  });
});
