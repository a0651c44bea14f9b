// Addresses, routes and neighbours against a kernel.

import { describe, expect, it } from "vitest";
import {
  addAddress,
  addNeighbour,
  addRoute,
  createBridge,
  deleteAddress,
  deleteNeighbour,
  deleteRoute,
  type Netlink,
  openNetlink,
  setLink,
} from "../../../src/kernel/index.ts";
import { address, mac, prefix } from "../../unit/kernel/values.ts";
import { Namespaces } from "./namespaces.ts";

/** A namespace whose link 2 is a bridge that is up. */
async function withBridge(lab: Namespaces): Promise<Netlink> {
  const netlink = await openNetlink(lab.path("host"));
  await netlink.send(createBridge({ name: "br0" }), setLink("br0", { up: true }));
  return netlink;
}

describe("addresses", () => {
  it("come and go, in both families", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    const four = { link: 2, prefix: prefix("192.0.2.1/24"), broadcast: "auto" as const, label: "br0:x" };
    const six = { link: 2, prefix: prefix("2001:db8::1/64"), noDad: true };
    await host.send(addAddress(four), addAddress(six));
    expect(await host.addresses({ link: 2, family: 4 })).toEqual([
      {
        link: 2,
        prefix: four.prefix,
        scope: "global",
        label: "br0:x",
        broadcast: address("192.0.2.255"),
        tentative: false,
        duplicate: false,
        permanent: true,
      },
    ]);
    expect(await host.addresses({ link: 2, family: 6 })).toContainEqual(
      expect.objectContaining({ prefix: six.prefix, tentative: false }),
    );
    await host.send(deleteAddress(four), deleteAddress(six));
    await expect(host.send(deleteAddress(four))).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
    expect(await host.addresses({ link: 2, family: 4 })).toEqual([]);
  });

  it("are added once, and replaced as often as wanted", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    const spec = { link: 2, prefix: prefix("192.0.2.1/24") };
    await host.send(addAddress(spec));
    await expect(host.send(addAddress(spec))).rejects.toMatchObject({ code: "EEXIST" });
    await host.send(addAddress(spec, { replace: true }));
    expect(await host.addresses({ link: 2, family: 4 })).toHaveLength(1);
  });

  it("without a prefix route leave the routes alone", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    await host.send(addAddress({ link: 2, prefix: prefix("192.0.2.1/24"), noPrefixRoute: true }));
    expect(await host.routes({ family: 4 })).toEqual([]);
  });
});

describe("routes", () => {
  it("lead through a gateway, out of a link, or nowhere", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    await host.send(
      addAddress({ link: 2, prefix: prefix("192.0.2.1/24") }),
      addRoute({ family: 4, gateway: address("192.0.2.254") }),
      addRoute({
        family: 4,
        destination: prefix("198.51.100.0/24"),
        link: 2,
        source: address("192.0.2.1"),
        metric: 7,
      }),
      addRoute({ family: 4, destination: prefix("203.0.113.0/24"), type: "blackhole" }),
    );
    const routes = await host.routes({ family: 4 });
    expect(routes.find(({ destination }) => !destination)).toMatchObject({
      gateway: address("192.0.2.254"),
      link: 2,
      table: 254,
      protocol: 4,
    });
    expect(routes).toContainEqual({
      family: 4,
      destination: prefix("198.51.100.0/24"),
      link: 2,
      scope: "link",
      source: address("192.0.2.1"),
      metric: 7,
      table: 254,
      type: "unicast",
      protocol: 4,
    });
    expect(routes.find(({ type }) => type === "blackhole")?.destination).toEqual(prefix("203.0.113.0/24"));
    expect(routes.find(({ protocol }) => protocol === 2)?.destination).toEqual(prefix("192.0.2.0/24"));
  });

  it("exist for IPv6 just so", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    await host.send(
      addAddress({ link: 2, prefix: prefix("2001:db8::1/64"), noDad: true }),
      addRoute({ family: 6, gateway: address("2001:db8::ff"), link: 2 }),
      addRoute({ family: 6, destination: prefix("2001:db8:1::/48"), type: "unreachable" }),
    );
    const routes = await host.routes({ family: 6 });
    expect(routes.find(({ destination }) => !destination)).toMatchObject({
      gateway: address("2001:db8::ff"),
      link: 2,
    });
    expect(routes.find(({ type }) => type === "unreachable")?.destination).toEqual(prefix("2001:db8:1::/48"));
  });

  it("are deleted by what is known of them", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    const blackhole = {
      family: 4 as const,
      destination: prefix("203.0.113.0/24"),
      type: "blackhole" as const,
    };
    await host.send(
      addAddress({ link: 2, prefix: prefix("192.0.2.1/24") }),
      addRoute({ family: 4, gateway: address("192.0.2.254") }),
      addRoute(blackhole),
    );
    await host.send(
      deleteRoute({ family: 4 }),
      deleteRoute({ family: 4, destination: blackhole.destination }),
    );
    expect((await host.routes({ family: 4 })).map(({ protocol }) => protocol)).toEqual([2]);
    await expect(host.send(deleteRoute(blackhole))).rejects.toMatchObject({ code: "ESRCH" });
  });

  it("are kept in tables, of which main is shown unless another is asked for", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    const destination = prefix("198.51.100.0/24");
    expect(await host.routes({ table: 1000, family: 4 })).toEqual([]);
    await host.send(addRoute({ family: 4, destination, link: 2, table: 1000 }));
    expect((await host.routes({ table: 1000 })).map((route) => route.destination)).toEqual([destination]);
    expect(await host.routes({ family: 4 })).toEqual([]);
    const all = await host.routes({ table: "all" });
    expect(new Set(all.map(({ table }) => table))).toEqual(new Set([1000, 254, 255]));
  });

  it("are listed by link", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    await host.send(
      addRoute({ family: 4, destination: prefix("198.51.100.0/24"), link: 2 }),
      addRoute({ family: 4, destination: prefix("203.0.113.0/24"), link: 1 }),
    );
    const found = await host.routes({ link: 2, family: 4 });
    expect(found.map(({ destination }) => destination)).toEqual([prefix("198.51.100.0/24")]);
  });

  it("are refused with the kernel's reason", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    const lost = addRoute({
      family: 4,
      destination: prefix("198.51.100.0/24"),
      gateway: address("203.0.113.1"),
    });
    await expect(host.send(lost)).rejects.toThrow(
      /^ip route add 198.51.100.0\/24 via 203.0.113.1: network is unreachable: \w/,
    );
  });
});

describe("neighbours", () => {
  it("are told, replaced and taken back", async () => {
    await using lab = await Namespaces.create("host");
    await using host = await withBridge(lab);
    const spec = { link: 2, address: address("192.0.2.9"), mac: mac("02:00:00:00:00:09") };
    await host.send(addNeighbour(spec));
    await expect(host.send(addNeighbour(spec))).rejects.toMatchObject({ code: "EEXIST" });
    await host.send(addNeighbour({ ...spec, mac: mac("02:00:00:00:00:0a") }, { replace: true }));
    // the kernel notes whom it tells of its multicast groups
    const told = async () =>
      (await host.neighbours({ link: 2, family: 4 })).filter(({ permanent }) => permanent);
    expect(await told()).toMatchObject([{ address: spec.address, mac: "02:00:00:00:00:0a" }]);
    await host.send(deleteNeighbour(spec));
    expect(await told()).toEqual([]);
  });
});
