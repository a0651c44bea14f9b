// A machine on a LAN with a neighbour, and containers on it: what the tests of networks share.

import type { Controller, EndpointSpec, NetworkSpec, Sandbox, SandboxSpec } from "../../../src/cnm/index.ts";
import { formatPrefix } from "../../../src/netip/index.ts";
import { inside } from "../cnm/inside.ts";
import { endpointSpec, networkSpec, pool, sandboxSpec } from "../cnm/specs.ts";
import { createWorld, type World, type WorldOptions } from "../cnm/world.ts";
import { Lab, type LabHost } from "../lab.ts";

export interface Site extends AsyncDisposable {
  /** Where the daemon is: 192.0.2.1 and 2001:db8:2::1. */
  readonly machine: LabHost;
  /** 192.0.2.2 and 2001:db8:2::2. */
  readonly peer: LabHost;
  readonly lab: Lab;
  /** May be called again after the one before was disposed or crashed. */
  world(options?: WorldOptions): Promise<World>;
}

/** Fails at its end when the machine is not as it was. */
export async function createSite(): Promise<Site> {
  const lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const [machine, peer] = [await lan.host("machine"), await lan.host("peer")];
  await machine.routeVia(peer.addresses);
  await machine.remember();
  return {
    machine,
    peer,
    lab,
    world: (options) => createWorld(machine, { settings: { uplinkMtu: 1500 }, ...options }),
    async [Symbol.asyncDispose]() {
      await using _ = lab;
      await machine.expectUnchanged();
    },
  };
}

/** A container on networks, and a hand in its netns. */
export interface Box extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly here: LabHost;
}

interface Wish extends Partial<Omit<EndpointSpec, "network">> {
  readonly ports?: SandboxSpec["portBindings"];
}

export async function box(
  controller: Controller,
  name: string,
  network: string,
  wish: Wish = {},
): Promise<Box> {
  const { ports = [], ...endpoint } = wish;
  const sandbox = await controller.createSandbox(
    sandboxSpec(name, { endpoints: [endpointSpec(network, endpoint)], portBindings: ports }),
  );
  const here = await inside(name, sandbox.netnsPath);
  return {
    sandbox,
    here,
    async [Symbol.asyncDispose]() {
      await here.close();
      await sandbox.delete();
    },
  };
}

/** What each family is tested with. */
export const families = [
  {
    title: "IPv4-only",
    spec: { ipam: { driver: "", pools: [pool("10.1.0.0/24")] } } satisfies Partial<NetworkSpec>,
    addresses: { first: "10.1.0.2", second: "10.1.0.3", gateway: "10.1.0.1" },
    lan: { machine: "192.0.2.1", peer: "192.0.2.2" },
    any: "0.0.0.0",
  },
  {
    title: "IPv6-only",
    spec: {
      enableIpv4: false,
      enableIpv6: true,
      ipam: { driver: "", pools: [pool("2001:db8:1::/64")] },
    } satisfies Partial<NetworkSpec>,
    addresses: { first: "[2001:db8:1::2]", second: "[2001:db8:1::3]", gateway: "[2001:db8:1::1]" },
    lan: { machine: "[2001:db8:2::1]", peer: "[2001:db8:2::2]" },
    any: "::",
  },
  {
    title: "dual-stack",
    spec: {
      enableIpv6: true,
      ipam: { driver: "", pools: [pool("10.1.0.0/24"), pool("2001:db8:1::/64")] },
    } satisfies Partial<NetworkSpec>,
    addresses: { first: "[2001:db8:1::2]", second: "[2001:db8:1::3]", gateway: "[2001:db8:1::1]" },
    lan: { machine: "[2001:db8:2::1]", peer: "[2001:db8:2::2]" },
    any: "::",
  },
] as const;

export type FamilyCase = (typeof families)[number];

/** A network of one of the families, with options under Docker's prefix `com.docker.network.` unless they have a dot before. */
export function familyNetwork(
  name: string,
  { spec }: FamilyCase,
  part: Partial<NetworkSpec> = {},
): NetworkSpec {
  return networkSpec(name, { ...spec, ...part });
}

/** Docker's options, with the prefix that all of them share left out. */
export function options(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [`com.docker.network.${key}`, value]),
  );
}

/** `10.1.0.1/24` for every address of a link, link-local ones aside. */
export async function addressesOf(host: LabHost, name: string): Promise<string[]> {
  const link = await host.netlink.link(name);
  const found = link ? await host.netlink.addresses({ link: link.index }) : [];
  return found.filter(({ scope }) => scope !== "link").map(({ prefix }) => formatPrefix(prefix));
}

/** MTU of a link; undefined when there is none of that name. */
export async function mtuOf(host: LabHost, name: string): Promise<number | undefined> {
  return (await host.netlink.link(name))?.mtu;
}
