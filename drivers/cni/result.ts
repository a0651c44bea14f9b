// What an ADD answered, read into values: addresses, gateways and name servers of the container's link.

import type { EndpointInterface, StaticRoute } from "../../src/driverapi/index.ts";
import {
  type Address,
  type Family,
  type Mac,
  type Prefix,
  parseAddress,
  parseMac,
  parsePrefix,
  prefixFamily,
} from "../../src/netip/index.ts";
import { internal } from "../../src/util/errors.ts";
import { isObject, type Json } from "./conf.ts";

/** A chain's result, as far as it is about one link in the sandbox. */
export interface Attached {
  /** Whether there is such a link. */
  readonly hasLink: boolean;
  /** The first of each family; a link may have more. */
  readonly interface: EndpointInterface;
  readonly addresses: readonly Prefix[];
  readonly gateways: { readonly [F in Family]: Address | undefined };
  /** Default routes over the link itself. */
  readonly viaLink: readonly StaticRoute[];
  readonly dnsServers: readonly Address[];
}

/** @throws internal when the result is not one; the message names the field */
export function readResult(result: Json, ifName: string): Attached {
  const links = listOf(result, "interfaces").map((link) => ({
    name: String(link.name ?? ""),
    isInside: typeof link.sandbox === "string" && link.sandbox !== "",
    mac: readMac(link),
  }));
  const own = links.findIndex(({ name, isInside }) => isInside && name === ifName);
  const ips = listOf(result, "ips")
    .filter((ip) => ip.interface === undefined || ip.interface === own)
    .map(readIp);
  const first = (family: Family) => ips.find(({ address }) => prefixFamily(address) === family);
  const [ipv4, ipv6] = [first(4), first(6)];
  const mac = links[own]?.mac;
  const defaults = listOf(result, "routes").map(readRoute).filter(isDefault);
  const gatewayOf = (family: Family) => {
    const route = defaults.find(({ destination }) => prefixFamily(destination) === family);
    return route && (route.gateway ?? first(family)?.gateway);
  };
  const gateways = { 4: gatewayOf(4), 6: gatewayOf(6) };
  return {
    // plugins need not list links; those that do mean it
    hasLink: own >= 0 || (links.length === 0 && ips.length > 0),
    interface: {
      ...(ipv4 && { address: ipv4.address }),
      ...(ipv6 && { addressIpv6: ipv6.address }),
      ...(mac && { macAddress: mac }),
    },
    addresses: ips.map(({ address }) => address),
    gateways,
    viaLink: defaults.filter(({ destination }) => !gateways[prefixFamily(destination)]),
    dnsServers: readServers(result.dns),
  };
}

function readMac({ mac }: Json): Mac | undefined {
  return typeof mac === "string" ? parseMac(mac) : undefined;
}

function readIp(ip: Json): { address: Prefix; gateway?: Address } {
  const address = parsePrefix(String(ip.address ?? ""));
  if (!address) throw wrong("ips", ip.address);
  const gateway = readAddress(ip.gateway, "ips: gateway");
  return { address, ...(gateway && { gateway }) };
}

function readRoute(route: Json): { destination: Prefix; gateway?: Address } {
  const destination = parsePrefix(String(route.dst ?? ""));
  if (!destination) throw wrong("routes", route.dst);
  const gateway = readAddress(route.gw, "routes: gw");
  return { destination, ...(gateway && { gateway }) };
}

function isDefault({ destination }: { readonly destination: Prefix }): boolean {
  return destination.length === 0;
}

function readServers(dns: unknown): Address[] {
  if (!isObject(dns) || !Array.isArray(dns.nameservers)) return [];
  return dns.nameservers.flatMap((server) => readAddress(server, "dns: nameservers") ?? []);
}

function readAddress(value: unknown, field: string): Address | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const address = typeof value === "string" ? parseAddress(value) : undefined;
  if (!address) throw wrong(field, value);
  return address;
}

function listOf(result: Json, field: string): Json[] {
  const value = result[field] ?? [];
  if (!Array.isArray(value) || !value.every(isObject)) throw wrong(field, value);
  return value;
}

function wrong(field: string, value: unknown): Error {
  return internal(`result of a CNI plugin: ${field}: ${JSON.stringify(value)} cannot be read`);
}
