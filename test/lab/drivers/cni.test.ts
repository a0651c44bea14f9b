// CNI networks on a kernel, by real plugins: what they make is the container's, shown, named and taken back.

import { describe, expect, test } from "vitest";
import { deleteLink } from "../../../src/kernel/index.ts";
import { formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import { type Log, silentLog } from "../../../src/util/log.ts";
import { address, endpointSpec, networkSpec } from "../cnm/specs.ts";
import { createWorld, type World } from "../cnm/world.ts";
import { Lab, type LabHost } from "../lab.ts";
import "../matchers.ts";
import { bridge, cni, hostLocal, lacksPlugins, leases, portmap } from "./cni-world.ts";
import { lacksLinkKind } from "./kernel.ts";
import { defaultRoutes, mac, machineAndPeer, run as runOn } from "./macvlan-world.ts";

const lacksIfb = await lacksLinkKind("ifb");

const run = (world: World, name: string, options: Parameters<typeof runOn>[2] = {}) =>
  runOn(world, name, { network: "n1", ...options });

const binding = (hostPort: number | undefined, containerPort = 80) => ({
  protocol: "tcp" as const,
  containerPort,
  ...(hostPort && { hostPorts: { first: hostPort, last: hostPort } }),
});

const rulesOf = async (host: LabHost) =>
  (await host.run("iptables-save")) + (await host.run("ip6tables-save"));

describe.skipIf(lacksPlugins)("a CNI network", () => {
  test("has containers with the addresses that the plugins gave, named, and on their way out", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const network = await world.controller.createNetwork(
      cni("n1", [bridge(world, {}, "10.88.0.0/24", "2001:db8:88::/64"), portmap]),
    );
    await using c1 = await run(world, "c1");
    await using c2 = await run(world, "c2");
    await using _c2v4 = await c2.host.listen("0.0.0.0", 80);
    await using _c2v6 = await c2.host.listen("::", 80);
    await using _peer = await peer.listen("0.0.0.0", 80);
    expect([c1.ipv4, c2.ipv4, c2.ipv6]).toEqual(["10.88.0.2", "10.88.0.3", "2001:db8:88::3"]);
    const link = await c1.host.netlink.link("eth0");
    expect(c1.sandbox.endpoints()).toMatchObject([
      {
        interfaceName: "eth0",
        mac: link?.mac,
        gatewayIpv4: address("10.88.0.1"),
        gatewayIpv6: address("2001:db8:88::1"),
      },
    ]);
    expect(world.proxy.names(network.id)).toEqual(expect.arrayContaining(["c1", "c2"]));
    expect([...world.proxy.resolvers.values()]).toMatchObject([{ forwards: true }, { forwards: true }]);
    expect(await defaultRoutes(c1)).toMatchObject([
      { family: 4, gateway: address("10.88.0.1") },
      { family: 6, gateway: address("2001:db8:88::1") },
    ]);
    await expect(c1.host).toReach("10.88.0.3:80", { answer: "c2 10.88.0.2" });
    await expect(c1.host).toReach("[2001:db8:88::3]:80", { answer: "c2 2001:db8:88::2" });
    await expect(c1.host).toReach("192.0.2.2:80", { answer: "peer 192.0.2.1" });
    await c1.sandbox.delete();
    await c2.sandbox.delete();
    expect(await leases(world)).toEqual([]);
    expect(await rulesOf(machine)).not.toContain("n1-cni");
  });

  test("publishes ports through its portmap, changes them live, and closes them", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(cni("n1", [bridge(world), portmap]));
    const ports = (...portBindings: ReturnType<typeof binding>[]) => ({ portBindings });
    await using c1 = await run(world, "c1", { spec: ports(binding(8080), binding(undefined, 81)) });
    await using _80 = await c1.host.listen("0.0.0.0", 80);
    const published = c1.sandbox.endpoints()[0]?.published ?? [];
    expect(published).toMatchObject([{ hostPort: 8080 }, { containerPort: 81 }]);
    await expect(peer).toReach("192.0.2.1:8080", { answer: "c1 192.0.2.2" });
    await expect(machine).toReach("127.0.0.1:8080");
    await expect(run(world, "c2", { spec: ports(binding(8080)) })).rejects.toThrow(
      "port is already allocated",
    );
    const { containerId: _, ...rest } = c1.sandbox.spec;
    await c1.sandbox.setPorts({ ...rest, ...ports(binding(8081)) });
    await expect(peer).toReach("192.0.2.1:8081");
    await expect(peer).not.toReach("192.0.2.1:8080");
    await c1.sandbox.delete();
    expect(await rulesOf(machine)).not.toContain("10.88.0.");
    expect(await leases(world)).toEqual([]);
    await using c3 = await run(world, "c3", { spec: ports(binding(8081)) });
    await using _c3 = await c3.host.listen("0.0.0.0", 80);
    await expect(peer).toReach("192.0.2.1:8081", { answer: "c3 192.0.2.2" });
  });

  test("whose chain publishes no ports refuses them by name, and leaves nothing", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(cni("n1", [bridge(world)]));
    await expect(run(world, "c1", { spec: { portBindings: [binding(8080)] } })).rejects.toThrow(
      "CNI network n1-cni publishes no ports: its chain (bridge) has no plugin with the capability portMappings",
    );
    expect(await leases(world)).toEqual([]);
  });

  test("comes and goes while a container runs, beside a bridge", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(networkSpec("x1"));
    await world.controller.createNetwork(cni("n1", [bridge(world), portmap]));
    const spec = { portBindings: [binding(8080)] };
    await using c1 = await run(world, "c1", { network: "x1", spec });
    await using c2 = await run(world, "c2");
    await using _c2 = await c2.host.listen("0.0.0.0", 80);
    await using _c1 = await c1.host.listen("0.0.0.0", 80);
    const [before] = await defaultRoutes(c1);
    for (let round = 0; round < 2; round++) {
      // by its name it is the way out, and the ports move along
      const { ipv4, interfaceName } = await c1.sandbox.connect(endpointSpec("n1"));
      expect(interfaceName).toBe("eth1");
      await expect(c1.host).toReach(`${c2.ipv4}:80`, { answer: `c2 ${ipv4 && formatAddress(ipv4.address)}` });
      expect(await defaultRoutes(c1)).toMatchObject([{ gateway: address("10.88.0.1") }]);
      await expect(peer).toReach("192.0.2.1:8080", { answer: "c1 192.0.2.2" });
      await c1.sandbox.disconnect("n1");
      expect(await c1.host.netlink.link("eth1")).toBeUndefined();
      expect(await defaultRoutes(c1)).toMatchObject([{ gateway: before?.gateway }]);
      await expect(peer).toReach("192.0.2.1:8080", { answer: "c1 192.0.2.2" });
      expect(await leases(world)).toHaveLength(1);
    }
  });

  test("gives an address and a MAC that a user names, or says why it does not", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const able = { capabilities: { mac: true, ips: true } };
    await world.controller.createNetwork(cni("n1", [bridge(world, able)]));
    const wish = { ipv4: address("10.88.0.77"), mac: mac("02:00:00:00:00:77") };
    await using c1 = await run(world, "c1", { endpoint: wish });
    expect(c1.ipv4).toBe("10.88.0.77");
    expect(await c1.host.netlink.link("eth0")).toMatchObject({ mac: "02:00:00:00:00:77" });
    await expect(run(world, "c2", { endpoint: wish })).rejects.toThrow(
      /CNI plugin bridge: ADD: .*10\.88\.0\.77/,
    );
    expect(await leases(world)).toEqual(["10.88.0.77"]);
  });
});

describe.skipIf(lacksPlugins)("the plugin", () => {
  test("ptp routes a container alone, over IPv4 and IPv6", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await machine.remember();
    {
      await using world = await createWorld(machine);
      const ipam = hostLocal(world, "10.77.0.0/24", "2001:db8:77::/64");
      await world.controller.createNetwork(cni("n1", [{ type: "ptp", ipMasq: true, ipam }]));
      await using c1 = await run(world, "c1");
      await using _c1v4 = await c1.host.listen("0.0.0.0", 80);
      await using _c1v6 = await c1.host.listen("::", 80);
      await using _peer = await peer.listen("0.0.0.0", 80);
      await expect(c1.host).toReach("192.0.2.2:80", { answer: "peer 192.0.2.1" });
      await expect(machine).toReach(`${c1.ipv4}:80`);
      await expect(machine).toReach(`[${c1.ipv6}]:80`);
    }
    await machine.expectUnchanged();
  });

  test("macvlan puts a container on the LAN", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const ipam = { ...hostLocal(world, "192.0.2.0/24"), routes: [] };
    const ranges = [[{ subnet: "192.0.2.0/24", rangeStart: "192.0.2.128" }]];
    await world.controller.createNetwork(
      cni("n1", [{ type: "macvlan", master: "eth0", ipam: { ...ipam, ranges } }]),
    );
    await using c1 = await run(world, "c1");
    await using _c1 = await c1.host.listen("0.0.0.0", 80);
    await expect(peer).toReach("192.0.2.128:80", { answer: "c1 192.0.2.2" });
    expect(await defaultRoutes(c1)).toEqual([]);
    await c1.sandbox.delete();
    expect(await leases(world)).toEqual([]);
  });

  test("firewall lets a chain's containers through a host that drops what it forwards", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    await machine.run("iptables", "-P", "FORWARD", "DROP");
    await using world = await createWorld(machine);
    await world.controller.createNetwork(
      cni("n1", [bridge(world), { type: "firewall" }], { cniVersion: "0.4.0" }),
    );
    await using c1 = await run(world, "c1");
    await using _peer = await peer.listen("0.0.0.0", 80);
    await expect(c1.host).toReach("192.0.2.2:80");
    await c1.sandbox.delete();
    expect(await rulesOf(machine)).not.toContain("10.88.0.");
  });

  test("tuning sets sysctls and a MAC of the user's, by its capability", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const tuning = {
      type: "tuning",
      capabilities: { mac: true },
      dataDir: `${world.folder}/tuning`,
      sysctl: { "net.ipv4.conf.eth0.log_martians": "1" },
      mtu: 1400,
    };
    await world.controller.createNetwork(cni("n1", [bridge(world), tuning]));
    await using c1 = await run(world, "c1", { endpoint: { mac: mac("02:00:00:00:00:42") } });
    expect(await c1.host.netlink.link("eth0")).toMatchObject({ mac: "02:00:00:00:00:42", mtu: 1400 });
    expect(await c1.host.run("sysctl", "-n", "net.ipv4.conf.eth0.log_martians")).toBe("1\n");
    expect(c1.sandbox.endpoints()).toMatchObject([{ mac: "02:00:00:00:00:42" }]);
  });

  test.skipIf(lacksIfb)(
    "bandwidth shapes what leaves and what arrives, and takes its devices back",
    async () => {
      await using lab = await Lab.create();
      const { machine } = await machineAndPeer(lab);
      await using world = await createWorld(machine);
      const bandwidth = {
        type: "bandwidth",
        ingressRate: 8_000_000,
        ingressBurst: 8_000_000,
        egressRate: 8_000_000,
        egressBurst: 8_000_000,
      };
      await world.controller.createNetwork(cni("n1", [bridge(world), bandwidth]));
      await using c1 = await run(world, "c1");
      expect(await machine.run("tc", "qdisc", "show")).toContain("qdisc tbf");
      await c1.sandbox.delete();
      await expect
        .poll(async () => (await machine.netlink.links()).map(({ kind }) => kind))
        .not.toContain("ifb");
    },
  );

  test("loopback alone gives a sandbox no link", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(cni("n1", [{ type: "loopback" }]));
    await using c1 = await run(world, "c1");
    expect((await c1.host.netlink.links()).map(({ name }) => name)).toEqual(["lo"]);
    expect(c1.ipv4).toBe("");
    await c1.sandbox.delete();
  });
});

describe.skipIf(lacksPlugins)("a network's options", () => {
  const inline = (options: Record<string, string>) => networkSpec("n1", { driver: "cni", options });

  test("may be the keys of one plugin", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    await world.controller.createNetwork(
      inline({
        "tsdocker.cni.type": "bridge",
        "tsdocker.cni.bridge": "cni7",
        "tsdocker.cni.mtu": "1400",
        "tsdocker.cni.ipam.type": "host-local",
        "tsdocker.cni.ipam.dataDir": `${world.folder}/ipam`,
        "tsdocker.cni.ipam.subnet": "10.88.7.0/24",
        "tsdocker.routes": "10.9.0.0/16 via 10.88.7.9",
      }),
    );
    await using c1 = await run(world, "c1");
    expect(c1.ipv4).toBe("10.88.7.2");
    expect(await c1.host.netlink.link("eth0")).toMatchObject({ mtu: 1400 });
    expect(await machine.netlink.link("cni7")).toMatchObject({ kind: "bridge" });
    const routes = (await c1.host.netlink.routes({ family: 4 })).map(
      ({ destination }) => destination && formatPrefix(destination),
    );
    expect(routes).toEqual(expect.arrayContaining(["10.9.0.0/16", "10.88.7.0/24"]));
  });

  test("are refused when they name a plugin that is not there, with those that are", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    await using world = await createWorld(machine);
    const { controller } = world;
    await expect(controller.createNetwork(inline({ "tsdocker.cni.type": "foo" }))).rejects.toThrow(
      /CNI plugin foo not found in \S*\/usr\/lib\/cni\S*; there are: .*bridge, .*ptp/,
    );
    const noIpam = inline({ "tsdocker.cni.type": "bridge", "tsdocker.cni.ipam.type": "guess" });
    await expect(controller.createNetwork(noIpam)).rejects.toThrow("CNI plugin guess not found");
    await expect(
      controller.createNetwork(cni("n1", [{ type: "firewall" }], { cniVersion: "0.3.1" })),
    ).rejects.toThrow("CNI plugin firewall speaks 0.4.0, 1.0.0, not 0.3.1");
    expect(controller.networks().map(({ name }) => name)).not.toContain("n1");
  });
});

describe.skipIf(lacksPlugins)("after a daemon's death", () => {
  const warned = () => {
    const lines: string[] = [];
    const note = (what: unknown, text?: string) => void lines.push(`${text} ${JSON.stringify(what)}`);
    const log: Log = { ...silentLog, warn: note, error: note, child: () => log };
    return { log, lines };
  };

  test("containers that live on are found as they are, and what was flushed is made again", async () => {
    await using lab = await Lab.create();
    const { machine, peer } = await machineAndPeer(lab);
    const first = await createWorld(machine);
    await first.controller.createNetwork(cni("n1", [bridge(first), portmap, { type: "firewall" }]));
    await using c1 = await run(first, "c1", { spec: { portBindings: [binding(8080)] } });
    await using _c1 = await c1.host.listen("0.0.0.0", 80);
    const before = c1.sandbox.endpoints();
    const live = new Set([c1.sandbox.containerId]);
    await first.crash();
    const { log, lines } = warned();
    const second = await createWorld(machine, { folder: first.folder, live, log });
    expect(lines).toEqual([]);
    expect(second.controller.sandbox(c1.sandbox.containerId)?.endpoints()).toEqual(before);
    await expect(peer).toReach("192.0.2.1:8080", { answer: "c1 192.0.2.2" });
    await second.crash();
    await machine.run("iptables", "-t", "nat", "-F");
    await expect(peer).not.toReach("192.0.2.1:8080");
    await using third = await createWorld(machine, { folder: first.folder, live });
    await expect(peer).toReach("192.0.2.1:8080", { answer: "c1 192.0.2.2" });
    await third.controller.sandbox(c1.sandbox.containerId)?.delete();
    expect(await leases(third)).toEqual([]);
  });

  test("what belonged to containers that ended with it is taken back by their plugins", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    const first = await createWorld(machine);
    await first.controller.createNetwork(cni("n1", [bridge(first), portmap]));
    await using c1 = await run(first, "c1", { spec: { portBindings: [binding(8080)] } });
    expect(await rulesOf(machine)).toContain("n1-cni");
    await first.crash();
    await using second = await createWorld(machine, { folder: first.folder });
    expect(await leases(second)).toEqual([]);
    expect(await rulesOf(machine)).not.toContain("n1-cni");
    expect(second.controller.sandbox(c1.sandbox.containerId)).toBeUndefined();
    await second.controller.deleteNetwork("n1");
  });

  test("a link that vanished is made anew, with the address that it gets then", async () => {
    await using lab = await Lab.create();
    const { machine } = await machineAndPeer(lab);
    const first = await createWorld(machine);
    await first.controller.createNetwork(cni("n1", [bridge(first)]));
    await using c1 = await run(first, "c1");
    await first.crash();
    const link = await c1.host.netlink.link("eth0");
    await c1.host.netlink.send(deleteLink(link?.index ?? 0));
    const live = new Set([c1.sandbox.containerId]);
    await using second = await createWorld(machine, { folder: first.folder, live });
    const [own] = second.controller.sandbox(c1.sandbox.containerId)?.endpoints() ?? [];
    const shown = own?.ipv4 && formatPrefix(own.ipv4);
    expect(await c1.host.run("ip", "-4", "-o", "address", "show", "eth0")).toContain(`inet ${shown} `);
    await expect(machine).not.toReach(`${c1.ipv4}:80`);
    expect(await defaultRoutes(c1)).toMatchObject([{ gateway: address("10.88.0.1") }]);
    expect(await leases(second)).toHaveLength(1);
  });
});
