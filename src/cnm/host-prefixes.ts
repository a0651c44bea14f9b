// What a pool that the daemon chooses must stay clear of: networks the host is on, and its name servers.

import { readFile } from "node:fs/promises";
import { parseResolvConf } from "../dns/index.ts";
import type { Netlink } from "../kernel/index.ts";
import { hostPrefix, type Prefix } from "../netip/index.ts";

/** The host's routes without a gateway, as Docker's, and the name servers of its resolv.conf. */
export async function hostPrefixes(hostNetlink: Netlink, resolvConfPath: string): Promise<Prefix[]> {
  const [routes, text] = await Promise.all([
    hostNetlink.routes({ family: 4 }),
    readFile(resolvConfPath, "utf8").catch(() => ""),
  ]);
  const onLink = routes.flatMap(({ destination, gateway }) => (destination && !gateway ? [destination] : []));
  return [...onLink, ...parseResolvConf(text).nameservers.map(hostPrefix)];
}
