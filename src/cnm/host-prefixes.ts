// What a pool that the daemon chooses must stay clear of: all that the host routes, and its name servers.

import { parseResolvConf } from "../dns/index.ts";
import { hostPrefix, type Prefix } from "../netip/index.ts";
import type { HostFiles } from "./etc-files.ts";
import type { HostRoutes } from "./host-routes.ts";

/** Prefixes that are not to be chosen. */
export interface HostPrefixes {
  /** The networks that the host is on, and its name servers: never. */
  readonly near: readonly Prefix[];
  /** What it reaches by gateways: as long as there is anything else. A VPN may claim every private address. */
  readonly far: readonly Prefix[];
}

export async function hostPrefixes(routes: HostRoutes, { resolvConf }: HostFiles): Promise<HostPrefixes> {
  const known = await routes.routes();
  const destinations = (isOnLink: boolean) =>
    known.filter((route) => route.isOnLink === isOnLink).map(({ destination }) => destination);
  const servers = parseResolvConf(resolvConf).nameservers.map(hostPrefix);
  return { near: [...destinations(true), ...servers], far: destinations(false) };
}
