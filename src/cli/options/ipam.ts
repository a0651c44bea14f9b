// Which range, gateway and auxiliary address belongs to which subnet: told by containment.

import { BlockList, isIP } from "node:net";

export interface IpamSubnet {
  Subnet: string;
  IPRange?: string;
  Gateway?: string;
  readonly AuxiliaryAddresses: Record<string, string>;
}

export interface IpamArgs {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly auxAddresses: Readonly<Record<string, string>>;
}

/** One entry per subnet. Throws Docker's texts for what fits none, or too many. */
export function ipamConfig(args: IpamArgs): IpamSubnet[] {
  const { subnets, ranges, gateways } = args;
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw new Error("every ip-range or gateway must have a corresponding subnet");
  }
  const entries = subnets.map((subnet): IpamSubnet => ({ Subnet: subnet, AuxiliaryAddresses: {} }));
  entries.forEach((entry, index) => {
    const others = entries.slice(0, index);
    if (others.some((other) => contains(entry, other.Subnet) || contains(other, entry.Subnet))) {
      throw new Error("multiple overlapping subnet configuration is not supported");
    }
  });
  for (const range of ranges) setRange(entries, range);
  for (const gateway of gateways) setGateway(entries, gateway);
  for (const [name, address] of Object.entries(args.auxAddresses)) {
    for (const entry of matching(entries, address, "aux-address")) entry.AuxiliaryAddresses[name] = address;
  }
  return entries;
}

function setRange(entries: readonly IpamSubnet[], range: string): void {
  parseCidr(range);
  for (const entry of matching(entries, range, "range")) {
    if (entry.IPRange) {
      const both = `(${range}, ${entry.IPRange})`;
      throw new Error(`cannot configure multiple ranges ${both} on the same subnet (${entry.Subnet})`);
    }
    entry.IPRange = range;
  }
}

function setGateway(entries: readonly IpamSubnet[], gateway: string): void {
  for (const entry of matching(entries, gateway, "gateway")) {
    if (entry.Gateway) {
      const both = `(${gateway}, ${entry.Gateway})`;
      throw new Error(`cannot configure multiple gateways ${both} for the same subnet (${entry.Subnet})`);
    }
    entry.Gateway = gateway;
  }
}

function matching(entries: readonly IpamSubnet[], address: string, what: string): IpamSubnet[] {
  const found = entries.filter((entry) => contains(entry, address));
  if (found.length === 0) throw new Error(`no matching subnet for ${what} ${address}`);
  return found;
}

function contains(entry: IpamSubnet, address: string): boolean {
  const subnet = parseCidr(entry.Subnet, "invalid subnet: ");
  const ip = address.includes("/") ? parseCidr(address).ip : address;
  if (isIP(ip) !== subnet.family) return false;
  const block = new BlockList();
  const family = subnet.family === 4 ? "ipv4" : "ipv6";
  block.addSubnet(subnet.ip, subnet.bits, family);
  return block.check(ip, family);
}

function parseCidr(text: string, prefix = ""): { ip: string; bits: number; family: number } {
  const [ip = "", bits = ""] = text.split("/");
  const family = isIP(ip);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) {
    throw new Error(`${prefix}invalid CIDR address: ${text}`);
  }
  return { ip, bits: Number(bits), family };
}
