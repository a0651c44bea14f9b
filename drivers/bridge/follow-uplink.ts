// Networks whose options say nothing of an MTU follow the host's uplink when it changes.

import type { Host } from "../../src/driverapi/index.ts";
import { type BridgeLink, writeSysctls } from "./bridge-link.ts";
import { isTooNarrowForIpv6, wantedMtu } from "./mtu.ts";
import type { BridgeConfig } from "./options.ts";

/** A network as far as its MTU goes. */
export interface Sized {
  readonly config: BridgeConfig;
  /** Undefined while it is made. */
  readonly link?: BridgeLink;
}

interface Follower {
  readonly network: Sized;
  readonly link: BridgeLink;
  readonly mtu: number;
}

/** Brings bridges and ports in line with the uplink; answers the networks where something was not. */
export async function followUplink(
  host: Pick<Host, "netlink" | "link" | "settings" | "sysctl">,
  networks: Iterable<Sized>,
): Promise<{ networkId: string; mtu: number }[]> {
  const { setLink, unless } = host.link;
  const links = await host.netlink.links();
  const byBridge = new Map(followersOf(host, networks).map((follower) => [follower.link.index, follower]));
  const changed = new Set<Follower>();
  const requests = links.flatMap((link) => {
    const follower = byBridge.get(link.master ?? link.index) ?? byBridge.get(link.index);
    if (!follower || link.mtu === follower.mtu) return [];
    changed.add(follower);
    return [setLink(link.index, { mtu: follower.mtu })];
  });
  // a link that went meanwhile needs nothing
  if (requests.length > 0) await unless(["ENODEV"], host.netlink.send(...requests));
  // one that was too narrow for IPv6 gets it with the kernel's settings, not with ours
  for (const { network, link, mtu } of changed)
    if (!isTooNarrowForIpv6(mtu)) await unless(["ENOENT"], writeSysctls(host, network.config, link));
  return [...changed].map(({ network, mtu }) => ({ networkId: network.config.networkId, mtu }));
}

function followersOf(host: Pick<Host, "settings">, networks: Iterable<Sized>): Follower[] {
  return [...networks].flatMap((network) => {
    const { config, link } = network;
    const mtu = config.mtu === undefined && link?.isOurs ? wantedMtu(host, config) : undefined;
    return mtu === undefined || !link ? [] : [{ network, link, mtu }];
  });
}
