// What a network has in the kernel and in the firewall while it stands: its bridge, the rule for it, a port and a guard
// for each endpoint. Somebody may have deleted the bridge meanwhile: then it is made again, with the ports that it had.

import type { Host, JoinRequest } from "../../src/driverapi/index.ts";
import { allDone } from "../../src/util/all-done.ts";
import { conflict } from "../../src/util/errors.ts";
import { type BridgeLink, makeBridge, portGroup } from "./bridge-link.ts";
import type { BridgeEndpoint, BridgeNetwork } from "./bridge-networks.ts";
import { makePort, type PortSpec } from "./endpoint-link.ts";
import { bridgeRule, guardRule } from "./rules.ts";

/** Makes the bridge, or takes the one that is there, and its rule. */
export async function makeStanding(host: Host, network: BridgeNetwork): Promise<void> {
  network.link = await makeBridge(host, network.config);
  await host.firewall.set(network.config.networkId, [bridgeRule(network.config, network.link)]);
}

/** Whose rule an endpoint's guard is: its ports' rules come and go without it. */
export function guardOwner(endpointId: string): string {
  return `guard ${endpointId}`;
}

/** Tells the firewall who the container behind a port is. */
export async function guardPort(
  host: Pick<Host, "firewall">,
  { config, link }: BridgeNetwork,
  {
    endpointId,
    endpoint,
  }: {
    endpointId: string;
    endpoint: Pick<BridgeEndpoint, "port" | "interface" | "linkLocal">;
  },
): Promise<void> {
  const rule = link && guardRule(config, link, endpoint);
  if (rule) await host.firewall.set(guardOwner(endpointId), [rule]);
}

/** An endpoint's port; answers the index of its other end in the sandbox. */
export async function makePortOn(
  host: Host,
  network: BridgeNetwork,
  { request, spec }: { readonly request: JoinRequest; readonly spec: Omit<PortSpec, "bridge" | "config"> },
): Promise<number> {
  const { config, link: before } = network;
  const make = (bridge: BridgeLink) => makePort(host, request, { ...spec, config, bridge });
  if (!before) throw conflict(`network ${config.networkName} is not ready`);
  try {
    return await make(before);
  } catch (error) {
    const isThere = (await host.netlink.link(before.name))?.index === before.index;
    if (isThere) throw error;
    host.log.warn({ link: before.name }, "a bridge was removed by somebody else: making it again");
    await makeStanding(host, network);
    await reattach(host, network);
    return await make(network.link ?? before);
  }
}

async function reattach(host: Host, network: BridgeNetwork): Promise<void> {
  const { link, endpoints } = network;
  const { setLink, unless } = host.link;
  if (!link) return;
  const joined = [...endpoints.values()].filter((endpoint) => endpoint.joined);
  const change = { master: link.index, group: portGroup(link), up: true };
  const requests = joined.map(({ port }) => setLink(port, change));
  // the port of a container that ends at this moment
  if (requests.length > 0) await unless(["ENODEV"], host.netlink.send(...requests));
  await allDone(
    [...endpoints].map(([endpointId, endpoint]) => guardPort(host, network, { endpointId, endpoint })),
  );
}
