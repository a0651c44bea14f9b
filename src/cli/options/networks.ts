// --network in both its forms and the flags that belong to the first network.

import { parseCsvLine } from "../flags/csv.ts";
import { quote } from "../flags/numbers.ts";
import type { FlagValues } from "../flags/values.ts";
import { checkMacAddress, cut } from "./checks.ts";

export interface EndpointSettings {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: readonly string[] };
  Links?: readonly string[];
  Aliases?: readonly string[];
  DriverOpts?: Record<string, string>;
  MacAddress?: string;
  GwPriority?: number;
}

interface Attachment {
  target: string;
  aliases: readonly string[];
  links: readonly string[];
  linkLocalIps: readonly string[];
  driverOpts: Record<string, string>;
  ipv4: string;
  ipv6: string;
  mac: string;
  gwPriority: number;
}

/** As it is read again later. Throws Docker's texts. */
export function checkNetwork(value: string): string {
  parseAttachment(value);
  return value;
}

/** `NAME` or `name=NAME,alias=…,ip=…,…` (keys and values in lower case, as the docker CLI has them). */
function parseAttachment(value: string): Attachment {
  const attachment: Attachment = {
    target: value,
    aliases: [],
    links: [],
    linkLocalIps: [],
    driverOpts: {},
    ipv4: "",
    ipv6: "",
    mac: "",
    gwPriority: 0,
  };
  if (!/\w+=\w+(,\w+=\w+)*/.test(value)) return attachment;
  attachment.target = "";
  for (const field of parseCsvLine(value)) {
    const { before, after, found } = cut(field.toLowerCase(), "=");
    if (!found || before === "") throw new Error(`invalid field ${field}`);
    setField(attachment, before.trim(), after.trim());
  }
  if (attachment.target === "") throw new Error("network name/id is not specified");
  return attachment;
}

function setField(to: Attachment, key: string, value: string): void {
  switch (key) {
    case "name":
      to.target = value;
      return;
    case "alias":
      to.aliases = [...to.aliases, value];
      return;
    case "ip":
      to.ipv4 = value;
      return;
    case "ip6":
      to.ipv6 = value;
      return;
    case "mac-address":
      to.mac = value;
      return;
    case "link-local-ip":
      to.linkLocalIps = [...to.linkLocalIps, value];
      return;
    case "driver-opt": {
      const { before, after, found } = cut(value, "=");
      if (!found || before === "") throw new Error("invalid key value pair format in driver options");
      to.driverOpts = { ...to.driverOpts, [before.trim()]: after.trim() };
      return;
    }
    case "gw-priority":
      if (!/^[+-]?\d+$/.test(value)) throw new Error(`invalid gw-priority (${value}): invalid syntax`);
      to.gwPriority = Number(value);
      return;
    default:
      throw new Error(`invalid field key ${key}`);
  }
}

/** True for a network that is not one of Docker's own modes. */
export function isUserDefined(mode: string): boolean {
  return !["default", "bridge", "host", "none"].includes(mode) && !mode.startsWith("container:");
}

export interface NetworkArgs {
  readonly networkMode: string;
  readonly endpoints: Record<string, EndpointSettings>;
}

/** What --network, --ip, --network-alias and their like say together. Throws Docker's texts for conflicts. */
export function parseNetworks(flags: FlagValues): NetworkArgs {
  const given = flags.list("network");
  const attachments = (given.length > 0 ? given : ["default"]).map(parseAttachment);
  const [first] = attachments;
  if (first) applyFlags(first, flags);
  const endpoints: Record<string, EndpointSettings> = {};
  for (const attachment of attachments) {
    const settings = endpointOf(attachment);
    if (endpoints[attachment.target]) {
      throw new Error(`network ${quote(attachment.target)} is specified multiple times`);
    }
    // A single network without settings goes by NetworkMode alone.
    const isPlain = given.length === 1 && Object.keys(settings).length === 0;
    if (!isPlain) endpoints[attachment.target] = settings;
  }
  const userDefined = attachments.filter((one) => isUserDefined(one.target)).length;
  if (userDefined > 0 && userDefined < attachments.length) {
    throw new Error(
      "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
    );
  }
  return { networkMode: first?.target ?? "default", endpoints };
}

function applyFlags(to: Attachment, flags: FlagValues): void {
  const conflict = (flag: string, what: string) =>
    new Error(`conflicting options: cannot specify both --${flag} and per-network ${what}`);
  const aliases = flags.list("network-alias");
  const links = flags.list("link");
  const linkLocalIps = flags.list("link-local-ip");
  if (to.aliases.length > 0 && aliases.length > 0) throw conflict("network-alias", "alias");
  if (to.ipv4 && flags.string("ip")) throw conflict("ip", "IPv4 address");
  if (to.ipv6 && flags.string("ip6")) throw conflict("ip6", "IPv6 address");
  if (to.mac && flags.string("mac-address")) throw conflict("mac-address", "MAC address");
  if (to.linkLocalIps.length > 0 && linkLocalIps.length > 0) {
    throw conflict("link-local-ip", "link-local IP addresses");
  }
  if (aliases.length > 0) to.aliases = aliases;
  if (links.length > 0 && isUserDefined(to.target)) to.links = links;
  if (linkLocalIps.length > 0) to.linkLocalIps = linkLocalIps;
  to.ipv4 ||= flags.string("ip");
  to.ipv6 ||= flags.string("ip6");
  to.mac ||= flags.string("mac-address");
}

function endpointOf(from: Attachment): EndpointSettings {
  if (from.target.trim() === "") throw new Error("no name set for network");
  if (!isUserDefined(from.target) && from.aliases.length > 0) {
    throw new Error("network-scoped aliases are only supported for user-defined networks");
  }
  const settings: EndpointSettings = {};
  if (from.aliases.length > 0) settings.Aliases = from.aliases;
  if (from.links.length > 0) settings.Links = from.links;
  if (Object.keys(from.driverOpts).length > 0) settings.DriverOpts = from.driverOpts;
  if (from.gwPriority !== 0) settings.GwPriority = from.gwPriority;
  if (from.mac) settings.MacAddress = checkMacAddress(from.mac);
  if (from.ipv4 || from.ipv6 || from.linkLocalIps.length > 0) {
    settings.IPAMConfig = {
      ...(from.ipv4 ? { IPv4Address: from.ipv4 } : {}),
      ...(from.ipv6 ? { IPv6Address: from.ipv6 } : {}),
      ...(from.linkLocalIps.length > 0 ? { LinkLocalIPs: from.linkLocalIps } : {}),
    };
  }
  return settings;
}
