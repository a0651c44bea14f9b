// Where a container's answers go that is on several networks with a way out: by the network whose address they have, not
// by the default route, for there they would be foreign to the bridge, dropped by the host's reverse path filter, or sent
// out with another address. Each such network has a routing table of its own, asked by source address, behind all that
// the main table knows but its default route. Pure: values to requests.

import { addRoute, addRule, deleteRoute, deleteRule, type Request, routeTable } from "../kernel/index.ts";
import { type Address, type Family, formatAddress } from "../netip/index.ts";
import type { Endpoint } from "./endpoint.ts";

/** How packets from an address leave. */
export interface ReturnRoute {
  readonly family: Family;
  readonly from: Address;
  readonly link: number;
  readonly gateway?: Address;
}

/** After what a user of the container may want first, before the main table (32766). */
const priority = { main: 32_000, bySource: 32_001 } as const;
/** Tables by index of the link, above those with names. */
const firstTable = 1000;

/** What these endpoints need; nothing while a family has one way out only. */
export function returnRoutesOf(endpoints: readonly Endpoint[]): ReturnRoute[] {
  return ([4, 6] as const).flatMap((family) => {
    const routes = endpoints.flatMap((endpoint) => returnRoute(endpoint, family));
    return routes.length > 1 ? routes : [];
  });
}

/** A name for each, by which they are compared. */
export function returnRouteKey({ from, link, gateway }: ReturnRoute): string {
  return `${formatAddress(from)} ${link} ${gateway ? formatAddress(gateway) : ""}`;
}

/** Table first, then the rule that leads there. */
export function addReturnRoute({ family, from, link, gateway }: ReturnRoute): Request[] {
  const table = firstTable + link;
  return [
    addRoute({ family, link, table, ...(gateway && { gateway }) }, { replace: true }),
    addRule({ family, priority: priority.bySource, from, table }),
  ];
}

export function deleteReturnRoute({ family, from, link }: ReturnRoute): Request[] {
  const table = firstTable + link;
  return [deleteRule({ family, priority: priority.bySource, from, table }), deleteRoute({ family, table })];
}

/** What the main table knows beside its default route comes first: networks that the container is on. */
export function mainTableFirst(family: Family, isNeeded: boolean): Request {
  const rule = { family, priority: priority.main, table: routeTable.main, suppressPrefixLength: 0 };
  return isNeeded ? addRule(rule) : deleteRule(rule);
}

function returnRoute({ record, hasGateway }: Endpoint, family: Family): ReturnRoute[] {
  const own = family === 4 ? record.interface.address : record.interface.addressIpv6;
  const gateway = family === 4 ? record.gatewayIpv4 : record.gatewayIpv6;
  if (!hasGateway[family] || !own || !record.link) return [];
  return [{ family, from: own.address, link: record.link.index, ...(gateway && { gateway }) }];
}
