// The network by which containers leave whose own networks lead nowhere (overlays): docker_gwbridge, a bridge of this host
// on which nobody reaches anybody. Made when the first container needs it, unless the user has made it before.

import { formatPrefix, type Prefix, parsePrefix, prefixesOverlap } from "../netip/index.ts";
import { conflict } from "../util/errors.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { makeNetwork } from "./create-network.ts";
import { removeNetwork } from "./delete-network.ts";
import { gatewayNetworkName } from "./gateway-demand.ts";
import { isGlobal } from "./global/index.ts";
import type { Network } from "./network.ts";
import type { NetworkSpec } from "./types.ts";

/** What somebody needs it for. */
export interface GatewayWish {
  /** The networks that its subnets must stay clear of. */
  readonly networks: readonly Network[];
  readonly ipv6: boolean;
}

/** Where clusters take subnets from by default: what is chosen here would be in the way of a later overlay. */
const clusterPools = [parsePrefix("10.0.0.0/8")].filter((prefix) => prefix !== undefined);

/** The network, made where there is none. @throws conflict when its subnets are those of another */
export async function openGatewayNetwork(parts: ControllerParts, wish: GatewayWish): Promise<Network> {
  const present = parts.gatewayDemand.isBusy ? undefined : find(parts);
  if (present && isFit(present, wish)) return present;
  return await parts.gatewayDemand.inTurn(() => make(parts, wish));
}

/** @throws conflict when a container would reach one network's addresses by the other's link */
export function checkApart(gateway: Network, { networks }: Pick<GatewayWish, "networks">): void {
  for (const network of networks) {
    const clash = overlap(gateway, network);
    if (!clash) continue;
    const [own, other] = clash.map(formatPrefix);
    throw conflict(
      `network ${network.name} has no way out on this host: its subnet ${other} overlaps ${own} of ${gateway.name}. ` +
        `Remove ${gateway.name} when no container is on it, or make it yourself with another subnet`,
    );
  }
}

async function make(parts: ControllerParts, wish: GatewayWish): Promise<Network> {
  const present = find(parts);
  if (present && isFit(present, wish)) return present;
  // what the user has made, or somebody is on, stays as it is
  if (present && (!present.record.madeOnDemand || present.endpoints.size > 0)) {
    checkApart(present, wish);
    parts.log.warn(
      { network: present.name },
      "containers with IPv6 have no IPv6 way out: the network is there without, and in use",
    );
    return present;
  }
  if (present) await removeNetwork(parts, present);
  parts.networks.reserveName(gatewayNetworkName);
  try {
    const made = await makeNetwork(parts, gatewaySpec(parts, wish), {
      predefined: false,
      madeOnDemand: true,
      avoid: { near: inTheWay(parts, wish), far: clusterPools },
    });
    parts.log.info({ network: made.name }, "made the way out of networks that have none");
    return made;
  } finally {
    parts.networks.freeName(gatewayNetworkName);
  }
}

function find({ networks }: ControllerParts): Network | undefined {
  return networks.all().find((network) => network.name === gatewayNetworkName && !isGlobal(network));
}

function isFit(gateway: Network, { networks, ipv6 }: GatewayWish): boolean {
  const { madeOnDemand, enableIpv6 } = gateway.record;
  const hasFamilies = !madeOnDemand || enableIpv6 || !ipv6;
  return hasFamilies && !networks.some((network) => overlap(gateway, network));
}

function overlap(gateway: Network, network: Network): readonly [Prefix, Prefix] | undefined {
  if (network === gateway) return undefined;
  for (const { subnet: own } of gateway.record.pools)
    for (const { subnet: other } of network.record.pools)
      if (isPlace(other) && prefixesOverlap(own, other)) return [own, other];
  return undefined;
}

/** Subnets of the networks that it is made for, or may be needed for. */
function inTheWay({ networks: known }: ControllerParts, { networks }: GatewayWish): Prefix[] {
  const others = [...known.all().filter(isGlobal), ...networks];
  return others.flatMap(({ record }) => record.pools.map(({ subnet }) => subnet)).filter(isPlace);
}

/** A null pool (0.0.0.0/0) says nothing of where its network's addresses are. */
function isPlace({ length }: Prefix): boolean {
  return length > 0;
}

/** As Docker's; with IPv6 where somebody on this host is about to need it. */
function gatewaySpec({ networks, hostHasIpv6 }: ControllerParts, { ipv6 }: GatewayWish): NetworkSpec {
  const isNeeded = ipv6 || networks.all().some((it) => isGlobal(it) && it.record.enableIpv6);
  return {
    name: gatewayNetworkName,
    driver: "bridge",
    internal: false,
    attachable: false,
    ingress: false,
    configOnly: false,
    enableIpv4: true,
    enableIpv6: hostHasIpv6 && isNeeded,
    ipam: { driver: "default", pools: [] },
    options: {
      "com.docker.network.bridge.name": gatewayNetworkName,
      "com.docker.network.bridge.enable_icc": "false",
      "com.docker.network.bridge.enable_ip_masquerade": "true",
    },
    labels: {},
  };
}
