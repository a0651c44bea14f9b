// Checks what the user says of a network's addresses before any IPAM driver is asked. The messages are Docker's.

import {
  type Address,
  type Family,
  formatAddress,
  formatPrefix,
  hasHostBits,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  type Prefix,
  prefixContains,
  prefixFamily,
  subnetOf,
} from "../netip/index.ts";
import { invalid } from "../util/errors.ts";
import type { PoolSpec } from "./types.ts";

/** @throws invalid with every fault, one per line */
export function checkIpam(
  pools: readonly PoolSpec[],
  options: { readonly enableIpv4: boolean; readonly enableIpv6: boolean },
): void {
  // as Docker: IPv6 subnets of a network without IPv6 say nothing
  const heard = pools.filter((pool) => options.enableIpv6 || familyOf(pool) === 4);
  const faults = heard.flatMap((pool) => [...familyFaults(pool, options), ...poolFaults(pool)]);
  if (faults.length > 0) throw invalid(`invalid network config:\n${faults.join("\n")}`);
}

/** Which family a pool is of: that of whatever address it names; IPv4 when it names none. */
export function familyOf({ subnet, range, gateway, auxiliaryAddresses }: PoolSpec): Family {
  const address = subnet?.address ?? range?.address ?? gateway ?? Object.values(auxiliaryAddresses)[0];
  return address?.family ?? 4;
}

function familyFaults(pool: PoolSpec, { enableIpv4 }: { readonly enableIpv4: boolean }): string[] {
  const { subnet } = pool;
  if (!subnet || enableIpv4 || familyOf(pool) === 6) return [];
  return [`invalid subnet ${formatPrefix(subnet)}: IPv4 is off for this network`];
}

function poolFaults({ subnet, range, gateway, auxiliaryAddresses }: PoolSpec): string[] {
  if (!subnet) return [];
  if (hasHostBits(subnet)) {
    return [`invalid subnet ${formatPrefix(subnet)}: it should be ${formatPrefix(subnetOf(subnet))}`];
  }
  const unfit = unfitness(subnet);
  if (unfit) return [`invalid subnet ${formatPrefix(subnet)}: ${unfit}`];
  // the subnet is still to be chosen (0.0.0.0/24: any of that size), so nothing can be inside it yet
  if (isUnspecified(subnet.address) && subnet.length > 0) return [];
  const gatewayFault = gateway && addressFault(gateway, subnet);
  const auxFaults = Object.entries(auxiliaryAddresses).flatMap(([name, address]) => {
    const fault = addressFault(address, subnet);
    return fault ? [`invalid auxiliary address ${name}: ${fault}`] : [];
  });
  return [
    ...(range ? rangeFaults(range, subnet) : []),
    ...(gatewayFault ? [`invalid gateway ${formatAddress(gateway)}: ${gatewayFault}`] : []),
    ...auxFaults,
  ];
}

/** Blocks of which no address can be a container's: the kernel would take them and nothing would work. */
function unfitness(subnet: Prefix): string | undefined {
  const { address, length } = subnet;
  if (isMulticast(address)) return "multicast addresses belong to no network";
  if (isLoopback(address)) return "loopback addresses belong to the host alone";
  // Docker: the kernel's own fe80::/64 is the only link-local subnet there is
  const isLinkLocal6 = address.family === 6 && isLinkLocal(address);
  if (isLinkLocal6 && !(length === 64 && address.value === 0xfe80n << 112n))
    return "clashes with the Link-Local prefix 'fe80::/64'";
  return undefined;
}

function rangeFaults(range: Prefix, subnet: Prefix): string[] {
  const text = formatPrefix(range);
  const parent = formatPrefix(subnet);
  const family = prefixFamily(subnet);
  if (prefixFamily(range) !== family)
    return [`invalid ip-range ${text}: parent subnet is an IPv${family} block`];
  const faults: string[] = [];
  if (hasHostBits(range))
    faults.push(`invalid ip-range ${text}: it should be ${formatPrefix(subnetOf(range))}`);
  if (range.length < subnet.length) {
    faults.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${parent}`);
  } else if (!prefixContains(subnet, range.address)) {
    faults.push(`invalid ip-range ${text}: parent subnet ${parent} doesn't contain ip-range`);
  }
  return faults;
}

function addressFault(address: Address, subnet: Prefix): string | undefined {
  const family = prefixFamily(subnet);
  if (address.family !== family) return `parent subnet is an IPv${family} block`;
  if (!prefixContains(subnet, address))
    return `parent subnet ${formatPrefix(subnet)} doesn't contain this address`;
  return undefined;
}
