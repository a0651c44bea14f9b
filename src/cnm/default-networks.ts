// The networks that are always there: none, host, and bridge on docker0.

import type { Netlink } from "../kernel/index.ts";
import {
  type Address,
  formatAddress,
  isLinkLocal,
  type Prefix,
  prefixContains,
  prefixCovers,
  prefixFamily,
  samePrefix,
  subnetOf,
} from "../netip/index.ts";
import { invalid } from "../util/errors.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { makeNetwork } from "./create-network.ts";
import { removeNetwork } from "./delete-network.ts";
import type { Network } from "./network.ts";
import { pack } from "./stored.ts";
import type { NetworkSpec, PoolSpec } from "./types.ts";

/** The operator's words for the default bridge (`--bip`, `--fixed-cidr`, …). */
export interface DefaultBridgeConfig {
  /** The device; `docker0`, or one that is there already (`--bridge`). */
  readonly link: string;
  /** The device is somebody else's and must exist. */
  readonly mustExist: boolean;
  /** Address and subnet of the bridge. */
  readonly bip?: Prefix;
  readonly bip6?: Prefix;
  /** Containers' addresses come from here. */
  readonly fixedCidr?: Prefix;
  readonly fixedCidrIpv6?: Prefix;
  /** Containers' gateway instead of the bridge. */
  readonly defaultGateway?: Address;
  readonly defaultGatewayIpv6?: Address;
  readonly ipv6: boolean;
  readonly mtu?: number;
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Address of host ports that name none (`--ip`). */
  readonly hostBinding?: Address;
}

/** Makes what is missing. The default bridge is made anew when its configuration changed and nobody is on it. */
export async function ensureDefaultNetworks(
  parts: ControllerParts,
  hostNetlink: Netlink,
  bridge: DefaultBridgeConfig | undefined,
): Promise<void> {
  await ensure(parts, plainSpec("none", "null"));
  await ensure(parts, plainSpec("host", "host"));
  if (bridge) return await ensure(parts, await bridgeSpec(hostNetlink, bridge));
  const unwanted = parts.networks.all().find(({ record }) => record.predefined && record.name === "bridge");
  if (unwanted?.endpoints.size === 0) await removeNetwork(parts, unwanted);
}

async function ensure(parts: ControllerParts, spec: NetworkSpec): Promise<void> {
  const present = parts.networks.all().find(({ name }) => name === spec.name);
  if (present && (isAsWanted(present, spec) || present.endpoints.size > 0)) return;
  if (present) await removeNetwork(parts, present);
  await makeNetwork(parts, spec, { predefined: true });
}

/** The record holds the wish as it was; what was chosen then stays. */
function isAsWanted({ record }: Network, spec: NetworkSpec): boolean {
  const wish = ({ ipam, options, enableIpv4, enableIpv6 }: NetworkSpec) =>
    JSON.stringify(pack({ pools: ipam.pools, options, enableIpv4, enableIpv6 }));
  return wish(record) === wish(spec);
}

function plainSpec(name: string, driver: string): NetworkSpec {
  return {
    name,
    driver,
    internal: false,
    attachable: false,
    ingress: false,
    configOnly: false,
    enableIpv4: true,
    enableIpv6: false,
    ipam: { driver: "default", pools: [] },
    options: {},
    labels: {},
  };
}

async function bridgeSpec(hostNetlink: Netlink, config: DefaultBridgeConfig): Promise<NetworkSpec> {
  const own = await linkPrefixes(hostNetlink, config);
  return {
    ...plainSpec("bridge", "bridge"),
    enableIpv6: config.ipv6,
    ipam: { driver: "default", pools: [...pool4(config, own), ...(config.ipv6 ? pool6(config, own) : [])] },
    options: {
      "com.docker.network.bridge.default_bridge": "true",
      "com.docker.network.bridge.enable_icc": String(config.icc),
      "com.docker.network.bridge.enable_ip_masquerade": String(config.masquerade),
      "com.docker.network.bridge.host_binding_ipv4": config.hostBinding
        ? formatAddress(config.hostBinding)
        : "0.0.0.0",
      "com.docker.network.bridge.name": config.link,
      // absent: the uplink's, also when that changes
      ...(config.mtu !== undefined && { "com.docker.network.driver.mtu": String(config.mtu) }),
    },
  };
}

/** Addresses of a device that somebody else made; of ours the record tells. */
async function linkPrefixes(
  hostNetlink: Netlink,
  { link, mustExist }: DefaultBridgeConfig,
): Promise<Prefix[]> {
  const found = await hostNetlink.link(link);
  if (!found && mustExist)
    throw invalid(`bridge device with non default name ${link} must be created manually`);
  if (!found || found.alias?.startsWith("tsdocker:")) return [];
  const addresses = await hostNetlink.addresses({ link: found.index });
  return addresses.map(({ prefix }) => prefix).filter(({ address }) => !isLinkLocal(address));
}

/** Docker's order: `bip`, an address that the device has, `fixed-cidr`, any free pool. */
function pool4({ bip, fixedCidr, defaultGateway }: DefaultBridgeConfig, own: readonly Prefix[]): PoolSpec[] {
  const gateway: Record<string, Address> = defaultGateway ? { DefaultGatewayIPv4: defaultGateway } : {};
  const address = bip ?? own.find((prefix) => prefixFamily(prefix) === 4 && fits(prefix, fixedCidr));
  return pool({ address, range: fixedCidr, auxiliaryAddresses: gateway, option: "default-gateway" });
}

function pool6(
  { bip6, fixedCidrIpv6, defaultGatewayIpv6 }: DefaultBridgeConfig,
  own: readonly Prefix[],
): PoolSpec[] {
  const gateway: Record<string, Address> = defaultGatewayIpv6
    ? { DefaultGatewayIPv6: defaultGatewayIpv6 }
    : {};
  const address = bip6 ?? own.find((prefix) => prefixFamily(prefix) === 6 && fits(prefix, fixedCidrIpv6));
  return pool({ address, range: fixedCidrIpv6, auxiliaryAddresses: gateway, option: "default-gateway-v6" });
}

function fits(prefix: Prefix, range: Prefix | undefined): boolean {
  return !range || prefixCovers(subnetOf(prefix), range);
}

/** Nothing when there is nothing to say: any free pool will do. */
function pool(parts: {
  /** The bridge's, with its subnet. */
  readonly address: Prefix | undefined;
  readonly range: Prefix | undefined;
  readonly auxiliaryAddresses: Readonly<Record<string, Address>>;
  readonly option: string;
}): PoolSpec[] {
  const { address, range, auxiliaryAddresses, option } = parts;
  const whole = address ?? range;
  const gateways = Object.values(auxiliaryAddresses);
  if (!whole) return gateways.length > 0 ? [{ auxiliaryAddresses }] : [];
  const subnet = subnetOf(whole);
  if (gateways.some((gateway) => !prefixContains(subnet, gateway)))
    throw invalid(`${option} is not in the bridge's IPv${prefixFamily(subnet)} subnet`);
  return [
    {
      subnet,
      ...(address && { gateway: address.address }),
      ...(range && !samePrefix(subnetOf(range), subnet) && { range }),
      auxiliaryAddresses,
    },
  ];
}
