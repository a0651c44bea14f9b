// What the controller is told of a link that has joined: name, gateways, sysctls.

import type {
  EndpointInterface,
  EndpointOptions,
  JoinResponse,
  PoolData,
  StaticRoute,
} from "../../src/driverapi/index.ts";
import { chosenSysctls } from "../../src/driverkit/index.ts";
import { type Prefix, prefixContains } from "../../src/netip/index.ts";
import type { BridgeConfig } from "./options.ts";

/** `name` is the final one; undefined where the controller chooses. An internal network has no gateway. */
export function joinResponse({
  indexInSandbox,
  config,
  interface: own,
  driverOpts,
  srcName,
  name,
}: {
  readonly indexInSandbox: number;
  readonly config: BridgeConfig;
  readonly interface: EndpointInterface;
  readonly driverOpts: EndpointOptions["driverOpts"];
  readonly srcName: string;
  readonly name: string | undefined;
}): JoinResponse {
  const gateway = config.internal ? undefined : gatewayOf(config.ipv4, own.address, "DefaultGatewayIPv4");
  const gatewayIpv6 = config.internal
    ? undefined
    : gatewayOf(config.ipv6, own.addressIpv6, "DefaultGatewayIPv6");
  return {
    link: {
      srcName,
      dstPrefix: config.interfacePrefix,
      ...(name !== undefined && { dstName: name }),
      indexInSandbox,
    },
    ...(gateway && { gateway: gateway.address }),
    ...(gatewayIpv6 && { gatewayIpv6: gatewayIpv6.address }),
    staticRoutes: [...otherSubnets(config.ipv4, own.address), ...otherSubnets(config.ipv6, own.addressIpv6)],
    disableGatewayService: false,
    ...(isRouted(config) && { isReachedDirectly: true }),
    sysctls: chosenSysctls(driverOpts),
  };
}

function isRouted({ internal, modeIpv4, modeIpv6 }: BridgeConfig): boolean {
  return !internal && (modeIpv4 === "routed" || modeIpv6 === "routed");
}

/** The network's other subnets are on the same bridge: neighbours, not something behind the gateway. */
function otherSubnets(pools: readonly PoolData[], own: Prefix | undefined): StaticRoute[] {
  if (!own) return [];
  return pools
    .filter(({ pool }) => !prefixContains(pool, own.address))
    .map(({ pool }) => ({ destination: pool }));
}

/**
 * What a container with this address uses as its gateway: in its subnet, the one named as auxiliary address, or the
 * bridge itself.
 */
function gatewayOf(pools: readonly PoolData[], own: Prefix | undefined, auxName: string): Prefix | undefined {
  const pool = pools.find(({ pool }) => own && prefixContains(pool, own.address));
  return pool?.auxAddresses[auxName] ?? pool?.gateway;
}
