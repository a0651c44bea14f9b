// A machine on a LAN with a neighbour, macvlan networks on its link, and containers on those.

import type { EndpointSpec, NetworkSpec, Sandbox, SandboxSpec } from "../../../src/cnm/index.ts";
import { formatAddress, type Mac, parseMac } from "../../../src/netip/index.ts";
import { inside } from "../cnm/inside.ts";
import { endpointSpec, networkSpec, pool, sandboxSpec } from "../cnm/specs.ts";
import type { World } from "../cnm/world.ts";
import type { Lab, LabHost } from "../lab.ts";
import "../matchers.ts";

/** A machine on a LAN with a neighbour. */
export async function machineAndPeer(lab: Lab) {
  const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const [machine, peer] = [await lan.host("machine"), await lan.host("peer")];
  await machine.remember();
  return { lan, machine, peer };
}

export const pool4 = (gateway?: string) =>
  pool("192.0.2.0/24", { range: "192.0.2.128/25", ...(gateway && { gateway }) });
export const pool6 = (gateway?: string) =>
  pool("2001:db8:2::/64", { range: "2001:db8:2::100/120", ...(gateway && { gateway }) });

export function macvlan(name: string, options: Record<string, string> = {}, part: Partial<NetworkSpec> = {}) {
  return networkSpec(name, {
    driver: "macvlan",
    options: { parent: "eth0", ...options },
    ipam: { driver: "", pools: [pool4()] },
    ...part,
  });
}

export const dualStack = { enableIpv6: true, ipam: { driver: "", pools: [pool4(), pool6()] } } as const;

export function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (!parsed) throw new TypeError(`not a MAC: ${text}`);
  return parsed;
}

export interface Container extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly host: LabHost;
  readonly ipv4: string;
  readonly ipv6: string;
}

export async function run(
  world: World,
  name: string,
  {
    network = "m1",
    endpoint,
    spec,
  }: { network?: string; endpoint?: Partial<EndpointSpec>; spec?: Partial<SandboxSpec> } = {},
): Promise<Container> {
  const sandbox = await world.controller.createSandbox(
    sandboxSpec(name, { ...spec, endpoints: [endpointSpec(network, endpoint)] }),
  );
  const host = await inside(name, sandbox.netnsPath);
  const [own] = sandbox.endpoints();
  return {
    sandbox,
    host,
    ipv4: own?.ipv4 ? formatAddress(own.ipv4.address) : "",
    ipv6: own?.ipv6 ? formatAddress(own.ipv6.address) : "",
    [Symbol.asyncDispose]: () => host.close(),
  };
}

export const defaultRoutes = async ({ host }: Container) =>
  (await host.netlink.routes()).filter(({ destination, type }) => !destination && type === "unicast");
