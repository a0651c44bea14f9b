// What the cluster is told of this host, and with what this host asks.

import { hostname, networkInterfaces } from "node:os";
import { parseEndpoints } from "../../cluster/etcd/index.ts";
import { resolveAdvertise } from "../../cluster/join/advertise.ts";
import type { HostMembership } from "../../cluster/join/host-membership.ts";
import { memberName } from "../../cluster/trust/index.ts";
import * as kernel from "../../kernel/index.ts";
import { formatAddress } from "../../netip/index.ts";
import type { StoreAccess } from "./part.ts";

/** The hostname, as far as it is made of what names are. */
export function nodeName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9_.-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 63);
  return name || "host";
}

/** Where the members that the daemons run are; undefined: this host is in no such cluster, or has lost its keys. */
export function storeAccess(host: HostMembership): StoreAccess | undefined {
  const { connection } = host;
  if (!connection) return undefined;
  const { authority: ca, certificate: cert, key } = connection.credentials;
  return {
    endpoints: parseEndpoints(connection.endpoints.join(",")),
    tls: { ca, cert, key, serverName: memberName },
  };
}

/** Bridges of container engines: their addresses are of this host alone. */
const bridges = /^(docker0|docker_gwbridge|br-[0-9a-f]{12})$/;

/**
 * The host's address if it has one only, networks of containers aside.
 * @throws invalid when it has several, or none
 */
export async function onlyUplink(): Promise<string> {
  const netlink = await kernel.openNetlink();
  try {
    const links = await netlink.links();
    const isUplink = ({ name, alias }: kernel.Link) => !alias?.startsWith("tsdocker") && !bridges.test(name);
    const names = new Set(links.filter(isUplink).map(({ name }) => name));
    const interfaces = Object.entries(networkInterfaces()).filter(([name]) => names.has(name));
    return formatAddress(resolveAdvertise(undefined, Object.fromEntries(interfaces)).address);
  } finally {
    await netlink.close();
  }
}
