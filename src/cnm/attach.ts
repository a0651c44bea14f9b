// What a link needs inside a sandbox to become the container's: name, MAC, addresses, routes. Pure: values to requests.

import type { EndpointInterface, JoinResponse, StaticRoute } from "../driverapi/index.ts";
import { addAddress, addRoute, deleteRoute, type Request, setLink } from "../kernel/index.ts";
import type { Address, Family, Mac, Prefix } from "../netip/index.ts";

/** A link that is in the sandbox, down and bare. */
export interface SandboxLink {
  readonly index: number;
  readonly name: string;
  /** The name it shall have. */
  readonly finalName: string;
  /** Absent: it has the right one. */
  readonly mac?: Mac;
}

export interface AttachSpec {
  readonly interface: EndpointInterface;
  readonly linkLocal: readonly Address[];
  readonly routes: readonly StaticRoute[];
}

/** One batch that ends with the link up and its routes in place. */
export function attachRequests(link: SandboxLink, spec: AttachSpec): Request[] {
  const { address, addressIpv6 } = spec.interface;
  const rename = link.name !== link.finalName && { name: link.finalName };
  const change = { ...rename, ...(link.mac && { mac: link.mac }) };
  const prefixes = [address, addressIpv6, ...spec.linkLocal.map(linkLocalPrefix)].filter(
    (prefix) => prefix !== undefined,
  );
  return [
    ...(Object.keys(change).length > 0 ? [setLink(link.index, change)] : []),
    ...addressRequests(link.index, prefixes),
    setLink(link.index, { up: true }),
    ...routeRequests(link.index, spec.routes),
  ];
}

/** What a link that is up already gets besides what it has. */
export function additionRequests(
  index: number,
  { prefixes, routes }: { readonly prefixes: readonly Prefix[]; readonly routes: readonly StaticRoute[] },
): Request[] {
  return [...addressRequests(index, prefixes), ...routeRequests(index, routes)];
}

/** Default routes of a family are the sandbox's business, not one link's. */
export function isDefaultRoute({ destination, nextHop }: StaticRoute): boolean {
  return destination.length === 0 && nextHop === undefined;
}

/** Makes this the sandbox's default route of a family; without a link there is none any more. */
export function defaultRouteRequest(
  family: Family,
  via: { readonly link: number; readonly gateway?: Address } | undefined,
): Request {
  return via ? addRoute({ family, ...via }, { replace: true }) : deleteRoute({ family });
}

/** Sysctls of one link, by key. The name may hold dots, so keys are in the form with slashes. */
export function linkSysctls(
  name: string,
  options: {
    readonly ipv6: boolean;
    readonly kernelHasIpv6: boolean;
    readonly extra: JoinResponse["sysctls"];
  },
): Record<string, string> {
  const own = options.kernelHasIpv6
    ? { [`net/ipv6/conf/${name}/disable_ipv6`]: options.ipv6 ? "0" : "1" }
    : {};
  const extra = Object.entries(options.extra ?? {}).map(([key, value]) => [
    key
      .split(".")
      .map((part) => (part === "IFNAME" ? name : part))
      .join("/"),
    value,
  ]);
  return { ...own, ...Object.fromEntries(extra) };
}

/** Docker's lengths for `--link-local-ip`: 169.254.0.0/16 and fe80::/64. */
export function linkLocalPrefix(address: Address): Prefix {
  return { address, length: address.family === 4 ? 16 : 64 };
}

function addressRequests(link: number, prefixes: readonly Prefix[]): Request[] {
  return prefixes.map((prefix) =>
    // no duplicate address detection: IPAM has made sure, and the container must not wait a second
    addAddress({
      link,
      prefix,
      ...(prefix.address.family === 4 ? { broadcast: "auto" } : { noDad: true }),
    }),
  );
}

function routeRequests(link: number, routes: readonly StaticRoute[]): Request[] {
  return orderedRoutes(routes).map((route) => routeRequest(route, link));
}

/** Routes over the link first: others may need them to find their next hop. */
function orderedRoutes(routes: readonly StaticRoute[]): StaticRoute[] {
  return routes
    .filter((route) => !isDefaultRoute(route))
    .toSorted((a, b) => Number(a.nextHop !== undefined) - Number(b.nextHop !== undefined));
}

function routeRequest({ destination, nextHop, type, metric }: StaticRoute, link: number): Request {
  const { family } = destination.address;
  const rest = { family, destination, ...(metric !== undefined && { metric }) };
  if (type) return addRoute({ ...rest, type });
  return nextHop
    ? addRoute({ ...rest, gateway: nextHop })
    : addRoute({ ...rest, link, ...(family === 4 && { scope: "link" as const }) });
}
