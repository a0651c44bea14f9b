// An endpoint's settings: from the wire and back.

import type { EndpointSpec, EndpointView, Link } from "../../engine/types.ts";
import { formatAddress } from "../../netip/index.ts";
import { invalid } from "../../util/errors.ts";
import type { EndpointSettings, EndpointSettingsInput } from "../schemas/endpoint.ts";
import { readAddress, readMac } from "../text.ts";
import { type ApiVersion, isBefore } from "../version.ts";

/** Throws invalid on a malformed address, MAC or link. */
export function readEndpoint(network: string, input: EndpointSettingsInput): EndpointSpec {
  const { IPv4Address, IPv6Address, LinkLocalIPs } = input.IPAMConfig ?? {};
  return {
    network,
    ...(IPv4Address && { ipv4: readFamily(IPv4Address, 4) }),
    ...(IPv6Address && { ipv6: readFamily(IPv6Address, 6) }),
    linkLocal: (LinkLocalIPs ?? []).map((text) => readAddress(text, "link-local address")),
    ...(input.MacAddress && { mac: readMac(input.MacAddress) }),
    aliases: input.Aliases ?? [],
    links: (input.Links ?? []).map(readLink),
    driverOptions: input.DriverOpts ?? {},
    gatewayPriority: input.GwPriority ?? 0,
  };
}

function readFamily(text: string, family: 4 | 6) {
  const address = readAddress(text, `IPv${family} address`);
  if (address.family !== family) throw invalid(`invalid IPv${family} address: ${text}`);
  return address;
}

/** `container:alias`, `container`, or the form of inspect, `/container:/me/alias`. */
export function readLink(text: string): Link {
  const [name = "", as, ...more] = text.split(":");
  const container = name.replace(/^\//, "");
  const alias = as === undefined ? container : (as.split("/").at(-1) ?? "");
  if (container === "" || alias === "" || more.length > 0) throw invalid(`bad format for links: ${text}`);
  return { container, alias };
}

export interface EndpointOwner {
  readonly containerId: string;
  readonly hostname: string | undefined;
}

/** As inspect and list show it. */
export function endpointWire(
  view: EndpointView,
  version: ApiVersion,
  owner: EndpointOwner,
): EndpointSettings {
  const { spec } = view;
  const links = spec.links.map(({ container, alias }) => `${container}:${alias}`);
  return {
    IPAMConfig: ipamWire(spec),
    Links: listOrNull(links),
    Aliases: listOrNull(aliasesWire(view, version, owner)),
    MacAddress: view.mac ?? spec.mac ?? "",
    DriverOpts: Object.keys(spec.driverOptions).length > 0 ? spec.driverOptions : null,
    GwPriority: spec.gatewayPriority,
    NetworkID: view.networkId,
    EndpointID: view.endpointId,
    Gateway: view.gatewayIpv4 ? formatAddress(view.gatewayIpv4) : "",
    IPAddress: view.ipv4 ? formatAddress(view.ipv4.address) : "",
    IPPrefixLen: view.ipv4?.length ?? 0,
    IPv6Gateway: view.gatewayIpv6 ? formatAddress(view.gatewayIpv6) : "",
    GlobalIPv6Address: view.ipv6 ? formatAddress(view.ipv6.address) : "",
    GlobalIPv6PrefixLen: view.ipv6?.length ?? 0,
    ...(!isBefore(version, 44) && { DNSNames: listOrNull(view.dnsNames) }),
  };
}

function ipamWire(spec: EndpointSpec): EndpointSettings["IPAMConfig"] {
  if (!spec.ipv4 && !spec.ipv6 && spec.linkLocal.length === 0) return null;
  return {
    ...(spec.ipv4 && { IPv4Address: formatAddress(spec.ipv4) }),
    ...(spec.ipv6 && { IPv6Address: formatAddress(spec.ipv6) }),
    ...(spec.linkLocal.length > 0 && { LinkLocalIPs: spec.linkLocal.map(formatAddress) }),
  };
}

// before 1.45 clients found the short id and the hostname among the aliases of a user network
function aliasesWire(view: EndpointView, version: ApiVersion, owner: EndpointOwner): readonly string[] {
  const { aliases } = view.spec;
  const isPredefined = ["bridge", "host", "none"].includes(view.networkName);
  if (!isBefore(version, 45) || isPredefined) return aliases;
  const more = [owner.containerId.slice(0, 12), owner.hostname ?? ""];
  return [...new Set([...aliases, ...more])].filter((alias) => alias !== "");
}

function listOrNull(list: readonly string[]): readonly string[] | null {
  return list.length > 0 ? list : null;
}
