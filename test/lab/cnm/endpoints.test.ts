// Endpoints on a kernel: what neighbours hear of them, which way answers go, what links let through, what stays.

import { describe, expect, test } from "vitest";
import type { Sandbox } from "../../../src/cnm/index.ts";
import { formatAddress, type Mac, parseMac } from "../../../src/netip/index.ts";
import { Lab, type LabHost } from "../lab.ts";
import "../matchers.ts";
import { inside } from "./inside.ts";
import { address, defaultBridge, endpointSpec, networkSpec, pool, sandboxSpec } from "./specs.ts";
import { createWorld, type World } from "./world.ts";

/** A machine on a LAN with a neighbour, and a daemon on it. */
async function machineAndPeer(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  return { machine: await lan.host("machine"), peer: await lan.host("peer") };
}

const dual = (name: string, part: Parameters<typeof networkSpec>[1] = {}) =>
  networkSpec(name, {
    enableIpv6: true,
    ipam: { driver: "", pools: [pool("198.51.100.0/24"), pool("2001:db8:51::/64")] },
    ...part,
  });

function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (!parsed) throw new TypeError(`not a MAC: ${text}`);
  return parsed;
}

const open = ({ controller }: World, name: string, endpoints: ReturnType<typeof endpointSpec>[]) =>
  controller.createSandbox(sandboxSpec(name, { endpoints }));

/** The MAC that a host has for an address. */
async function knownMac(host: LabHost, text: string): Promise<string | undefined> {
  const wanted = formatAddress(address(text));
  const found = (await host.netlink.neighbours()).find((entry) => formatAddress(entry.address) === wanted);
  return found?.mac;
}

describe("neighbours", () => {
  const old = mac("02:00:00:00:00:01");
  const fresh = mac("02:00:00:00:00:02");
  const fixed = { ipv4: address("198.51.100.9"), ipv6: address("2001:db8:51::9") };

  test("know a container's new MAC at once, on both families, without having asked", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(dual("x1"));
    const watcher = await open(world, "watcher", [endpointSpec("x1")]);
    await using here = await inside("watcher", watcher.netnsPath);
    for (const own of [old, fresh]) {
      const sandbox = await open(world, "c1", [endpointSpec("x1", { ...fixed, mac: own })]);
      await using there = await inside("c1", sandbox.netnsPath);
      await using _ = await there.listen("::", 80);
      await using _4 = await there.listen("0.0.0.0", 80);
      if (own === fresh) {
        // what was said when it came, before anybody asked
        await expect.poll(() => knownMac(here, "198.51.100.9")).toBe(fresh);
        await expect.poll(() => knownMac(here, "2001:db8:51::9")).toBe(fresh);
      }
      await expect(here).toReach("198.51.100.9:80");
      await expect(here).toReach("[2001:db8:51::9]:80");
      expect(await knownMac(here, "198.51.100.9")).toBe(own);
      await sandbox.delete();
    }
  });

  test("hear nothing where the network says so, and three messages where it says nothing", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const quiet = { "com.docker.network.advertise_addr_nmsgs": "0" };
    const quick = { "com.docker.network.advertise_addr_ms": "100" };
    for (const [name, options, count] of [
      ["quiet", quiet, 0],
      ["quick", quick, 3],
    ] as const) {
      await world.controller.createNetwork(networkSpec(name, { options }));
      const watcher = await open(world, `watcher-${name}`, [endpointSpec(name)]);
      await using here = await inside(name, watcher.netnsPath);
      await here.run(
        "nft",
        "add table netdev t; add chain netdev t c { type filter hook ingress device eth0 priority 0; };" +
          "add rule netdev t c ether type arp ether saddr 02:00:00:00:00:02 counter",
      );
      await open(world, `c-${name}`, [endpointSpec(name, { mac: fresh })]);
      const heard = async () => Number(/packets ([0-9]+)/.exec(await here.run("nft", "list ruleset"))?.[1]);
      await expect.poll(heard).toBe(count);
      // and no more than that
      await new Promise((resolve) => setTimeout(resolve, 250));
      expect(await heard()).toBe(count);
    }
  });
});

describe("a container on two networks", () => {
  test("answers by the network it was asked on, although its default route is another", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    const routed = {
      "com.docker.network.bridge.gateway_mode_ipv4": "routed",
      "com.docker.network.bridge.gateway_mode_ipv6": "routed",
    };
    await controller.createNetwork(networkSpec("a"));
    await controller.createNetwork(dual("b", { options: routed }));
    await peer.routeTo({ address: address("198.51.100.0"), length: 24 }, address("192.0.2.1"));
    await peer.routeTo({ address: address("2001:db8:51::"), length: 64 }, address("2001:db8:2::1"));
    // the host drops what comes from where it would not send an answer
    await machine.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
    const spec = sandboxSpec("c1", {
      endpoints: [endpointSpec("b")],
      portBindings: [{ protocol: "tcp", containerPort: 80 }],
    });
    const c1 = await controller.createSandbox(spec);
    await using here = await inside("c1", c1.netnsPath);
    await using _web = await here.listen("0.0.0.0", 80);
    await using _web6 = await here.listen("::", 80);
    const target = c1.endpoints()[0]?.ipv4;
    await expect(peer).toReach(`${target && formatAddress(target.address)}:80`);
    await c1.connect(endpointSpec("a", { gatewayPriority: 9 }));
    const rules = await here.run("ip", "rule");
    expect(rules).toMatch(/32001:\tfrom 198\.51\.100\.2 lookup 100[0-9]/);
    const route = await here.run("ip", "route", "get", "192.0.2.2", "from", "198.51.100.2");
    expect(route).toContain("via 198.51.100.1 dev eth0");
    expect(await here.run("ip", "route", "get", "192.0.2.2")).toContain("via 172.");
    await c1.disconnect("a");
    expect(await here.run("ip", "rule")).not.toContain("lookup 100");
    await expect(peer).toReach("198.51.100.2:80");
  });
});

describe("interfaces and addresses", () => {
  test("stay over a restart of the container, in any order of starts, and over the daemon's", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    const first = await createWorld(machine);
    for (const name of ["x1", "x2"]) await first.controller.createNetwork(networkSpec(name));
    const specs = ["c1", "c2"].map((name) =>
      sandboxSpec(name, { endpoints: [endpointSpec("x2"), endpointSpec("x1")] }),
    );
    const look = async (sandbox: Sandbox) => {
      await using here = await inside(sandbox.spec.containerName, sandbox.netnsPath);
      const links = (await here.netlink.links()).filter(({ loopback }) => !loopback);
      const addresses = await here.netlink.addresses({ family: 4 });
      return links
        .map(({ name, mac: own, index }) => {
          const prefix = addresses.find(({ link }) => link === index)?.prefix;
          return `${name} ${own} ${prefix && formatAddress(prefix.address)}`;
        })
        .sort();
    };
    const before = [];
    for (const spec of specs) before.push(await look(await first.controller.createSandbox(spec)));
    for (const spec of specs) await first.controller.sandbox(spec.containerId)?.delete();
    await first.crash();
    await using second = await createWorld(machine, { folder: first.folder });
    const stranger = await open(second, "stranger", [endpointSpec("x1")]);
    const after = [];
    for (const spec of specs.toReversed())
      after.unshift(await look(await second.controller.createSandbox(spec)));
    expect(after).toEqual(before);
    expect((await look(stranger)).join()).not.toMatch(/172\.1[89]\.0\.[23]$/);
  });
});

describe.each(["nftables", "iptables"] as const)("legacy links under %s", (backend) => {
  test("let exposed ports through where containers are kept apart, and nothing else", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine, {
      backend,
      defaultBridge: { ...defaultBridge, icc: false },
    });
    const { controller } = world;
    const port = (number: number) => ({ protocol: "tcp" as const, port: number });
    const dbSpec = sandboxSpec("db", { endpoints: [endpointSpec("bridge")], exposedPorts: [port(80)] });
    const db = await controller.createSandbox(dbSpec);
    const linkedTo = (container: string) => [{ container, alias: "database" }];
    const web = await open(world, "web", [endpointSpec("bridge", { links: linkedTo(db.containerId) })]);
    const other = await open(world, "other", [endpointSpec("bridge")]);
    await using inDb = await inside("db", db.netnsPath);
    await using inWeb = await inside("web", web.netnsPath);
    await using inOther = await inside("other", other.netnsPath);
    await using _80 = await inDb.listen("0.0.0.0", 80);
    await using _81 = await inDb.listen("0.0.0.0", 81);
    await using _web = await inWeb.listen("0.0.0.0", 80);
    const at = (sandbox: Sandbox) =>
      formatAddress(sandbox.endpoints()[0]?.ipv4?.address ?? address("0.0.0.0"));
    await expect(inWeb).toReach(`${at(db)}:80`);
    await expect(inWeb).not.toReach(`${at(db)}:81`);
    await expect(inDb).not.toReach(`${at(web)}:80`);
    await expect(inOther).not.toReach(`${at(db)}:80`);
    // its place is another's when it has gone: that one is not linked
    const place = at(db);
    await db.delete();
    await controller.settle();
    const spec = sandboxSpec("next", { endpoints: [endpointSpec("bridge")], exposedPorts: [port(80)] });
    await controller.forgetContainer(dbSpec.containerId);
    const next = await controller.createSandbox(spec);
    await using inNext = await inside("next", next.netnsPath);
    await inNext.run("ip", "address", "add", `${place}/16`, "dev", "eth0");
    await using _next = await inNext.listen("0.0.0.0", 80);
    await expect(inWeb).not.toReach(`${at(next)}:80`);
    await expect(inWeb).not.toReach(`${place}:80`);
  });
});
