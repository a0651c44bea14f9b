// Ways in which bridges and ports go: with their network, or at a start because nobody knows them any more.

import type { Host, NetworkDriver } from "../../src/driverapi/index.ts";
import { releaseAdopted } from "./adopted.ts";
import type { BridgeLink } from "./bridge-link.ts";
import type { LinkRemoval } from "./link-removal.ts";
import { deletedMark, markedId } from "./mark.ts";

/**
 * Takes addresses and routes off a bridge, so that its subnet is free when this resolves; the device follows. May be
 * repeated, also when it failed half-way.
 */
export async function emptyBridge(
  host: Host,
  removal: LinkRemoval,
  { name, index }: BridgeLink,
): Promise<void> {
  const { deleteAddress, setLink, unless } = host.link;
  const gone = ["ENODEV", "EADDRNOTAVAIL"];
  // somebody may have deleted it before us
  const addresses = (await unless(["ENODEV"], host.netlink.addresses({ link: index }))) ?? [];
  const requests = addresses.map(({ prefix }) => deleteAddress({ link: index, prefix }));
  await unless(gone, host.netlink.send(...requests, setLink(index, { alias: deletedMark, up: false })));
  removal.remove(name, { lazy: true, isBridge: true }).catch((error: unknown) => {
    host.log.warn({ link: name, reason: String(error) }, "cannot delete bridge");
  });
}

/** Removes links that wear our mark, and gives bridges back, where nobody knows the id. */
export async function sweepLinks(
  host: Host,
  removal: LinkRemoval,
  { networkIds, endpointIds }: Parameters<NonNullable<NetworkDriver["sweep"]>>[0],
): Promise<void> {
  const known = new Set([...networkIds, ...endpointIds]);
  const orphans = (await host.netlink.links()).filter(({ alias }) => {
    const id = markedId(alias);
    return id !== undefined && !known.has(id);
  });
  for (const { name, alias } of orphans)
    host.log.info({ link: name, alias }, "removing a link that was left behind");
  await Promise.all(orphans.map(({ name }) => removal.remove(name)));
  const adopters = [...host.records.entries()].map(([id]) => id).filter((id) => !networkIds.has(id));
  for (const id of adopters) await releaseAdopted(host, id);
}
