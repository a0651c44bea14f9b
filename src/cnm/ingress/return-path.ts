// How a container on this host answers a client whose connection came by the ingress with its own address: what it sends
// from its address on the network to anybody whom it does not reach directly goes back the same way, and not out by
// docker_gwbridge, where nobody would know it.

import {
  addRoute,
  addRule,
  deleteRoute,
  deleteRule,
  openNetlink,
  type Request,
  routeTable,
  unless,
} from "../../kernel/index.ts";
import { type Address, type Family, formatAddress } from "../../netip/index.ts";

/** Of one endpoint. */
export interface ReturnPath {
  /** Path of its sandbox's netns. */
  readonly netns: string;
  /** Its link there. */
  readonly link: string;
  /** Its own, and the ingress's beside it. */
  readonly hops: readonly { readonly from: Address; readonly via: Address }[];
}

/** Before the way out of the sandbox (`return-routes.ts`): networks that it is on, then this. */
const priority = { main: 31_900, bySource: 31_901 } as const;
/** Tables by index of the link, above those of the way out. */
const firstTable = 3000;

/** A name for each, by which they are compared. */
export function returnPathKey({ netns, link, hops }: ReturnPath): string {
  const text = hops.map(({ from, via }) => `${formatAddress(from)} ${formatAddress(via)}`);
  return [netns, link, ...text].join(" ");
}

/** May be repeated. @throws when the sandbox is gone */
export function addReturnPath(path: ReturnPath): Promise<void> {
  return change(path, "EEXIST", (family, { from, via, link }) => [
    addRule({ family, priority: priority.main, table: routeTable.main, suppressPrefixLength: 0 }),
    addRoute({ family, link, table: firstTable + link, gateway: via }, { replace: true }),
    addRule({ family, priority: priority.bySource, from, table: firstTable + link }),
  ]);
}

/** May be repeated. @throws when the sandbox is gone */
export function deleteReturnPath(path: ReturnPath): Promise<void> {
  return change(path, "ENOENT", (family, { from, link }) => [
    deleteRule({ family, priority: priority.bySource, from, table: firstTable + link }),
    deleteRule({ family, priority: priority.main, table: routeTable.main, suppressPrefixLength: 0 }),
    deleteRoute({ family, table: firstTable + link }),
  ]);
}

type Hop = ReturnPath["hops"][number] & { readonly link: number };

async function change(
  { netns, link: name, hops }: ReturnPath,
  isSo: "EEXIST" | "ENOENT",
  requests: (family: Family, hop: Hop) => readonly Request[],
): Promise<void> {
  await using netlink = await openNetlink(netns);
  const link = (await netlink.link(name))?.index;
  if (link === undefined) return;
  for (const hop of hops)
    for (const request of requests(hop.from.family, { ...hop, link }))
      await unless([isSo, "ESRCH"], netlink.send(request));
}
