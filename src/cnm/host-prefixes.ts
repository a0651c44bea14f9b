// What a pool that the daemon chooses must stay clear of: networks the host is on, and its name servers.

import { parseResolvConf } from "../dns/index.ts";
import type { Netlink } from "../kernel/index.ts";
import { hostPrefix, type Prefix } from "../netip/index.ts";
import type { HostFiles } from "./etc-files.ts";

/** The host's routes without a gateway, as Docker's, and the name servers of its resolv.conf. */
export async function hostPrefixes(hostNetlink: Netlink, { resolvConf }: HostFiles): Promise<Prefix[]> {
  const routes = await hostNetlink.routes({ family: 4 });
  const onLink = routes.flatMap(({ destination, gateway }) => (destination && !gateway ? [destination] : []));
  return [...onLink, ...parseResolvConf(resolvConf).nameservers.map(hostPrefix)];
}
