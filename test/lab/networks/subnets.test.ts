// Subnets and routes on a kernel: several of a network, those that the daemon chooses, and what the host routes.

import { describe, expect, test } from "vitest";
import { addAddress, addRoute } from "../../../src/kernel/index.ts";
import { formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import "../matchers.ts";
import { address, endpointSpec, networkSpec, pool, prefix } from "../cnm/specs.ts";
import type { LabHost } from "../lab.ts";
import { box, createSite } from "./site.ts";

describe("several subnets of a network", () => {
  test("are filled one after the other, are neighbours, and each has its way out, in both families", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    const pools = ["10.1.0.0/30", "10.2.0.0/24", "2001:db8:1::/127", "2001:db8:3::/64"].map((text) =>
      pool(text),
    );
    await controller.createNetwork(networkSpec("x1", { enableIpv6: true, ipam: { driver: "", pools } }));
    await using c1 = await box(controller, "c1", "x1");
    await using c2 = await box(controller, "c2", "x1");
    const shown = [c1, c2].map(({ sandbox }) => {
      const [endpoint] = sandbox.endpoints();
      return [endpoint?.ipv4, endpoint?.ipv6].map((it) => it && formatPrefix(it));
    });
    expect(shown).toEqual([
      ["10.1.0.2/30", "2001:db8:1::1/127"],
      ["10.2.0.2/24", "2001:db8:3::2/64"],
    ]);
    await using _web4 = await c2.here.listen("0.0.0.0", 80);
    await using _web6 = await c2.here.listen("::", 80);
    await expect(c1.here).toReach("10.2.0.2:80", { answer: "10.1.0.2" });
    await expect(c1.here).toReach("[2001:db8:3::2]:80", { answer: "2001:db8:1::1" });
    await using _peer4 = await site.peer.listen("0.0.0.0", 81);
    await using _peer6 = await site.peer.listen("::", 81);
    for (const { here } of [c1, c2]) {
      await expect(here).toReach("192.0.2.2:81", { answer: "192.0.2.1" });
      await expect(here).toReach("[2001:db8:2::2]:81", { answer: "2001:db8:2::1" });
    }
    await using c3 = await box(controller, "c3", "x1", { ipv4: address("10.2.0.99") });
    expect(c3.sandbox.endpoints()[0]?.ipv4).toEqual(prefix("10.2.0.99/24"));
  });
});

describe("routes of a network", () => {
  const routes = [
    "203.0.113.0/24 via 10.1.0.2",
    "2001:db8:99::/48 via 2001:db8:1::2 metric 7",
    "198.51.100.0/24",
    "blackhole 10.250.0.0/16",
    "unreachable 10.251.0.0/16",
    "prohibit 2001:db8:98::/48",
  ].join(", ");
  const spec = networkSpec("x1", {
    enableIpv6: true,
    options: { "tsdocker.routes": routes },
    ipam: { driver: "", pools: [pool("10.1.0.0/24"), pool("2001:db8:1::/64")] },
  });
  const ipRoutes = async (host: LabHost) =>
    (await host.netlink.routes())
      .filter(({ protocol }) => protocol === 4)
      .map(({ type, destination, gateway, metric }) =>
        [type, destination && formatPrefix(destination), gateway && formatAddress(gateway), metric].join(" "),
      )
      .filter((text) => !text.includes(" fe80") && !text.startsWith("unicast  "))
      .sort();

  test("are in every sandbox on it, lead where they say, and go with the endpoint", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    await controller.createNetwork(spec);
    await controller.createNetwork(networkSpec("x2"));
    await using router = await box(controller, "router", "x1");
    await using c2 = await box(controller, "c2", "x2");
    await c2.sandbox.connect(endpointSpec("x1"));
    const wanted = [
      "blackhole 10.250.0.0/16  103",
      "prohibit 2001:db8:98::/48  103",
      "unicast 198.51.100.0/24  103",
      "unicast 2001:db8:99::/48 2001:db8:1::2 7",
      "unicast 203.0.113.0/24 10.1.0.2 103",
      "unreachable 10.251.0.0/16  103",
    ];
    expect(await ipRoutes(c2.here)).toEqual(wanted);
    await router.here.netlink.send(addAddress({ link: 1, prefix: prefix("203.0.113.1/32") }));
    await using _web = await router.here.listen("203.0.113.1", 80);
    await expect(c2.here).toReach("203.0.113.1:80", { answer: "router" });
    await expect(c2.here.ask("10.251.0.1:80")).rejects.toMatchObject({ code: "EHOSTUNREACH" });
    await c2.sandbox.disconnect("x1");
    expect(await ipRoutes(c2.here)).toEqual([]);
    await c2.sandbox.connect(endpointSpec("x1"));
    expect(await ipRoutes(c2.here)).toHaveLength(6);
  });

  test("that two networks of a container share are no trouble: the first wins, and the second stays behind", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const { controller } = world;
    const shared = { "tsdocker.routes": "blackhole 10.250.0.0/16, 203.0.113.0/24" };
    for (const name of ["x1", "x2"]) await controller.createNetwork(networkSpec(name, { options: shared }));
    await using c1 = await box(controller, "c1", "x1");
    await c1.sandbox.connect(endpointSpec("x2"));
    expect(await ipRoutes(c1.here)).toHaveLength(4);
    await c1.sandbox.disconnect("x1");
    expect(await ipRoutes(c1.here)).toEqual(["blackhole 10.250.0.0/16  103", "unicast 203.0.113.0/24  103"]);
  });
});

describe("subnets that the daemon chooses", () => {
  test("keep clear of the host's routes in every table, as these come and go", async () => {
    await using site = await createSite();
    const { machine } = site;
    await using world = await site.world({ watchesHost: true, settings: {} });
    const { controller } = world;
    const chosen = async (name: string) => {
      const network = await controller.createNetwork(networkSpec(name));
      const subnet = network.record.pools[0]?.subnet;
      await controller.deleteNetwork(name);
      return subnet && formatPrefix(subnet);
    };
    expect(await chosen("x1")).toBe("172.18.0.0/16");
    const route = (text: string, part = {}) => ({ family: 4 as const, destination: prefix(text), ...part });
    const vpn = [
      route("172.18.4.0/24", { gateway: address("192.0.2.2"), table: 51820 }),
      route("172.19.0.0/16", { gateway: address("192.0.2.2") }),
      route("172.20.0.0/16", { type: "blackhole" as const }),
      // "everything", as VPNs say it
      route("0.0.0.0/1", { gateway: address("192.0.2.2") }),
      route("128.0.0.0/1", { gateway: address("192.0.2.2") }),
    ];
    await machine.netlink.send(...vpn.map((it) => addRoute(it)));
    expect(await chosen("x2")).toBe("172.21.0.0/16");
    await machine.run("ip", "route", "flush", "table", "51820");
    await machine.run("ip", "route", "del", "172.19.0.0/16");
    expect(await chosen("x3")).toBe("172.18.0.0/16");
    // when everything private is routed, what is only routed is better than nothing
    for (const text of ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])
      await machine.netlink.send(addRoute(route(text, { gateway: address("192.0.2.2") })));
    expect(await chosen("x4")).toBe("172.18.0.0/16");
    for (const text of ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "0.0.0.0/1", "128.0.0.0/1"])
      await machine.run("ip", "route", "del", text);
    await machine.run("ip", "route", "del", "blackhole", "172.20.0.0/16");
  });

  test("of a host that routes a subnet which the user names come with a warning", async () => {
    await using site = await createSite();
    await using world = await site.world();
    const network = await world.controller.createNetwork(
      networkSpec("x1", { ipam: { driver: "", pools: [pool("192.0.2.128/25")] } }),
    );
    expect(network.warnings).toEqual([
      "subnet 192.0.2.128/25 overlaps 192.0.2.0/24, which this host reaches by another interface",
    ]);
  });

  test("of IPv6 are a /64 of a /48 that the host keeps, whatever is installed anew", async () => {
    await using site = await createSite();
    const subnetOf = async () => {
      await using world = await site.world();
      const network = await world.controller.createNetwork(networkSpec("x6", { enableIpv6: true }));
      return network.record.pools.map(({ subnet }) => formatPrefix(subnet))[1];
    };
    const first = await subnetOf();
    expect(first).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
    expect(await subnetOf()).toBe(first);
  });
});
