// Subnets that the user names and that are somewhere else already: what the host reaches there is lost to the network's
// containers, or theirs to the host.

import { formatPrefix, isUnspecified, type Prefix, prefixesOverlap } from "../netip/index.ts";
import { forbidden } from "../util/errors.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { gatewayNetworkName } from "./gateway-demand.ts";
import type { NetworkRecord } from "./records.ts";

/**
 * Where tunnels end and begin nothing else may be: packets to the other hosts would go into the network that they carry.
 * @throws forbidden when a network of the cluster is to have a part of a network that this host is on
 */
export async function checkUnderlay(
  { hostRoutes }: ControllerParts,
  draft: Pick<NetworkRecord, "ipam" | "scope" | "configOnly">,
): Promise<void> {
  const subnets = namedSubnets(draft);
  if (draft.scope !== "global" || draft.configOnly || subnets.length === 0) return;
  const underlay = (await hostRoutes.routes()).filter(
    ({ isOnLink, destination }) => isOnLink && destination.length > 0,
  );
  for (const subnet of subnets) {
    const clash = underlay.find(({ destination }) => prefixesOverlap(destination, subnet));
    if (!clash) continue;
    throw forbidden(
      `subnet ${formatPrefix(subnet)} overlaps ${formatPrefix(clash.destination)}, a network that this host is on: ` +
        "what carries the cluster's networks cannot be in one of them",
    );
  }
}

/** A subnet that the user names is the user's to answer for; what the host reaches there is lost to it all the same. */
export async function overlapWarnings(parts: ControllerParts, record: NetworkRecord): Promise<string[]> {
  if (record.scope === "global") return gatewayWarnings(parts, record);
  const { driver, ipam, options } = record;
  const subnets = namedSubnets({ ipam });
  // links on a parent are on the parent's subnet by design, and so is the bridge that was there before
  if (driver !== "bridge" || subnets.length === 0 || options["com.docker.network.bridge.name"]) return [];
  const routes = await parts.hostRoutes.routes();
  return subnets.flatMap((subnet) => {
    const route = routes.find(({ destination }) => prefixesOverlap(destination, subnet));
    const text = route && formatPrefix(route.destination);
    return text
      ? [`subnet ${formatPrefix(subnet)} overlaps ${text}, which this host reaches by another interface`]
      : [];
  });
}

/** Other hosts may have the network all the same, and this one too once the bridge is free to have another subnet. */
function gatewayWarnings({ networks }: ControllerParts, { pools }: NetworkRecord): string[] {
  const bridge = networks
    .all()
    .find(({ name, record }) => name === gatewayNetworkName && record.scope === "local");
  const moves = bridge?.record.madeOnDemand && bridge.endpoints.size === 0;
  if (!bridge || moves) return [];
  return pools.flatMap(({ subnet }) =>
    bridge.record.pools
      .filter((own) => prefixesOverlap(own.subnet, subnet))
      .map(
        (own) =>
          `subnet ${formatPrefix(subnet)} overlaps ${formatPrefix(own.subnet)} of ${bridge.name} on this host: ` +
          "its containers have no way out here",
      ),
  );
}

function namedSubnets({ ipam }: Pick<NetworkRecord, "ipam">): Prefix[] {
  return ipam.pools.flatMap(({ subnet }) => (subnet && !isUnspecified(subnet.address) ? [subnet] : []));
}
