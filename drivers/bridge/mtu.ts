// The MTU of a network's links: what its option says, else what the host's uplink carries.

import type { Host } from "../../src/driverapi/index.ts";
import { largestMtu } from "../../src/driverkit/index.ts";
import { type BridgeConfig, leastIpv6Mtu } from "./options.ts";

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
  bridge: { readonly isOurs: boolean; readonly mtu: number },
): number | undefined {
  return bridge.isOurs ? wantedMtu(host, config) : (config.mtu ?? bridge.mtu);
}

/** The kernel has no IPv6 on a link that is too narrow for it, not even a setting to turn it off. */
export function isTooNarrowForIpv6(mtu: number | undefined): boolean {
  return mtu !== undefined && mtu < leastIpv6Mtu;
}
