// The MTU of a network's links: what its option says, else what the host's uplink carries, now and when that changes.

import type { Host } from "../../src/driverapi/index.ts";
import type { BridgeLink } from "./bridge-link.ts";
import { type BridgeConfig, largestMtu, leastIpv6Mtu } from "./options.ts";

/** A network as far as its MTU goes. */
export interface Sized {
  readonly config: BridgeConfig;
  /** Undefined while it is made. */
  readonly link?: BridgeLink;
}

/**
 * For the bridge of a network and its ports; undefined: the kernel's default. An uplink too narrow for IPv6 carries none,
 * and must not keep containers from having it among themselves.
 */
export function wantedMtu(host: Pick<Host, "settings">, { mtu, ipv6 }: BridgeConfig): number | undefined {
  const { uplinkMtu } = host.settings;
  if (mtu !== undefined || uplinkMtu === undefined) return mtu;
  return Math.min(Math.max(uplinkMtu, ipv6.length > 0 ? leastIpv6Mtu : 0), largestMtu);
}

/** Of a veth pair: somebody else's bridge has an MTU of its own, and a port should have the same. */
export function portMtu(
  host: Pick<Host, "settings">,
  config: BridgeConfig,
  link: BridgeLink,
): number | undefined {
  return link.isOurs ? wantedMtu(host, config) : (config.mtu ?? link.mtu);
}

/** Brings bridges and ports in line with the uplink; answers the networks where something was not. */
export async function followUplink(
  host: Pick<Host, "netlink" | "link" | "settings">,
  networks: Iterable<Sized>,
): Promise<{ networkId: string; mtu: number }[]> {
  const { setLink, unless } = host.link;
  const links = await host.netlink.links();
  const followers = [...networks].flatMap(({ config, link }) => {
    const mtu = config.mtu === undefined && link?.isOurs ? wantedMtu(host, config) : undefined;
    return mtu === undefined || !link ? [] : [[link.index, { networkId: config.networkId, mtu }] as const];
  });
  const byBridge = new Map(followers);
  const changed = new Set<{ networkId: string; mtu: number }>();
  const requests = links.flatMap((link) => {
    const follower = byBridge.get(link.master ?? link.index) ?? byBridge.get(link.index);
    if (!follower || link.mtu === follower.mtu) return [];
    changed.add(follower);
    return [setLink(link.index, { mtu: follower.mtu })];
  });
  // a link that went meanwhile needs nothing
  if (requests.length > 0) await unless(["ENODEV"], host.netlink.send(...requests));
  return [...changed];
}
