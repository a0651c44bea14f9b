// What the controller is told of a link that has joined.

import type {
  EndpointInterface,
  EndpointOptions,
  JoinResponse,
  PoolData,
  StaticRoute,
} from "../../src/driverapi/index.ts";
import { chosenSysctls } from "../../src/driverkit/index.ts";
import { type Prefix, prefixContains } from "../../src/netip/index.ts";
import type { OverlayConfig } from "./options.ts";

/** An overlay leads nowhere by itself: the way out is another network's, which an internal one does without. */
export function joinResponse({
  config,
  interface: own,
  driverOpts,
  srcName,
  dstName,
  indexInSandbox,
}: {
  readonly config: OverlayConfig;
  readonly interface: EndpointInterface;
  readonly driverOpts: EndpointOptions["driverOpts"];
  readonly srcName: string;
  /** Undefined where the controller chooses. */
  readonly dstName: string | undefined;
  readonly indexInSandbox: number;
}): JoinResponse {
  return {
    link: {
      srcName,
      dstPrefix: config.interfacePrefix,
      ...(dstName !== undefined && { dstName }),
      indexInSandbox,
    },
    staticRoutes: [...otherSubnets(config.ipv4, own.address), ...otherSubnets(config.ipv6, own.addressIpv6)],
    disableGatewayService: config.internal,
    sysctls: chosenSysctls(driverOpts),
  };
}

/** The network's other subnets are on the same bridge: neighbours. */
function otherSubnets(pools: readonly PoolData[], own: Prefix | undefined): StaticRoute[] {
  if (!own) return [];
  return pools
    .filter(({ pool }) => !prefixContains(pool, own.address))
    .map(({ pool }) => ({ destination: pool }));
}
