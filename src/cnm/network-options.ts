// Options of networks that the controller itself carries out, whatever the driver: static routes, DNS servers, how an
// endpoint's addresses are announced. Read from `-o key=value`; checked once, when the network is made.

import type { StaticRoute } from "../driverapi/index.ts";
import {
  type Address,
  formatAddress,
  formatPrefix,
  hasHostBits,
  isMulticast,
  isUnspecified,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixContains,
  prefixFamily,
  sameAddress,
  samePrefix,
  subnetOf,
} from "../netip/index.ts";
import { invalid } from "../util/errors.ts";
import type { EndpointRecord, NetworkRecord } from "./records.ts";

export const networkOptionNames = {
  routes: "tsdocker.routes",
  dns: "tsdocker.dns",
  advertiseCount: "com.docker.network.advertise_addr_nmsgs",
  advertiseInterval: "com.docker.network.advertise_addr_ms",
} as const;

/** Behind what the kernel makes by itself (0). */
const leastMetric = 100;

type WithOptions = Pick<NetworkRecord, "options">;
type Checked = Pick<NetworkRecord, "options" | "pools" | "enableIpv4" | "enableIpv6">;

/** How often, and how far apart, an endpoint's addresses are announced to its neighbours. */
export interface Advertising {
  /** 0–3; Docker's default is 3. */
  readonly count: number;
  /** 100–2000; Docker's default is 1000. */
  readonly intervalMs: number;
}

/** The DNS servers that the network's containers use before the host's; none: the network says nothing of them. */
export function networkDns({ options }: WithOptions): readonly Address[] {
  const servers = items(options[networkOptionNames.dns]).map(readServer);
  const texts = servers.map(formatAddress);
  const twice = texts.find((text, at) => texts.indexOf(text) !== at);
  if (twice) throw wrong("dns", twice, "is there twice");
  return servers;
}

/** The routes that every sandbox on the network gets, in the order given. */
export function networkRoutes({ options }: WithOptions): readonly StaticRoute[] {
  return items(options[networkOptionNames.routes]).map(readRoute);
}

/**
 * The network's routes as one endpoint's sandbox gets them: of the families that it has, and with a metric of their own,
 * so that two networks of one container may say the same; the one that was connected first wins.
 */
export function endpointRoutes(
  network: WithOptions,
  { interface: own, link }: Pick<EndpointRecord, "interface" | "link">,
): readonly StaticRoute[] {
  if (!link) return [];
  const addresses = [own.address?.address, own.addressIpv6?.address];
  const has = { 4: own.address !== undefined, 6: own.addressIpv6 !== undefined };
  return (
    networkRoutes(network)
      .filter(({ destination }) => has[prefixFamily(destination)])
      // the router itself gets no route by itself
      .filter(({ nextHop }) => !nextHop || !addresses.some((address) => sameAddress(address, nextHop)))
      .map((route) => ({ metric: leastMetric + link.index, ...route }))
  );
}

/** How the network's endpoints are announced; Docker's defaults where it says nothing. */
export function networkAdvertising({ options }: WithOptions): Advertising {
  return {
    count: readNumber(options, "advertiseCount", { fallback: 3, least: 0, most: 3 }),
    intervalMs: readNumber(options, "advertiseInterval", { fallback: 1000, least: 100, most: 2000 }),
  };
}

/** @throws invalid when an option of these cannot be carried out on this network, whose pools are leased */
export function checkNetworkOptions(record: Checked): void {
  networkAdvertising(record);
  networkDns(record);
  const routes = networkRoutes(record);
  for (const [at, route] of routes.entries()) {
    checkRoute(record, route);
    if (routes.slice(0, at).some((other) => isSameRoute(other, route)))
      throw wrong("routes", formatPrefix(route.destination), "is there twice");
  }
}

function checkRoute({ pools, enableIpv4, enableIpv6 }: Checked, { destination, nextHop }: StaticRoute): void {
  const family = prefixFamily(destination);
  const text = formatPrefix(destination);
  if (!(family === 4 ? enableIpv4 : enableIpv6))
    throw wrong("routes", text, `is IPv${family}, which this network does not have`);
  const subnets = pools.map(({ subnet }) => subnet).filter((subnet) => prefixFamily(subnet) === family);
  if (subnets.some((subnet) => samePrefix(subnet, destination)))
    throw wrong("routes", text, "is the network's own subnet");
  // a null pool (0.0.0.0/0) contains everything: the driver knows its addresses, we do not
  if (nextHop && !subnets.some((subnet) => prefixContains(subnet, nextHop)))
    throw wrong(
      "routes",
      `${text} via ${formatAddress(nextHop)}`,
      "has a next hop outside the network's subnets",
    );
}

function isSameRoute(a: StaticRoute, b: StaticRoute): boolean {
  return samePrefix(a.destination, b.destination) && a.metric === b.metric;
}

function items(text: string | undefined): string[] {
  if (text === undefined || text.trim() === "") return [];
  return text.split(",").map((item) => item.trim());
}

function readServer(text: string): Address {
  const address = parseAddress(text);
  if (!address || isUnspecified(address) || isMulticast(address))
    throw wrong("dns", text, "is not the address of a server");
  return address;
}

const routePattern =
  /^(?:(blackhole|unreachable|prohibit)\s+)?(\S+?)(?:\s+via\s+(\S+))?(?:\s+metric\s+([0-9]{1,10}))?$/;

/** `10.9.0.0/16 via 172.30.0.5`, `10.9.0.0/16` (over the link), `blackhole 10.0.0.0/8`; `metric N` may follow. */
function readRoute(text: string): StaticRoute {
  const [, type, target = "", via, metricText] = routePattern.exec(text) ?? [];
  const destination = parsePrefix(target);
  const nextHop = via === undefined ? undefined : parseAddress(via);
  const metric = metricText === undefined ? undefined : Number(metricText);
  if (!destination || (via !== undefined && !nextHop))
    throw wrong("routes", text, "is not `[blackhole|unreachable|prohibit] SUBNET [via ADDRESS] [metric N]`");
  checkDestination(text, destination, nextHop);
  if (type && nextHop) throw wrong("routes", text, `goes nowhere (${type}) and so has no next hop`);
  // RTA_PRIORITY: 32 bits, of which 0 means the kernel's default
  if (metric !== undefined && (metric < 1 || metric > 0xffffffff))
    throw wrong("routes", text, "has a metric that is not between 1 and 4294967295");
  return {
    destination,
    ...(nextHop && { nextHop }),
    ...(type && { type: type as NonNullable<StaticRoute["type"]> }),
    ...(metric !== undefined && { metric }),
  };
}

function checkDestination(text: string, destination: Prefix, nextHop: Address | undefined): void {
  if (hasHostBits(destination))
    throw wrong("routes", text, `has host bits set: it should be ${formatPrefix(subnetOf(destination))}`);
  if (destination.length === 0) throw wrong("routes", text, "is a default route, which is the gateway's");
  if (isMulticast(destination.address)) throw wrong("routes", text, "leads to multicast addresses");
  if (nextHop && nextHop.family !== prefixFamily(destination))
    throw wrong("routes", text, "mixes IPv4 and IPv6");
}

function readNumber(
  options: WithOptions["options"],
  name: "advertiseCount" | "advertiseInterval",
  { fallback, least, most }: { readonly fallback: number; readonly least: number; readonly most: number },
): number {
  const text = options[networkOptionNames[name]];
  if (text === undefined || text === "") return fallback;
  const number = /^[0-9]{1,6}$/.test(text) ? Number(text) : -1;
  if (number < least || number > most)
    throw wrong(name, text, `is not a number between ${least} and ${most}`);
  return number;
}

function wrong(name: keyof typeof networkOptionNames, text: string, why: string): Error {
  return invalid(`invalid value for ${networkOptionNames[name]}: ${JSON.stringify(text)} ${why}`);
}
