// The lab of the packet suite:
//
//   peer 192.0.2.2 ──┐                     ┌── br1 172.20.1.0/24 ── c1 .2, c2 .3
//                    ├─ eth0 .1   host ────┼── br2 172.20.2.0/24 ── c3 .2
//   attacker ────────── eth1 198.51.100.1  └── br9 172.20.9.0/24 ── guest .2   (somebody else's bridge)
//
// Peers and the attacker route everything through the host, as a neighbour who tampers with his routes can.

import { writeSysctl } from "../../../src/kernel/index.ts";
import { type Host, Lab } from "./lab.ts";

/** MACs of the containers and of the host on their bridges. */
export const macs = {
  br1: "02:00:00:00:01:01",
  br2: "02:00:00:00:02:01",
  br9: "02:00:00:00:09:01",
  c1: "02:00:00:00:01:02",
  c2: "02:00:00:00:01:03",
  c3: "02:00:00:00:02:02",
  guest: "02:00:00:00:09:02",
} as const;

export interface Town extends AsyncDisposable {
  readonly host: Host;
  readonly peer: Host;
  readonly attacker: Host;
  readonly c1: Host;
  readonly c2: Host;
  readonly c3: Host;
  readonly guest: Host;
}

export interface TownOptions {
  /** Whether br_netfilter hands bridged packets to the rules for forwarded ones. */
  readonly bridgeNetfilter: boolean;
  /** Containers have addresses of this family alone. */
  readonly only?: 4 | 6;
}

export async function buildTown(options: TownOptions): Promise<Town> {
  const lab = new Lab();
  try {
    const names = ["host", "peer", "attacker", "c1", "c2", "c3", "guest"] as const;
    const hosts = await Promise.all(names.map((name) => lab.host(name)));
    const town = Object.fromEntries(hosts.map((host) => [host.name, host])) as Record<
      (typeof names)[number],
      Host
    >;
    await wire(town, options);
    await Promise.all(hosts.map((host) => host.serve(80, 81, 8080)));
    return { ...town, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether bridged packets pass the rules for forwarded ones. */
export async function setBridgeNetfilter(host: Host, isOn: boolean): Promise<void> {
  const value = isOn ? "1" : "0";
  await writeSysctl("net.bridge.bridge-nf-call-iptables", value, host.netns);
  await writeSysctl("net.bridge.bridge-nf-call-ip6tables", value, host.netns);
}

async function wire(
  town: Omit<Town, typeof Symbol.asyncDispose>,
  { bridgeNetfilter, only }: TownOptions,
): Promise<void> {
  const { host, peer, attacker } = town;
  await host.run(`
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.route_localnet=1`);
  await setBridgeNetfilter(host, bridgeNetfilter);
  await Promise.all([
    uplink(host, "eth0", peer, "192.0.2", "2001:db8:a"),
    uplink(host, "eth1", attacker, "198.51.100", "2001:db8:b"),
  ]);
  await bridge(host, 1, [town.c1, town.c2]);
  // br_netfilter translates below the bridge: to lead a container back to itself a packet must leave by its own port
  if (bridgeNetfilter)
    await host.run("bridge link set dev p1-0 hairpin on; bridge link set dev p1-1 hairpin on");
  await bridge(host, 2, [town.c3]);
  await bridge(host, 9, [town.guest]);
  if (!only) return;
  const other = only === 4 ? 6 : 4;
  for (const container of [town.c1, town.c2, town.c3])
    await container.run(`ip -${other} addr flush dev eth0 scope global`);
  await host.run(`for link in br1 br2; do ip -${other} addr flush dev $link scope global; done`);
}

async function uplink(host: Host, link: string, peer: Host, net4: string, net6: string): Promise<void> {
  await host.connect(link, peer, "eth0");
  await host.run(`ip addr add ${net4}.1/24 dev ${link}; ip addr add ${net6}::1/64 dev ${link} nodad`);
  await peer.run(`
    ip addr add ${net4}.2/24 dev eth0; ip addr add ${net6}::2/64 dev eth0 nodad
    ip route add default via ${net4}.1; ip -6 route add default via ${net6}::1`);
}

async function bridge(host: Host, number: number, containers: readonly Host[]): Promise<void> {
  await host.run(`
    ip link add br${number} address 02:00:00:00:0${number}:01 type bridge; ip link set br${number} up
    ip addr add 172.20.${number}.1/24 dev br${number}; ip addr add fd00:${number}::1/64 dev br${number} nodad`);
  for (const [at, container] of containers.entries()) {
    const link = `p${number}-${at}`;
    await host.connect(link, container, "eth0");
    // the guest's bridge is somebody else's: its ports are in no group of ours
    const group = number === 9 ? 0 : 0x7465_0000 + number;
    await host.run(`ip link set ${link} master br${number} group ${group}`);
    await container.run(`
      ip link set eth0 address 02:00:00:00:0${number}:0${at + 2}
      ip addr add 172.20.${number}.${at + 2}/24 dev eth0; ip addr add fd00:${number}::${at + 2}/64 dev eth0 nodad
      ip route add default via 172.20.${number}.1; ip -6 route add default via fd00:${number}::1`);
  }
}
